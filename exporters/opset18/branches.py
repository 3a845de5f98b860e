"""If whose condition is known before anything runs: PyTorch's older exporter asks how many axes there are."""

from __future__ import annotations

import onnx_ir as ir

from pixelgrad.exporters.opset18.inference import infer_shapes
from pixelgrad.exporters.opset18.shapes import constant

__all__ = ["take_known_branches"]


def take_known_branches(model: ir.Model) -> bool:
    """Put the branch that is always taken in the place of each such If; whether there was any.

    Raises :class:`NetworkError` where the graph contradicts itself.
    """
    graph = model.graph
    if not any(_is_if(node) for node in graph):
        return False
    infer_shapes(model)
    found = False
    for node in list(graph):
        condition = constant(node.inputs[0]) if _is_if(node) else None
        if condition is not None and condition.size == 1:
            _inline(graph, node, node.attributes["then_branch" if condition.item() else "else_branch"].as_graph())
            found = True
    return found


def _is_if(node: ir.Node) -> bool:
    return node.op_type == "If" and node.domain == ""


def _inline(graph: ir.Graph, node: ir.Node, branch: ir.Graph) -> None:
    """In place. What the branch names gets the name of the node's output in front: another's may have the same."""
    prefix = f"{node.outputs[0].name}/"
    results = list(branch.outputs)
    for value in list(branch.initializers.values()):
        branch.initializers.pop(str(value.name))
        value.name = f"{prefix}{value.name}"
        graph.register_initializer(value)
    inner = list(branch)
    branch.remove(inner)
    branch.outputs.clear()
    for member in inner:
        member.name = f"{prefix}{member.name}" if member.name else None
        for value in member.outputs:
            value.name = f"{prefix}{value.name}"
    graph.insert_before(node, inner)
    for output, result in zip(node.outputs, results, strict=True):
        name = output.name
        if output.is_graph_output() or result.producer() is None:
            copy = ir.node("Identity", [result])
            graph.insert_before(node, copy)
            (result,) = copy.outputs
        output.replace_all_uses_with(result, replace_graph_outputs=True)
        output.name, result.name = None, name
    graph.remove(node, safe=True)
