"""Resizes whose sizes come out otherwise in ONNX's inference than in ONNX Runtime."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx_ir as ir

from pixelgrad.exporters.opset18.attributes import integers, optional, text
from pixelgrad.exporters.opset18.shapes import constant
from pixelgrad.exporters.opset18.weights import add_weight

__all__ = ["name_sizes_of_resizes"]


def name_sizes_of_resizes(graph: ir.Graph) -> None:
    """Resize to sizes, rather than by scales, along axes where ONNX's own inference would expect another size than
    ONNX Runtime then makes: it multiplies in float64, and a model that says both is not loaded. In place; shapes are
    those of the runtime already.
    """
    for node in list(graph):
        scales = constant(optional(node, 2)) if node.op_type == "Resize" else None
        x, y = (node.inputs[0], node.outputs[0]) if scales is not None else (None, None)
        if scales is None or not scales.size or x is None or x.shape is None or y is None or y.shape is None:
            continue
        if text(node, "coordinate_transformation_mode", "") == "tf_crop_and_resize":
            continue
        rank = len(x.shape)
        axes = [axis % rank for axis in integers(node, "axes", range(rank)) or []]
        factors = dict(zip(axes, scales.astype(np.float32), strict=True))
        sizes = list(x.shape)
        for axis in axes:
            if _differs(x.shape[axis], y.shape[axis], factors[axis]):
                sizes[axis] = y.shape[axis]
        if sizes == list(x.shape) or not all(isinstance(size, int) for size in sizes):
            continue
        rest = [1.0 if sizes[axis] != x.shape[axis] else float(factors.get(axis, 1)) for axis in range(rank)]
        first = node
        if rest != [1] * rank:  # one after the other is the same: each axis is resized on its own
            first = ir.node("Resize", [x], attributes=node.attributes)
            first.outputs[0].name = first.name = f"{y.name}/resized_first"
            first.outputs[0].shape, first.outputs[0].type = ir.Shape(sizes), x.type
            node.prepend(first)
            node.replace_input_with(0, first.outputs[0])
            _set(node, 2, add_weight(graph, f"{y.name}/scales", np.asarray(rest, np.float32)))
        _set(first, 3, add_weight(graph, f"{y.name}/sizes", np.asarray(sizes, np.int64)))


def _differs(before: int | ir.SymbolicDim, after: int | ir.SymbolicDim, factor: Any) -> bool:
    """Whether ONNX would expect another size, and the quotient of the sizes is the factor all the same."""
    if not isinstance(before, int) or not isinstance(after, int):
        return False
    return math.floor(before * float(factor)) != after and bool(np.float32(after / before) == factor)


def _set(node: ir.Node, place: int, values: ir.Value) -> None:
    """Have ``node`` resize by the scales (2) or to the sizes (3) that are given, of all axes: where a node names some,
    ONNX Runtime 1.32 permutes them wrongly as it moves a Transpose past it.
    """
    node.attributes.pop("axes", None)
    node.resize_inputs(4)
    for index in (1, 2, 3):
        node.replace_input_with(index, values if index == place else None)
