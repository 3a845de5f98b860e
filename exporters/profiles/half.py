"""Networks in float16, with float32 where it matters (mixed precision: Micikevicius et al. 2018).

Weights, activations and their cotangents are float16, half the memory and the arithmetic of tensor cores. The image,
its normalisation, the losses with their Gram sums, and everything behind them stay float32. Cotangents are scaled up
on their way through the float16 part by ``loss_scale``, because most are too small for it, and down at the end.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx_ir as ir

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.autodiff import Emitter
from pixelgrad.exporters.opset18.weights import add_weight

__all__ = ["LOSS_SCALE", "use_float16"]

# Where dynamic scaling starts: GradScaler's first value in PyTorch.
LOSS_SCALE = 65536.0
# Inputs that are float32 whatever the type of the data: the region and the scales of Resize.
_ALWAYS_FLOAT = {"Resize": (1, 2)}


def use_float16(model: ir.Model, image: ir.Value, layers: Iterable[ir.Value]) -> dict[ir.Value, ir.Value]:
    """Turn a network (opset 18, inferred shapes) to float16 behind its normalisation, in place.

    layers: the tensors that losses are written over. Returns each one's float32 copy.
    Raises :class:`NetworkError` where a weight is too large for float16.
    """
    graph = model.graph
    nodes = list(graph)
    op = Emitter(graph)
    with op.named("half"):
        start = _normalised(image)
        uses = list(start.uses())
        half = op.Cast(start, to=int(ir.DataType.FLOAT16))
        half.shape = start.shape
        for use in uses:
            use.node.replace_input_with(use.idx, half)
        halves: dict[ir.Value, ir.Value] = {}
        converted = {half}
        for node in nodes:
            if any(value in converted for value in node.inputs if value is not None):
                _convert(op, node, converted, halves)
        copies = {}
        for layer in dict.fromkeys(half if layer is start else layer for layer in layers):
            if layer in converted:
                copies[layer] = op.Cast(layer, to=int(ir.DataType.FLOAT))
                copies[layer].shape = layer.shape
    if half in copies:
        copies[start] = copies.pop(half)
    graph.sort()
    return copies


def _normalised(image: ir.Value) -> ir.Value:
    """The image as the network wants it: pixel values up to 255 would lose too much to float16 before that."""
    uses = list(image.uses())
    if len(uses) == 1 and uses[0].node.name == "preprocess":
        return uses[0].node.outputs[0]
    return image


def _convert(op: Emitter, node: ir.Node, converted: set[ir.Value], halves: dict[ir.Value, ir.Value]) -> None:
    for index, value in enumerate(node.inputs):
        if value is None or value in converted or value.dtype != ir.DataType.FLOAT:
            continue
        if index in _ALWAYS_FLOAT.get(node.op_type, ()):
            continue
        if value not in halves:
            halves[value] = _half(op, value)
        node.replace_input_with(index, halves[value])
    if node.op_type == "Cast" and node.attributes["to"].as_int() == ir.DataType.FLOAT:
        node.attributes["to"] = ir.AttrInt64("to", int(ir.DataType.FLOAT16))
    for output in node.outputs:
        if output.dtype == ir.DataType.FLOAT:
            output.type = ir.TensorType(ir.DataType.FLOAT16)  # a clone shares its type object with the original
            converted.add(output)


def _half(op: Emitter, value: ir.Value) -> ir.Value:
    if value.const_value is None or value.is_graph_input():
        return op.Cast(value, to=int(ir.DataType.FLOAT16))
    array = value.const_value.numpy()
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    if not np.isfinite(half).all():
        raise NetworkError(
            f"weight {value.name!r} goes up to {np.abs(array).max():g} and float16 to 65504; use --precision fp32"
        )
    return add_weight(op.graph, op.unique(f"{value.name}/half"), half)
