"""Operators that are faster as the simpler ones they are defined by, whatever the device."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from pixelgrad.exporters.autodiff import Emitter
from pixelgrad.exporters.autodiff.lowering import take_over
from pixelgrad.exporters.autodiff.rules.normalization import response, response_denominator
from pixelgrad.exporters.opset18.attributes import integer, number, operand, optional
from pixelgrad.exporters.opset18.shapes import dims

# The weights of a network are not what a gradient and a normalisation have in common.
_LARGEST_CONSTANT = 4 << 20


def write_out(model: ir.Model) -> None:
    """Replace them, in place: local response normalisation of float32 feature maps, and the logarithm of summed powers.

    ONNX Runtime's LRN takes 52 ms for 192 channels at 128 x 128 on two cores, and WebGPU has none; a convolution in
    it included, this takes 10. Its gradient has steps in common with it, and ONNX Runtime runs equal nodes once.
    Only the CPU and CUDA have a ReduceLogSumExp.
    """
    graph = model.graph
    nodes = [node for node in graph if not node.domain and node.op_type in _FORMS and _is_written_out(node)]
    if not nodes:
        return
    op = Emitter(graph)
    for node in nodes:
        old = node.outputs[0]
        name, form = _FORMS[node.op_type]
        with op.named(f"{name}/{old.name}"):
            new = form(op, node)
        take_over(graph, old, new)
        graph.remove(node, safe=True)
    graph.sort()
    _share_constants(graph)


def _is_written_out(node: ir.Node) -> bool:
    return node.op_type != "LRN" or is_feature_map(operand(node))


def _lrn(op: Emitter, node: ir.Node) -> ir.Value:
    return response(op, operand(node), response_denominator(op, node), number(node, "beta", 0.75))


def _log_sum_exp(op: Emitter, node: ir.Node) -> ir.Value:
    """Less the largest, whose power may be more than there are numbers for."""
    x, axes, kept = operand(node), optional(node, 1), integer(node, "keepdims", 1)
    largest = op.ReduceMax(x, axes, keepdims=1)
    total = op.ReduceSum(op.Exp(op.Sub(x, largest)), axes, keepdims=kept)
    return op.Add(op.Log(total), largest if kept else op.ReduceMax(x, axes, keepdims=0))


_FORMS: dict[str, tuple[str, Callable[[Emitter, ir.Node], ir.Value]]] = {
    "LRN": ("response", _lrn),
    "ReduceLogSumExp": ("log_sum_exp", _log_sum_exp),
}


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
