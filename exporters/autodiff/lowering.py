"""The last touches to a graph, so that every provider runs it whole."""

from __future__ import annotations

import onnx_ir as ir

from pixelgrad.exporters.autodiff.emitter import Emitter
from pixelgrad.exporters.opset18.attributes import integer
from pixelgrad.exporters.opset18.shapes import dims

__all__ = ["drop_identities", "keep_dimensions", "sizes_from_inputs", "take_over", "write_kernel_shapes"]


def drop_identities(graph: ir.Graph) -> None:
    """Let what an Identity copies take the place of the copy, and its name where that is an output of the graph.

    WebGPU in a browser has no Identity, and OpenVINO none of a scalar. One stays where a name would be lost: where an
    output copies an input, a weight or another output.
    """
    for node in list(graph):
        source = node.inputs[0] if _is(node, "Identity") else None
        if source is None:
            continue
        copy = node.outputs[0]
        if copy.is_graph_output():
            producer = source.producer()
            if copy.graph is not graph or producer is None or producer.graph is not graph or source.is_graph_output():
                continue
            take_over(graph, copy, source)
        else:
            copy.replace_all_uses_with(source)
        graph.remove(node, safe=True)


def keep_dimensions(graph: ir.Graph) -> None:
    """Write each reduction to a scalar as one that keeps its dimensions, with a Squeeze behind it.

    OpenVINO leaves a reduction that makes a scalar to the CPU, and then whatever it cannot reach in one piece.
    """
    for node in list(graph):
        if not node.op_type.startswith("Reduce") or not _is(node, node.op_type) or not _makes_scalar(node):
            continue
        scalar = node.outputs[0]
        kept = ir.Value(name=f"{scalar.name}/kept", type=scalar.type)
        attributes = {**node.attributes, "keepdims": ir.AttrInt64("keepdims", 1)}
        reduction = ir.Node("", node.op_type, node.inputs, attributes.values(), outputs=[kept], name=node.name)
        squeeze = ir.Node("", "Squeeze", [kept], name=f"{scalar.name}/Squeeze", num_outputs=1)
        graph.insert_after(node, [reduction, squeeze])
        take_over(graph, scalar, squeeze.outputs[0])
        graph.remove(node, safe=True)


def sizes_from_inputs(graph: ir.Graph) -> None:
    """Compute from the inputs' sizes what is asked of the shape of a tensor in between, where there is a formula.

    A provider with a layout of its own (WebGPU, the CPU) would have to bring the tensor back from it, or to pick the
    sizes out of the Shape with a Gather that ONNX Runtime then leaves to the CPU.
    """
    op = Emitter(graph)
    for node in list(graph):
        if not _is(node, "Shape") or node.inputs[0] is None or node.inputs[0].producer() is None:
            continue
        value, start = node.inputs[0], integer(node, "start", 0)
        if value.shape is None or any(isinstance(dim, ir.SymbolicDim) and dim.value is None for dim in dims(value)):
            continue
        end = integer(node, "end", len(value.shape))
        node.outputs[0].replace_all_uses_with(op.shape(value, start, end))
    graph.sort()


def write_kernel_shapes(graph: ir.Graph) -> None:
    """Say of each convolution what its kernel's size is, where it is known and not said.

    From it ONNX Runtime fills in the strides, dilations and pads that a node leaves to their defaults; the JavaScript
    kernels of WebGPU in ONNX Runtime Web refuse a Conv without ("dilations should be 2D").
    """
    for node in graph:
        weight = node.inputs[1] if _is(node, "Conv") and "kernel_shape" not in node.attributes else None
        if weight is None or weight.shape is None:
            continue
        kernel = [size for size in dims(weight)[2:] if isinstance(size, int)]
        if kernel and len(kernel) == len(weight.shape) - 2:
            node.attributes["kernel_shape"] = ir.AttrInt64s("kernel_shape", kernel)


def _is(node: ir.Node, operator: str) -> bool:
    return node.op_type == operator and node.domain in ("", "ai.onnx")


def _makes_scalar(node: ir.Node) -> bool:
    shape = node.outputs[0].shape
    return not integer(node, "keepdims", 1) and shape is not None and len(shape) == 0


def take_over(graph: ir.Graph, old: ir.Value, new: ir.Value) -> None:
    """Put ``new`` wherever ``old`` is, name and all."""
    new.name = old.name
    new.shape, new.type = new.shape if old.shape is None else old.shape, old.type or new.type
    for index, output in enumerate(graph.outputs):
        if output is old:
            graph.outputs[index] = new
    old.replace_all_uses_with(new)
