"""Texture synthesis: the correlations of a network's features, from shallow to deep (Gatys, Ecker & Bethge 2015)."""

from __future__ import annotations

from pixelgrad.exporters.networks import Network, default_layers
from pixelgrad.exporters.objectives.layers import Layers, layer_weights
from pixelgrad.exporters.objectives.numbers import check_number
from pixelgrad.exporters.objectives.objective import Objective
from pixelgrad.exporters.objectives.terms import Gram, Term, TotalVariation

# conv1_1 and pool1 to pool4. In Caffe a ReLU overwrites what it reads, so the paper's conv1_1 is relu1_1.
_PAPER = ("relu1_1", "pool1", "pool2", "pool3", "pool4")


def texture_objective(
    network: Network, *, layers: Layers | None = None, tv_weight: float = 0.0, tileable: bool = False
) -> Objective:
    """Gram matrices at ``layers``, and total variation if it has a weight.

    layers: names, shallow to deep, or names with relative weights; conv1_1 (rectified) and pool1 to pool4 by default,
        as in the paper, or the style layers of a network that has none of those names. Equally weighted by default.

    tileable: whether an input ``mask.1`` says which part of the image the Gram matrices are of: a tile amid copies of
        itself, which the layers look at too.

    Raises :class:`UnknownLayerError` and :class:`SettingsError`.
    """
    check_number("the tv weight", tv_weight)
    shares = layer_weights(texture_layers(network) if layers is None else layers)
    terms: list[Term] = []
    for layer, share in shares.items():
        tensor = str(network.layer(layer).name)
        terms.append(Gram(f"texture.{tensor}", tensor, share, mask="mask.1" if tileable else None))
    if tv_weight:
        terms.append(TotalVariation("tv", None, tv_weight))
    return Objective("texture", tuple(terms), {"layers": shares, "tv_weight": tv_weight, "tileable": tileable})


def texture_layers(network: Network) -> list[str]:
    """The layers that a texture is made from where none are named, shallow to deep."""
    known = {*network.aliases, *(str(value.name) for value in network.geometries())}
    return list(_PAPER) if known.issuperset(_PAPER) else list(default_layers(network)[0])
