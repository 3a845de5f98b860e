"""Texture synthesis: the statistics of a network's features, from shallow to deep (Gatys, Ecker & Bethge 2015)."""

from __future__ import annotations

from pixelgrad.exporters.networks import Network, default_layers
from pixelgrad.exporters.objectives.grain import Grain
from pixelgrad.exporters.objectives.layers import Layers, layer_weights
from pixelgrad.exporters.objectives.numbers import check_number
from pixelgrad.exporters.objectives.objective import Objective
from pixelgrad.exporters.objectives.style import style_kind
from pixelgrad.exporters.objectives.terms import Term, TotalVariation

# conv1_1 and pool1 to pool4. In Caffe a ReLU overwrites what it reads, so the paper's conv1_1 is relu1_1.
_PAPER = ("relu1_1", "pool1", "pool2", "pool3", "pool4")
# Judged by eye: at a tenth of the layers' weight a slim VGG-19 leaves no crosshatch, at a third GoogLeNet no dots.
_GRAIN = 0.2


def texture_objective(
    network: Network,
    *,
    loss: str = "moments",
    layers: Layers | None = None,
    grain_weight: float | None = None,
    tv_weight: float = 0.0,
    tileable: bool = False,
) -> Objective:
    """Statistics of the features at ``layers``, and of patches of pixels and total variation if they have a weight.

    loss: ``moments``, the Wasserstein distance of Gaussians over features, or ``gram``, as in the paper.
    layers: names, shallow to deep, or names with relative weights; conv1_1 (rectified) and pool1 to pool4 by default,
        as in the paper, or the style layers of a network that has none of those names. Equally weighted by default.
    grain_weight: of :class:`Grain`; 0.2 by default, where the layers have 1 together, and none for ``gram``.
    tv_weight: of the smoothness.
    tileable: whether an input ``mask.1`` says which part of the image the statistics are of: a tile amid copies of
        itself, which the layers look at too.

    Raises :class:`UnknownLayerError` and :class:`SettingsError`.
    """
    shares = layer_weights(texture_layers(network) if layers is None else layers)
    kind, terms = style_kind(loss), list[Term]()
    if grain_weight is None:
        grain_weight = _GRAIN if loss == "moments" else 0.0
    check_number("the grain weight", grain_weight)
    check_number("the tv weight", tv_weight)
    mask = "mask.1" if tileable else None
    for layer, share in shares.items():
        tensor = str(network.layer(layer).name)
        terms.append(kind(f"texture.{tensor}", tensor, share, mask=mask))
    if grain_weight:
        terms.append(Grain("texture.grain", None, grain_weight, mask=mask))
    if tv_weight:
        terms.append(TotalVariation("tv", None, tv_weight))
    settings = {
        "loss": loss,
        "layers": shares,
        "grain_weight": grain_weight,
        "tv_weight": tv_weight,
        "tileable": tileable,
    }
    return Objective("texture", tuple(terms), settings)


def texture_layers(network: Network) -> list[str]:
    """The layers that a texture is made from where none are named, shallow to deep."""
    known = {*network.aliases, *(str(value.name) for value in network.geometries())}
    return list(_PAPER) if known.issuperset(_PAPER) else list(default_layers(network)[0])
