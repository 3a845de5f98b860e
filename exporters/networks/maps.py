"""Features that are kept as tokens, or with their channels last, as the maps that they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from pixelgrad.exporters.networks.layers import mark_step, unmark_step
from pixelgrad.exporters.networks.layouts import Layout
from pixelgrad.exporters.opset18.shapes import Dim, dims
from pixelgrad.exporters.opset18.weights import add_weight

__all__ = ["as_map"]

_TO_THE_END = (1 << 63) - 1


def as_map(value: ir.Value, layout: Layout) -> ir.Value:
    """The features [N, C, h, w] that ``value`` holds in ``layout``, under its name.

    The nodes that bring it into this form go into the graph behind it. What it was is called ``<name>/tokens`` or
    ``<name>/channels_last`` from then on. Tokens that belong to no position are left out.
    """
    return _channels_first(value) if layout.grid is None else _grid_of_tokens(value, layout)


def _channels_first(value: ir.Value) -> ir.Value:
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
    mark_step(result)
    return result


def _numbers(value: ir.Value, name: str, numbers: list[int]) -> ir.Value:
    assert value.graph is not None
    return add_weight(value.graph, f"map/{value.name}/{name}", np.asarray(numbers, np.int64))


def _take_name(features: ir.Value, value: ir.Value, called: str) -> ir.Value:
    """``features`` are the layer that ``value`` was."""
    mark_step(value)
    unmark_step(features)
    features.name, value.name = value.name, f"{value.name}/{called}"
    return features
