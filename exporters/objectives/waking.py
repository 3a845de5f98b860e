"""A unit that does not respond is told how to begin: behind a rectifier that is shut, a gradient is zero."""

from __future__ import annotations

import onnx_ir as ir

from pixelgrad.exporters.autodiff import Emitter
from pixelgrad.exporters.objectives.activations import RIVALS_WEIGHT, Activation, Rivals
from pixelgrad.exporters.objectives.terms import Term, counted, length_of, scalar
from pixelgrad.exporters.opset18.shapes import constant, dims, rank

__all__ = ["CentreUnit", "WakingUnit", "at_centre", "before_rectifiers", "class_terms"]

# What has no weights and makes zeros of zeros: a unit behind it is shut where the rectifiers before it are.
_PASSIVE = {
    "AveragePool",
    "Cast",
    "Concat",
    "Dropout",
    "Flatten",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "Identity",
    "MaxPool",
    "Reshape",
    "Squeeze",
}


class WakingUnit(Activation):
    """Minus direction . features, in the mean over positions; where that is shut, minus what goes into the rectifier.

    A unit whose direction is positive and that is above zero nowhere that counts is raised by its activation before the
    rectifier, until it responds. To the same end lucid redirects the gradient of a ReLU (Olah, Mordvintsev & Schubert
    2017); there in every layer, and where a picture has no gradient at all.
    """

    def loss(self, op: Emitter, features: ir.Value, target: ir.Value | None) -> ir.Value:
        assert target is not None
        counted = self._counted(op, features)
        means = self._mean(op, counted)
        before = before_rectifiers(op, features)
        if before is not None:
            spatial = list(range(2, rank(counted)))
            most = op.ReduceMax(counted, op.value(spatial), keepdims=0) if spatial else counted
            most.shape = ir.Shape(dims(features)[:2])
            # Greater and Cast alone: And and LessOrEqual are on fewer devices, and HardSigmoid would be differentiated.
            awake, wanted = (op.mask(op.Greater(value, 0.0), target) for value in (most, target))
            asleep = op.Mul(op.Sub(1.0, awake), wanted)
            means = op.Add(means, op.Mul(self._mean(op, self._counted(op, before)), asleep))
        return scalar(op, op.Neg(op.ReduceSum(op.Mul(means, target), keepdims=1)))

    def _counted(self, op: Emitter, features: ir.Value) -> ir.Value:
        """The positions that count."""
        return features

    def _mean(self, op: Emitter, features: ir.Value) -> ir.Value:
        spatial = list(range(2, rank(features)))
        if not spatial:
            return features
        means = op.ReduceMean(features, op.value(spatial), keepdims=0)
        means.shape = ir.Shape(dims(features)[:2])
        return means


class CentreUnit(WakingUnit):
    """The same at the centre position alone: one neuron for each channel (Erhan et al. 2009)."""

    def _counted(self, op: Emitter, features: ir.Value) -> ir.Value:
        return at_centre(op, features)


def at_centre(op: Emitter, features: ir.Value) -> ir.Value:
    """The centre position of a map [N, C, h, w]: [N, C, 1, 1].

    Through a mask: what a Slice would leave is put back by numbers that a GPU has to bring to the host.
    """
    centre = features
    for axis in (2, 3):
        length = length_of(op, features, axis)
        away = op.Abs(op.Sub(counted(op, length), op.Cast(op.Div(length, 2), to=ir.DataType.FLOAT)))
        mask = op.Reshape(op.Relu(op.Sub(1.0, away)), [-1, 1] if axis == 2 else [1, -1])
        centre = op.ReduceSum(op.Mul(centre, mask), [axis], keepdims=1)
    centre.shape = ir.Shape([*dims(features)[:2], 1, 1])
    return centre


def class_terms(scores: str, rivals_weight: float = RIVALS_WEIGHT) -> list[Term]:
    """What makes a class respond: its score, and its rivals held against it where that has a weight."""
    terms: list[Term] = [WakingUnit(f"class.{scores}", scores, 1.0)]
    if rivals_weight:
        terms.append(Rivals(f"rivals.{scores}", scores, rivals_weight))
    return terms


def before_rectifiers(op: Emitter, features: ir.Value) -> ir.Value | None:
    """``features`` as they would be without the last rectifiers; ``None`` where something else comes last."""
    node = features.producer()
    if node is None:
        return None
    if _is_rectifier(node):
        return node.inputs[0]
    if node.op_type not in _PASSIVE:
        return None
    # Concat joins maps; of all the others the first input is the map.
    maps = list(node.inputs) if node.op_type == "Concat" else [node.inputs[0]]
    found = [None if value is None else before_rectifiers(op, value) for value in maps]
    if all(value is None for value in found):
        return None
    # What no rectifier stands before is never shut, and stays what it is.
    replaced = [new if new is not None else old for new, old in zip(found, maps, strict=True)]
    attributes = {name: attribute.value for name, attribute in node.attributes.items()}
    (result,) = op.emit(node.op_type, [*replaced, *node.inputs[len(maps) :]], attributes)
    result.shape, result.type = features.shape, features.type
    return result


def _is_rectifier(node: ir.Node) -> bool:
    """ReLU, or Clip from 0 up (ReLU6)."""
    if node.op_type != "Clip":
        return node.op_type == "Relu"
    low = constant(node.inputs[1]) if len(node.inputs) > 1 else None
    return low is not None and float(low) == 0.0
