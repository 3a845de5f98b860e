"""Features that are kept as tokens, or with their channels last, as the maps that they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from pixelgrad.exporters.networks.layers import mark_step, unmark_step
from pixelgrad.exporters.networks.layouts import Layout, layouts
from pixelgrad.exporters.opset18.shapes import Dim, dims
from pixelgrad.exporters.opset18.weights import add_weight

__all__ = ["as_map", "has_maps", "layer_of", "without_maps"]

_MAP = "pixelgrad.map"
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


def has_maps(graph: ir.Graph) -> bool:
    """Whether :func:`as_map` has changed anything."""
    return any(_MAP in node.metadata_props for node in graph)


def layer_of(value: ir.Value) -> ir.Value:
    """The map that ``value`` was brought into, if it was."""
    found = (node.outputs[0] for node in value.graph or () if node.metadata_props.get(_MAP) == value.name)
    return next(found, value)


def without_maps(graph: ir.Graph) -> None:
    """Take out what :func:`as_map` put in, in a graph that nothing else was built upon."""
    names = {str(value.name): value for node in graph for value in node.outputs}
    changed = [node for node in graph if _MAP in node.metadata_props]
    for node in reversed(changed):
        (result,) = node.outputs
        if original := names.get(node.metadata_props[_MAP]):
            original.name, result.name = result.name, original.name
            unmark_step(original)
        graph.remove(node, safe=True)


def _channels_first(value: ir.Value, layout: Layout) -> ir.Value:
    batch, height, width, channels = dims(value)
    shape = [batch, channels, height, width]
    features = _behind(value, value, "Transpose", [value], shape, perm=[0, 3, 1, 2])
    return _take_name(features, value, "channels_last")


def _grid_of_tokens(value: ir.Value, layout: Layout) -> ir.Value:
    assert layout.grid is not None
    grid, rows = layout.grid
    batch, channels, size = dims(value)[0], dims(value)[layout.channels], dims(grid)[rows : rows + 2]
    features, shape = value, list(dims(value))
    if layout.first or layout.last:
        bounds = {"start": layout.first, "end": -layout.last or _TO_THE_END, "axis": layout.positions}
        inputs = [_numbers(value, name, [number]) for name, number in bounds.items()]
        shape[layout.positions] = shape[layout.positions] - (layout.first + layout.last)
        features = _behind(value, value, "Slice", [features, *inputs], shape)
    if layout.channels == 2:
        features = _behind(features, value, "Transpose", [features], [batch, channels, shape[1]], perm=[0, 2, 1])
    counted = _behind(features, value, "Shape", [grid], [2], start=rows, end=rows + 2)
    target = _behind(counted, value, "Concat", [_numbers(value, "kept", [0, 0]), counted], [4], axis=0)
    features = _behind(target, value, "Reshape", [features, target], [batch, channels, *size])
    return _take_name(features, value, "tokens")


def _behind(
    place: ir.Value,
    value: ir.Value,
    op_type: str,
    inputs: Sequence[ir.Value],
    shape: Sequence[Dim],
    **attributes: int | list[int],
) -> ir.Value:
    """The output of a new node of the map of ``value``, right behind the node of ``place``."""
    producer = place.producer()
    assert producer is not None
    assert producer.graph is not None
    node = ir.node(op_type, inputs, attributes=attributes, name=f"map/{value.name}/{op_type}")
    (result,) = node.outputs
    result.name, result.shape = node.name, ir.Shape(shape)
    result.type = ir.TensorType(ir.DataType.INT64) if op_type in {"Shape", "Concat"} else value.type
    producer.graph.insert_after(producer, node)
    node.metadata_props[_MAP] = ""
    mark_step(result)
    return result


def _numbers(value: ir.Value, name: str, numbers: list[int]) -> ir.Value:
    assert value.graph is not None
    return add_weight(value.graph, f"map/{value.name}/{name}", np.asarray(numbers, np.int64))


def _take_name(features: ir.Value, value: ir.Value, called: str) -> ir.Value:
    """``features`` are the layer that ``value`` was."""
    name = str(value.name)
    mark_step(value)
    unmark_step(features)
    value.name = f"{name}/{called}"
    features.name = name
    producer = features.producer()
    assert producer is not None
    producer.metadata_props[_MAP] = str(value.name)
    return features
