"""How many axes values have, as far as the conversions of the oldest operators need it and it is certain."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from pixelgrad.exporters.opset18.attributes import integer, integers

__all__ = ["rank_of_output"]

# What they put out has the axes of their first input.
_KEEP = (
    "Abs Acos Acosh Asin Asinh Atan Atanh AveragePool BatchNormalization Cast Ceil Celu Clip Concat Conv ConvTranspose "
    "Cos Cosh CumSum DepthToSpace Dropout Elu Erf Exp Floor GlobalAveragePool GlobalLpPool GlobalMaxPool HardSigmoid "
    "Hardmax Identity InstanceNormalization IsInf IsNaN LRN LeakyRelu Log LogSoftmax LpNormalization LpPool MaxPool "
    "MeanVarianceNormalization Neg Not PRelu Pad Reciprocal Relu Resize ReverseSequence Round ScatterElements "
    "ScatterND Selu Shrink Sigmoid Sign Sin Sinh Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Tan Tanh "
    "ThresholdedRelu Tile TopK Transpose Trilu Upsample"
)
# They broadcast: theirs are those of the input that has most.
_BROADCAST = (
    "Add And BitShift Div Equal Greater GreaterOrEqual Less LessOrEqual Max Mean Min Mod Mul Or Pow Sub Sum Where Xor"
)
_KEEPS, _BROADCASTS = frozenset(_KEEP.split()), frozenset(_BROADCAST.split())


def rank_of_output(node: ir.Node, ranks: Mapping[ir.Value, int]) -> int | None:
    """That of each output of ``node``; ``None`` where it is not known. ranks: those of values that are known."""
    if node.outputs and node.outputs[0].shape is not None:
        return node.outputs[0].shape.rank()
    if node.op_type in {"Flatten", "Gemm"}:
        return 2
    if node.op_type == "Reshape":
        return _target(node)
    known = [ranks.get(value) for value in node.inputs if value is not None]
    if not known or known[0] is None:
        return None
    first = known[0]
    if node.op_type in _KEEPS:
        return first
    rest = [rank for rank in known[1:] if rank is not None]
    if len(rest) + 1 < len(known):
        return first if "broadcast" in node.attributes else None
    if node.op_type in _BROADCASTS:
        return max([first, *rest])
    if node.op_type == "MatMul":
        return max(first, rest[0]) if min(first, rest[0]) > 1 else None
    if node.op_type == "Gather":
        return first + rest[0] - 1
    return _with_axes(node, first)


def _target(node: ir.Node) -> int | None:
    shape = integers(node, "shape")
    target = node.inputs[1] if len(node.inputs) > 1 else None
    if shape is not None:
        return len(shape)
    return None if target is None or target.const_value is None else target.const_value.size


def _with_axes(node: ir.Node, rank: int) -> int | None:
    """Of what adds or removes the axes that an attribute names."""
    axes = integers(node, "axes")
    if node.op_type in {"Squeeze", "Unsqueeze"}:
        return None if axes is None else rank + len(axes) * (1 if node.op_type == "Unsqueeze" else -1)
    if node.op_type.startswith(("Reduce", "Arg")):
        if integer(node, "keepdims", 1):
            return rank
        if node.op_type.startswith("Arg"):
            return rank - 1
        return None if axes is None else rank - len(axes)
    return None
