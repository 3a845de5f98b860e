"""Features that are kept as tokens, or with their channels last, as the maps that they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from pixelgrad.exporters.networks.layers import mark_step, unmark_step
from pixelgrad.exporters.networks.layouts import Layout, layouts
from pixelgrad.exporters.opset18.shapes import Dim, dims
from pixelgrad.exporters.opset18.weights import add_weight

__all__ = ["as_map"]

_TO_THE_END = (1 << 63) - 1


def as_map(graph: ir.Graph, image: ir.Value, value: ir.Value, size: tuple[int, int] | None) -> ir.Value:
    """The features [N, C, h, w] that ``value`` holds, under its name; ``value`` itself where it is so, or holds no map.

    The nodes that bring it into this form go into the graph behind it. What it was is called ``<name>/tokens`` or
    ``<name>/channels_last`` from then on. Tokens that belong to no position are left out. ``size`` as of
    :func:`~pixelgrad.exporters.networks.layouts.layouts`.
    """
    if value.shape is None or value.shape.rank() not in (3, 4):
        return value
    if value.shape.rank() == 4 and not any(node.op_type == "Transpose" for node in graph):
        return value  # then channels come first everywhere
    layout = layouts(graph, image, size).get(value)
    if layout is None or layout.is_first:
        return value
    return _channels_first(value, layout) if layout.grid is None else _grid_of_tokens(value, layout)


def _channels_first(value: ir.Value, layout: Layout) -> ir.Value:
    batch, height, width, channels = dims(value)
    features = _behind(value, value, "Transpose", [value], perm=[0, 3, 1, 2])
    return _take_name(features, value, [batch, channels, height, width], "channels_last")


def _grid_of_tokens(value: ir.Value, layout: Layout) -> ir.Value:
    assert layout.grid is not None
    grid, rows = layout.grid
    batch, channels, size = dims(value)[0], dims(value)[layout.channels], dims(grid)[rows : rows + 2]
    features = value
    if layout.first or layout.last:
        bounds = {"start": layout.first, "end": -layout.last or _TO_THE_END, "axis": layout.positions}
        inputs = [_numbers(value, name, [number]) for name, number in bounds.items()]
        features = _behind(value, value, "Slice", [features, *inputs])
        sizes = list(dims(value))
        sizes[layout.positions] = ir.SymbolicDim(None)
        features.shape = ir.Shape(sizes)
    if layout.channels == 2:
        before, features = features, _behind(features, value, "Transpose", [features], perm=[0, 2, 1])
        features.shape = ir.Shape([dims(before)[axis] for axis in (0, 2, 1)])
    counted = _behind(features, value, "Shape", [grid], start=rows, end=rows + 2)
    target = _behind(counted, value, "Concat", [_numbers(value, "kept", [0, 0]), counted], axis=0)
    features = _behind(target, value, "Reshape", [features, target])
    return _take_name(features, value, [batch, channels, *size], "tokens")


def _behind(
    place: ir.Value, value: ir.Value, op_type: str, inputs: Sequence[ir.Value], **attributes: int | list[int]
) -> ir.Value:
    """The output of a new node of the map of ``value``, right behind the node of ``place``."""
    producer = place.producer()
    assert producer is not None
    assert producer.graph is not None
    node = ir.node(op_type, inputs, attributes=attributes, name=f"map/{value.name}/{op_type}")
    (result,) = node.outputs
    result.name = node.name
    result.type = ir.TensorType(ir.DataType.INT64) if op_type in {"Shape", "Concat"} else value.type
    producer.graph.insert_after(producer, node)
    mark_step(result)
    return result


def _numbers(value: ir.Value, name: str, numbers: list[int]) -> ir.Value:
    assert value.graph is not None
    return add_weight(value.graph, f"map/{value.name}/{name}", np.asarray(numbers, np.int64))


def _take_name(features: ir.Value, value: ir.Value, shape: Sequence[Dim], called: str) -> ir.Value:
    """``features`` are the layer that ``value`` was."""
    name = str(value.name)
    mark_step(value)
    unmark_step(features)
    value.name = f"{name}/{called}"
    features.name, features.type, features.shape = name, value.type, ir.Shape(shape)
    return features
