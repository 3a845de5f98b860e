"""The same forward graph in operators that ONNX Runtime's gradient builder knows."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pixelgrad.exporters.autodiff import Emitter
from pixelgrad.exporters.opset18 import infer_shapes
from pixelgrad.exporters.opset18.attributes import operand, optional, text
from pixelgrad.exporters.opset18.shapes import constant, rank


def lower(model: ir.Model) -> None:
    """Rewrite ``model`` (opset 18, inferred shapes) in place.

    Padding by edge or reflection becomes a gather along each axis: the builder differentiates constant padding only.
    """
    graph = model.graph
    wanted = [n for n in graph if n.op_type == "Pad" and text(n, "mode", "constant") in ("edge", "reflect")]
    if not wanted:
        return
    op = Emitter(graph)
    for node in wanted:
        with op.named(f"lowered/{node.outputs[0].name}"):
            _gather_for_pad(op, node)
    graph.sort()
    infer_shapes(model)


def _gather_for_pad(op: Emitter, node: ir.Node) -> None:
    value, pads, axes = operand(node), operand(node, 1), optional(node, 3)
    known = constant(pads)
    count = rank(value)
    given = constant(axes) if axes is not None else None
    positions = [int(axis) % count for axis in given] if given is not None else list(range(count))
    result = value
    for index, axis in enumerate(positions):
        if known is not None and not known[index] and not known[index + len(positions)]:
            continue
        if known is None and axis < 2:
            continue  # an image is padded along its height and width
        begin = op.Gather(pads, np.asarray(index), axis=0)
        end = op.Gather(pads, np.asarray(index + len(positions)), axis=0)
        size = op.Gather(op.Shape(result), np.asarray(axis), axis=0)
        last = op.Sub(size, np.asarray(1))
        place = op.Range(op.Neg(begin), op.Add(size, end), np.asarray(1))
        if text(node, "mode", "constant") == "edge":
            place = op.Min(op.Max(place, np.asarray(0)), last)
        else:
            place = op.Sub(last, op.Abs(op.Sub(last, op.Abs(place))))
        result = op.Gather(result, place, axis=axis)
    old = node.outputs[0]
    name, shape, kind = old.name, old.shape, old.type
    if result is value:
        result = op.Identity(value)
    old.replace_all_uses_with(result, replace_graph_outputs=True)
    assert node.graph is not None
    node.graph.remove(node, safe=True)
    old.name = f"{name}/replaced"
    result.name, result.shape, result.type = name, shape, kind
