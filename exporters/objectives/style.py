"""Neural style transfer: content of one image, style of others (Gatys, Ecker & Bethge 2016)."""

from __future__ import annotations

from pixelgrad.errors import SettingsError
from pixelgrad.exporters.networks import Network, default_layers
from pixelgrad.exporters.objectives.layers import Layers, layer_weights
from pixelgrad.exporters.objectives.objective import Objective
from pixelgrad.exporters.objectives.terms import Content, Gram, Term, TotalVariation


def style_objective(
    network: Network,
    *,
    content_layers: Layers | None = None,
    style_layers: Layers | None = None,
    content_weight: float = 0.1,
    style_weight: float = 1.0,
    tv_weight: float = 2.0,
) -> Objective:
    """Content, Gram style and total variation over ``network``.

    content_layers, style_layers: layer names, or names with relative weights; those of the catalogue, or chosen by
        the network's strides, by default. Weights of a kind are normalised to sum to its weight. Style layers
        given by name alone are weighted 16 : 8 : 4 : 2 : 1 from shallow to deep; content layers equally.
    content_weight, style_weight, tv_weight: weights of the kinds; zero leaves a kind out.

    Raises :class:`UnknownLayerError` and :class:`SettingsError`.
    """
    for name, weight in (("content", content_weight), ("style", style_weight), ("tv", tv_weight)):
        if not 0 <= weight < float("inf"):
            raise SettingsError(f"the {name} weight is {weight}; it must be a number from 0 up")
    default_style, default_content = default_layers(network)
    content = layer_weights(default_content if content_layers is None else content_layers, ratio=1.0)
    style = layer_weights(default_style if style_layers is None else style_layers, ratio=2.0)
    terms: list[Term] = []
    for kind, layers, weight in ((Content, content, content_weight), (Gram, style, style_weight)):
        if not weight:
            continue
        for layer, share in layers.items():
            tensor = str(network.layer(layer).name)
            terms.append(kind(f"{'content' if kind is Content else 'style'}.{tensor}", tensor, weight * share))
    if tv_weight:
        terms.append(TotalVariation("tv", None, tv_weight))
    settings = {
        "content_layers": content,
        "style_layers": style,
        "content_weight": content_weight,
        "style_weight": style_weight,
        "tv_weight": tv_weight,
    }
    return Objective("style", tuple(terms), settings)
