"""Feature visualisation: an image that makes a channel, a neuron, a class or a direction of a network respond."""

from __future__ import annotations

import onnx_ir as ir

from pixelgrad.errors import NetworkError, SettingsError
from pixelgrad.exporters.autodiff import Emitter
from pixelgrad.exporters.networks import Network, class_scores, last_map
from pixelgrad.exporters.objectives.activations import RIVALS_WEIGHT
from pixelgrad.exporters.objectives.aligned import Aligned
from pixelgrad.exporters.objectives.numbers import check_batch, check_number
from pixelgrad.exporters.objectives.objective import Objective
from pixelgrad.exporters.objectives.terms import Term, TotalVariation, gram_matrix
from pixelgrad.exporters.objectives.waking import CentreUnit, WakingUnit, class_terms
from pixelgrad.exporters.opset18.shapes import dims

UNITS = ("channel", "neuron", "class", "direction")
_TERMS: dict[str, type[Term]] = {"channel": WakingUnit, "neuron": CentreUnit, "direction": Aligned}


class AlphaNorm(Term):
    """Mean of |2 x - 1|^6 over the pixels x in [0, 1], summed over the images (Mahendran & Vedaldi 2015, section 3.1:
    the alpha norm with alpha = 6). Hardly any price near mid grey, a steep one near black and white."""

    def loss(self, op: Emitter, features: ir.Value, target: ir.Value | None) -> ir.Value:
        square = op.Sub(op.Mul(features, 2.0), 1.0)
        square = op.Mul(square, square)
        powers = op.Mul(op.Mul(square, square), square)
        return op.ReduceSum(op.ReduceMean(powers, [1, 2, 3], keepdims=0), keepdims=0)


class Likeness(Term):
    """Sum over pairs of images of the cosine between their Gram matrices (Olah et al. 2017, "Diversity")."""

    def loss(self, op: Emitter, features: ir.Value, target: ir.Value | None) -> ir.Value:
        count = dims(features)[0]
        grams = op.Reshape(gram_matrix(op, features), [0, -1])
        grams.shape = ir.Shape([count, None])
        # No ReduceL2, which CoreML lacks; the tiny number keeps a map of zeros from being divided by nothing.
        norms = op.Sqrt(op.Add(op.ReduceSum(op.Mul(grams, grams), [1], keepdims=1), 1e-16))
        unit = op.Div(grams, norms)
        total = op.ReduceSum(unit, [0], keepdims=0)
        # |sum u|^2 = n + 2 sum of pairs, for unit vectors u.
        return op.Mul(op.Sub(op.ReduceSum(op.Mul(total, total), keepdims=0), float(count)), 0.5)  # type: ignore[arg-type]


def visualize_objective(
    network: Network,
    layer: str | None = None,
    *,
    unit: str = "channel",
    rivals_weight: float = RIVALS_WEIGHT,
    tv_weight: float = 0.0,
    norm_weight: float = 0.0,
    diversity_weight: float = 0.0,
    batch: int = 1,
) -> Objective:
    """What makes units of ``layer`` respond; which ones, the caller says by a direction when it runs.

    layer: its name; for classes, ``None`` takes the scores before the softmax, which grow with what speaks for a class
        where probabilities grow as well with what speaks against others (Simonyan, Vedaldi & Zisserman 2014).
    unit: ``channel`` (its mean over all positions), ``neuron`` (at the centre), ``class``, or ``direction``, any among
        the channels at the centre (:class:`Aligned`).
    rivals_weight: how much of the softmax's normaliser is held against a class all the same: 0 is the score alone, 1
        the log probability. Below 1 it keeps classes that look alike apart, and never saturates.
    tv_weight, norm_weight: priors on the image, total variation and alpha norm.
    diversity_weight: of the likeness between the images of a batch.
    batch: images at once, 64 at most.

    Raises :class:`UnknownLayerError` and :class:`SettingsError`.
    """
    if unit not in UNITS:
        raise SettingsError(f"the unit is {unit!r}; it must be one of {', '.join(UNITS)}")
    weights = {"rivals": rivals_weight, "tv": tv_weight, "norm": norm_weight, "diversity": diversity_weight}
    for name, weight in weights.items():
        check_number(f"the {name} weight", weight)
    check_batch(batch)
    if diversity_weight and batch < 2:
        raise SettingsError("diversity is between pictures, and the batch is one; ask for two or more")
    value = class_scores(network) if layer is None and unit == "class" else _named(network, layer)
    tensor = str(value.name)
    is_map = len(network.shape(value)) == 4
    if unit == "neuron" and not is_map:
        raise SettingsError(f"layer {layer!r} has no positions, so a neuron of it is a channel; ask for the channel")
    terms = class_terms(tensor, rivals_weight) if unit == "class" else [_TERMS[unit](f"{unit}.{tensor}", tensor, 1.0)]
    if diversity_weight:
        spatial = str((value if is_map else last_map(network, value)).name)
        terms.append(Likeness(f"diversity.{spatial}", spatial, diversity_weight))
    if tv_weight:
        terms.append(TotalVariation("tv", None, tv_weight))
    if norm_weight:
        terms.append(AlphaNorm("norm", None, norm_weight))
    settings = {"layer": tensor, "unit": unit, "batch": batch, **{f"{name}_weight": w for name, w in weights.items()}}
    if unit == "class" or (unit == "direction" and not is_map):
        settings["sight"] = _sight(network, value)
    return Objective("visualize", tuple(terms), settings, batch)


def _sight(network: Network, scores: ir.Value) -> float | None:
    """How many pixels across one position of the last map sees; ``None`` for the whole image."""
    try:
        return network.geometries()[last_map(network, scores)].receptive_field
    except NetworkError:  # no layer has positions
        return None


def _named(network: Network, layer: str | None) -> ir.Value:
    if layer is None:
        raise SettingsError("name the layer whose channels, neurons or directions are to be seen (--layer NAME)")
    value = network.layer(layer)
    shape = network.shape(value)
    if len(shape) not in (2, 4) or not isinstance(shape[1], int):
        raise SettingsError(
            f"layer {layer!r} is {value.shape}; it must be [1, channels, height, width] or [1, channels]"
        )
    return value
