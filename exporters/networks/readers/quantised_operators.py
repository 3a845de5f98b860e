"""Operators over quantised tensors, and what each is in floating point: tables.

The forms are those of ``onnx.defs`` and, in the domain ``com.microsoft``, of ONNX Runtime's
docs/ContribOperators.md. Places are those of inputs; a tensor is (tensor, scale, zero point).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# (tensor, scale, zero point); no scale: its integers are multiplied as they are; a tensor alone is floating point.
Place = tuple[int, int | None, int] | tuple[int]

DOMAINS = {"", "ai.onnx", "com.microsoft"}


@dataclass(frozen=True)
class Form:
    """What a quantised operator computes.

    op_type: the operator in floating point.
    operands: where its inputs are; one group of three after the other from ``operands[0]`` on if they are ``repeated``.
    axes: along which axis each operand has its scales, where it has several.
    result: (scale, zero point) of what comes out; ``None``: the number itself, or an integer where no operand has a
        scale.
    bias: the place of what is added. Of ``Conv`` and ``Gemm`` it is in units of the product of the operands' scales,
        times alpha.
    """

    op_type: str
    operands: tuple[Place, ...]
    axes: tuple[int, ...] = (1, 1)
    result: tuple[int, int] | None = None
    bias: int | None = None
    repeated: bool = False


_ONE: tuple[Place, ...] = ((0, 1, 2),)
_TWO: tuple[Place, ...] = ((0, 1, 2), (3, 4, 5))
_ROWS_BY_COLUMNS = (-2, -1)

FORMS: Mapping[str, Form] = {
    "QLinearConv": Form("Conv", _TWO, (1, 0), (6, 7), bias=8),
    "QLinearMatMul": Form("MatMul", _TWO, _ROWS_BY_COLUMNS, (6, 7)),
    "QGemm": Form("Gemm", _TWO, _ROWS_BY_COLUMNS, (7, 8), bias=6),
    "QLinearAdd": Form("Add", _TWO, result=(6, 7)),
    "QLinearMul": Form("Mul", _TWO, result=(6, 7)),
    "QLinearWhere": Form("Where", ((0,), (1, 2, 3), (4, 5, 6)), (1, 1, 1), result=(7, 8)),
    "QLinearConcat": Form("Concat", ((2, 3, 4),), (1,), result=(0, 1), repeated=True),
    "QLinearAveragePool": Form("AveragePool", _ONE, (1,), (3, 4)),
    "QLinearGlobalAveragePool": Form("GlobalAveragePool", _ONE, (1,), (3, 4)),
    "QLinearReduceMean": Form("ReduceMean", _ONE, (1,), (3, 4)),
    "QLinearSigmoid": Form("Sigmoid", _ONE, (1,), (3, 4)),
    "QLinearLeakyRelu": Form("LeakyRelu", _ONE, (1,), (3, 4)),
    "QLinearSoftmax": Form("Softmax", _ONE, (1,), (3, 4)),
    "ConvInteger": Form("Conv", ((0, None, 2), (1, None, 3)), (1, 0)),
    "MatMulInteger": Form("MatMul", ((0, None, 2), (1, None, 3)), _ROWS_BY_COLUMNS),
    "MatMulIntegerToFloat": Form("MatMul", ((0, 2, 4), (1, 3, 5)), _ROWS_BY_COLUMNS, bias=6),
    "DynamicQuantizeMatMul": Form("MatMul", ((0,), (1, 2, 3)), _ROWS_BY_COLUMNS, bias=4),
}

# What ONNX and ONNX Runtime call what computes with quantised numbers, whether or not it is in these tables.
PREFIXES = (
    "QLinear", "QGemm", "QAttention", "QEmbed", "QMoE", "QOrdered", "ConvInteger", "MatMulInteger", "MulInteger",
    "ReduceSumInteger", "Quantize", "Dequantize", "DynamicQuantize", "MatMulNBits", "MatMulBnb4", "MatMulFpQ4",
    "GatherBlockQuantized",
)  # fmt: skip

# Standard operators that give integers in the units of those that they take -> the places of such inputs (of all).
CARRIED: Mapping[str, tuple[int, ...] | None] = {
    **dict.fromkeys(
        ("MaxPool", "GlobalMaxPool", "Identity", "Dropout", "Relu", "Reshape", "Flatten", "Transpose", "Squeeze",
         "Unsqueeze", "Slice", "Split", "Gather", "GatherND", "GatherElements", "Tile", "Expand", "Resize", "Upsample",
         "DepthToSpace", "SpaceToDepth", "ReduceMax", "ReduceMin", "Compress"),
        (0,),
    ),
    "Pad": (0, 2),
    "Clip": (0, 1, 2),
    "Where": (1, 2),
    "Concat": None,
    "Max": None,
    "Min": None,
}  # fmt: skip
# Of those, the ones that leave channels where they are.
IN_PLACE = {"MaxPool", "GlobalMaxPool", "Identity", "Dropout"}
# They ask for places and sizes, which are the same of both.
ASKING = {"Shape", "Size", "ArgMax", "ArgMin"}

# What gives nothing below zero, whatever it takes, and where nothing it takes is (its first input, or all of them).
POSITIVE = {"Relu", "Sigmoid", "HardSigmoid", "Softmax", "Abs", "Exp", "Sqrt", "ReduceL1", "ReduceL2"}
KEEP_POSITIVE: Mapping[str, tuple[int, ...] | None] = {
    **{op_type: places for op_type, places in CARRIED.items() if op_type not in {"Resize", "Clip"}},
    **dict.fromkeys(("AveragePool", "GlobalAveragePool", "ReduceMean", "ReduceSum", "LRN", "Cast"), (0,)),
    "Add": None,
    "Mul": None,
}
