"""Neural style transfer: content of one image, style of others (Gatys, Ecker & Bethge 2016)."""

from __future__ import annotations

from pixelgrad.errors import SettingsError
from pixelgrad.exporters.networks import Network, default_content_weight, default_layers
from pixelgrad.exporters.objectives.layers import Layers, layer_weights
from pixelgrad.exporters.objectives.moments import Moments
from pixelgrad.exporters.objectives.numbers import check_number
from pixelgrad.exporters.objectives.objective import Objective
from pixelgrad.exporters.objectives.terms import Content, Gram, Term, TotalVariation

# Each is a term of its own for each layer, and a second of the export.
_MOST_MASKS = 64
STYLE_LOSSES: dict[str, type[Gram | Moments]] = {"gram": Gram, "moments": Moments}


def style_objective(
    network: Network,
    *,
    loss: str = "moments",
    masks: int = 0,
    content_layers: Layers | None = None,
    style_layers: Layers | None = None,
    content_weight: float | None = None,
    style_weight: float = 1.0,
    tv_weight: float = 0.2,
) -> Objective:
    """Content, style and total variation over ``network``.

    loss: ``gram``, correlations of features, or ``moments``, the Wasserstein distance of their Gaussians.
    masks: with so many style pictures in their own places, each has its own terms, whose inputs ``mask.1``, ... say
        where; without, there is one style for the whole image.
    content_layers, style_layers: layer names, or names with relative weights; those of the catalogue, or chosen by
        the network's strides, by default. Weights of a kind are normalised to sum to its weight; layers given
        by name alone are weighted equally.
    content_weight, style_weight, tv_weight: weights of the kinds; zero leaves a kind out. The content's is 0.05 by
        default for a plain chain such as VGG, and 0.15 for others, whose content is lost in the style at that.

    Raises :class:`UnknownLayerError` and :class:`SettingsError`.
    """
    if content_weight is None:
        content_weight = default_content_weight(network)
    for name, weight in (("content", content_weight), ("style", style_weight), ("tv", tv_weight)):
        check_number(f"the {name} weight", weight)
    kind = style_kind(loss)
    if not 0 <= masks <= _MOST_MASKS:
        raise SettingsError(f"masks is {masks}; it must be a whole number from 0 to {_MOST_MASKS}")
    if content_layers is None or style_layers is None:  # else not asked: not every network has any by default
        default_style, default_content = default_layers(network)
        style_layers = default_style if style_layers is None else style_layers
        content_layers = default_content if content_layers is None else content_layers
    content, style = layer_weights(content_layers), layer_weights(style_layers)
    terms: list[Term] = []
    for layer, share in content.items() if content_weight else ():
        tensor = str(network.layer(layer).name)
        terms.append(Content(f"content.{tensor}", tensor, content_weight * share))
    for layer, share in style.items() if style_weight else ():
        tensor, weight = str(network.layer(layer).name), style_weight * share
        if not masks:
            terms.append(kind(f"style.{tensor}", tensor, weight))
        for place in range(1, masks + 1):
            terms.append(kind(f"style.{tensor}.{place}", tensor, weight / masks, mask=f"mask.{place}"))
    if tv_weight:
        terms.append(TotalVariation("tv", None, tv_weight))
    settings = {
        "loss": loss,
        "masks": masks,
        "content_layers": content,
        "style_layers": style,
        "content_weight": content_weight,
        "style_weight": style_weight,
        "tv_weight": tv_weight,
    }
    return Objective("style", tuple(terms), settings)


def style_kind(loss: str) -> type[Gram | Moments]:
    """The term of that name; :class:`SettingsError` where there is none."""
    if not isinstance(loss, str) or loss not in STYLE_LOSSES:
        raise SettingsError(f"loss is {loss!r}; it must be one of {', '.join(STYLE_LOSSES)}")
    return STYLE_LOSSES[loss]
