"""3x3 convolutions by Winograd's minimal filtering F(4, 3) along the height (Lavin & Gray 2016, section 4.1).

Six combinations of each tile of six rows (a strided convolution of each channel), one kernel of a single row for each
(one convolution in six groups), and four rows of output out of the six results: half of the multiplications. Along
one axis only, all of it stays in the kinds of operator that ONNX Runtime's CPU is fastest at, and rows are copied
whole. Tiles of 6x6, F(4x4, 3x3), save more multiplications (three quarters) and lose that again on the transforms:
milliseconds per layer on two AVX-512 cores, one run:

====================  ======  ==========  =======
channels, size        direct  6x6 tiles   six rows
====================  ======  ==========  =======
512, 64x64              79        38         46
256, 128x128            81        51         56
128, 128x128            31        31         27
====================  ======  ==========  =======

and the transformed weights take four times the memory where these take two.

It runs over a whole graph, gradient included: there a convolution's backward pass is a convolution like any other.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pixelgrad.exporters.autodiff import Emitter
from pixelgrad.exporters.autodiff.lowering import take_over
from pixelgrad.exporters.autodiff.rules.conv import TURNED
from pixelgrad.exporters.opset18.attributes import integer, integers, operand, optional, text
from pixelgrad.exporters.opset18.shapes import dims, same_dim

# The harmonic mean of input and output channels below which the transforms cost more than the products save.
_FEWEST_CHANNELS = 128

# Input, kernel and output transforms for the points 0, 1, -1, 2, -2 and infinity.
_INPUT = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    dtype=np.float32,
)
_KERNEL = np.array(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ],
    dtype=np.float32,
)
_OUTPUT = np.array(
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]], dtype=np.float32
)


def use_winograd(model: ir.Model, fewest_channels: int = _FEWEST_CHANNELS) -> None:
    """Rewrite every convolution that gains by it, in place."""
    graph = model.graph
    wanted = [node for node in graph if _gains(node, fewest_channels)]
    if not wanted:
        return
    op = Emitter(graph)
    for node in wanted:
        with op.named(f"winograd/{node.outputs[0].name}"):
            _rewrite(op, node)
    graph.sort()


def _gains(node: ir.Node, fewest_channels: int) -> bool:
    if node.op_type != "Conv" or node.domain:
        return False
    x, weight = operand(node), operand(node, 1)
    if x.dtype != ir.DataType.FLOAT or x.shape is None or weight.shape is None or not _is_constant(weight):
        return False
    outputs, inputs, *window = dims(weight)
    return (
        window == [3, 3]
        and isinstance(outputs, int)
        and isinstance(inputs, int)
        # The grouped convolution is a blocked one where both are multiples of the widest block.
        and outputs % 16 == inputs % 16 == 0
        and 2 * outputs * inputs >= fewest_channels * (outputs + inputs)
        and set(integers(node, "strides", [1]) or [1]) == {1}
        and set(integers(node, "dilations", [1]) or [1]) == {1}
        and integer(node, "group", 1) == 1
        and text(node, "auto_pad", "NOTSET") == "NOTSET"
        and min(integers(node, "pads", [0] * 4) or [0]) >= 0
    )


def _is_constant(value: ir.Value) -> bool:
    """Whether a value is a weight, or computed from weights alone."""
    producer = value.producer()
    if producer is None:
        return value.const_value is not None and not value.is_graph_input()
    return all(_is_constant(v) for v in producer.inputs if v is not None)


def _rewrite(op: Emitter, node: ir.Node) -> None:
    x, weight, bias, y = operand(node), operand(node, 1), optional(node, 2), node.outputs[0]
    outputs, inputs = (int(d) for d in dims(weight)[:2])  # type: ignore[arg-type]
    top, left, bottom, right = integers(node, "pads", [0] * 4) or [0] * 4
    # Three more rows below, so that a last tile that is not full counts as well.
    tiles = {"group": inputs, "strides": [4, 1], "pads": [top, 0, bottom + 3, 0]}
    rows = [op.Conv(x, op.Expand(row.reshape(1, 1, 6, 1), op.value([inputs, 1, 6, 1])), **tiles) for row in _INPUT]
    products = op.Conv(
        op.Concat(*rows, axis=1),
        _kernels(op, weight, outputs, inputs),
        None if bias is None else _bias(op, bias, outputs),
        group=6,
        pads=[0, left, 0, right],
    )
    width = op.shape(y, start=3, end=4)
    combined = op.MatMul(_OUTPUT, op.Reshape(products, [0, 6, -1]))
    combined = op.Reshape(combined, op.Concat(op.value([0, 4, outputs, -1]), width, axis=0))
    result = op.Reshape(op.Transpose(combined, perm=[0, 2, 3, 1, 4]), op.Concat(op.value([0, 0, -1]), width, axis=0))
    if not _divisible(dims(y)[2]):
        result = op.Slice(result, [0], op.shape(y, start=2, end=3), [2])
    take_over(op.graph, y, result)
    op.graph.remove(node, safe=True)


def _kernels(op: Emitter, weight: ir.Value, outputs: int, inputs: int) -> ir.Value:
    """The transformed weights [6 * outputs, inputs, 1, 3], folded into a constant when a session loads.

    By as few operators as can be from the weights as they are stored: while it folds them, ONNX Runtime keeps what
    each of them made.
    """
    turned = weight.meta.get(TURNED)
    if turned is None:
        kernels = op.Einsum(weight, _KERNEL, equation="oiab,ka->koib")
    else:
        upside_down, mirrored = _KERNEL[:, ::-1], np.eye(3, dtype=np.float32)[::-1]
        both = np.einsum("ka,bc->kabc", upside_down, mirrored)
        kernels = op.Einsum(turned, both, equation="oiab,kabc->kioc")
    return op.Reshape(kernels, [6 * outputs, inputs, 1, 3])


def _bias(op: Emitter, bias: ir.Value, outputs: int) -> ir.Value:
    """The bias on the second result alone, which each of the four rows of output takes once."""
    return op.Concat(np.zeros(outputs, np.float32), bias, np.zeros(4 * outputs, np.float32), axis=0)


def _divisible(size: int | ir.SymbolicDim) -> bool:
    """Whether the size is proven to be a multiple of 4."""
    if isinstance(size, int):
        return size % 4 == 0
    return size.value is not None and same_dim((size // 4) * 4, size)
