"""Operators that are faster as the simpler ones they are defined by, whatever the device."""

from __future__ import annotations

import onnx_ir as ir

from pixelgrad.exporters.autodiff import Emitter
from pixelgrad.exporters.autodiff.lowering import take_over
from pixelgrad.exporters.autodiff.rules.normalization import response, response_denominator
from pixelgrad.exporters.opset18.attributes import number, operand
from pixelgrad.exporters.opset18.shapes import dims

# The weights of a network are not what a gradient and a normalisation have in common.
_LARGEST_CONSTANT = 4 << 20


def write_out(model: ir.Model) -> None:
    """Replace them, in place: local response normalisation of float32 feature maps.

    ONNX Runtime's LRN takes 52 ms for 192 channels at 128 x 128 on two cores, and WebGPU has none; a convolution in
    it included, this takes 10. Its gradient has steps in common with it, and ONNX Runtime runs equal nodes once.
    """
    graph = model.graph
    nodes = [node for node in graph if node.op_type == "LRN" and not node.domain and is_feature_map(operand(node))]
    if not nodes:
        return
    op = Emitter(graph)
    for node in nodes:
        old = node.outputs[0]
        with op.named(f"response/{old.name}"):
            new = response(op, operand(node), response_denominator(op, node), number(node, "beta", 0.75))
        take_over(graph, old, new)
        graph.remove(node, safe=True)
    graph.sort()
    _share_constants(graph)


def _share_constants(graph: ir.Graph) -> None:
    """Make equal constants one, as nodes are equal only where their inputs are the same."""
    known: dict[tuple[str, tuple[int, ...], bytes], ir.Value] = {}
    for value in list(graph.initializers.values()):
        if value.const_value is None or value.is_graph_input() or value.const_value.nbytes > _LARGEST_CONSTANT:
            continue
        array = value.const_value.numpy()
        first = known.setdefault((array.dtype.str, array.shape, array.tobytes()), value)
        if first is not value:
            value.replace_all_uses_with(first)


def is_feature_map(value: ir.Value) -> bool:
    """Whether a tensor is float32 [N, channels, H, W] with a known number of channels."""
    if value.dtype != ir.DataType.FLOAT or value.shape is None or value.shape.rank() != 4:
        return False
    return isinstance(dims(value)[1], int)
