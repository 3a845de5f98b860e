"""Assignments to a part of a tensor, ``x[:, 1:, :] += y`` in PyTorch, as the Concat that they are.

PyTorch's exporters name every element that is written, as ScatterND takes them: for a matrix of attention five whole
numbers to each of its elements, and a gradient that takes as long.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import onnx_ir as ir

from pixelgrad.exporters.opset18.attributes import integer, text
from pixelgrad.exporters.opset18.convert import Converter
from pixelgrad.exporters.opset18.shapes import Dim, constant, dims, normalize_axis, same_dim

__all__ = ["join_assignments"]

_END = np.iinfo(np.int64).max


class _Part(NamedTuple):
    """What of an axis is written: from ``start`` to before ``end``."""

    start: int
    end: int

    def is_whole(self) -> bool:
        return self.start == 0 and self.end == _END


def join_assignments(converter: Converter) -> bool:
    """Replace each ScatterND whose indices are a block of neighbouring elements, in place; whether there was one.

    Shapes must have been inferred.
    """
    found = False
    for node in list(converter.graph):
        if node.op_type != "ScatterND" or node.domain or text(node, "reduction", "none") != "none":
            continue
        parts = _block(node)
        if parts is not None:
            _join(converter, node, parts)
            found = True
    return found


def _block(node: ir.Node) -> list[_Part] | None:
    """The part of each of the first axes of the data that is written, if the updates lie there as they are."""
    data, indices, updates = node.inputs[:3]
    if any(value is None or value.shape is None for value in (data, indices, updates)):
        return None
    assert data is not None
    assert indices is not None
    assert updates is not None
    depth = dims(indices)[-1]
    if not isinstance(depth, int) or len(dims(indices)) != depth + 1 or len(dims(updates)) != len(dims(data)):
        return None
    parts = _of_a_constant(indices) if indices.producer() is None else _of_ranges(indices, depth)
    if parts is None:
        return None
    found = [_settled(part, dims(data)[axis], dims(updates)[axis]) for axis, part in enumerate(parts)]
    settled = [part for part in found if part is not None]
    return settled if len(settled) == depth else None


def _settled(part: _Part, whole: Dim, written: Dim) -> _Part | None:
    """With the end of the axis where it reaches so far; ``None`` where that cannot be told."""
    if part.is_whole():
        return part if same_dim(whole, written) else None
    if part.start < 0 or (part.end < 0 and isinstance(whole, int)):
        return None
    return part._replace(end=_END) if isinstance(whole, int) and part.end >= whole else part


def _of_a_constant(indices: ir.Value) -> list[_Part] | None:
    """Where each number grows by one along the axis that it is of, and along no other."""
    array = constant(indices)
    if array is None or not array.size:
        return None
    depth = array.shape[-1]
    start = array[(0,) * depth]
    block = np.moveaxis(np.indices(array.shape[:-1]), 0, -1) + start
    if (start < 0).any() or not np.array_equal(array, block):
        return None
    return [_Part(int(first), int(first) + count) for first, count in zip(start, array.shape, strict=False)]


def _of_ranges(indices: ir.Value, depth: int) -> list[_Part] | None:
    """Ranges of one axis each, laid along that axis and repeated along the others."""
    node = indices.producer()
    assert node is not None
    if node.op_type == "Concat" and normalize_axis(integer(node, "axis", 0), depth + 1) == depth:
        numbers = list(node.inputs)
    else:
        numbers = [indices]
    if len(numbers) != depth:
        return None
    parts = [_of_range(value, axis, depth) for axis, value in enumerate(numbers)]
    found = [part for part in parts if part is not None]
    return found if len(found) == depth else None


def _of_range(value: ir.Value | None, axis: int, depth: int) -> _Part | None:
    node = _made_by(value, "Unsqueeze")
    axes = constant(node.inputs[1]) if node is not None else None
    if node is None or axes is None or [normalize_axis(int(a), depth + 1) for a in axes] != [depth]:
        return None
    value = node.inputs[0]
    if (node := _made_by(value, "Expand")) is not None:
        value = node.inputs[0]
    if value is None or value.shape is None:
        return None
    along = depth - value.shape.rank()
    array = constant(value)
    if array is not None and array.size and value.producer() is None and along <= axis:
        return _of_numbers(array, axis - along)
    if (node := _made_by(value, "Reshape")) is not None:
        shape = constant(node.inputs[1])
        if shape is None or sorted(shape)[:2] not in ([-1], [-1, 1]) or set(shape.tolist()) - {-1, 1}:
            return None
        along += shape.tolist().index(-1)
        value = node.inputs[0]
    if along != axis or value is None or value.shape is None or value.shape.rank() != 1:
        return None
    return _between(value)


def _of_numbers(array: np.ndarray[Any, Any], axis: int) -> _Part | None:
    start, count = int(array.flat[0]), array.shape[axis]
    expected = start + np.arange(count).reshape(-1, *[1] * (array.ndim - axis - 1))
    return _Part(start, start + count) if start >= 0 and (array == expected).all() else None


def _between(value: ir.Value) -> _Part | None:
    """Of a range from zero, or of a slice of one."""
    part = _Part(0, _END)
    node = _made_by(value, "Slice")
    if node is not None:
        bounds = [constant(bound) for bound in node.inputs[1:5]]
        if any(bound is None or bound.size != 1 for bound in bounds):
            return None
        start, end, *others = (int(bound.item()) for bound in bounds if bound is not None)
        if len(others) == 2 and others[1] != 1:
            return None
        part = _Part(start, _END if end >= np.iinfo(np.int32).max else end)
        source = node.inputs[0]
    else:
        source = value
    node = _made_by(source, "Range")
    if node is None:
        return None
    first, step = (constant(node.inputs[place]) for place in (0, 2))
    return part if first is not None and step is not None and (first.item(), step.item()) == (0, 1) else None


def _made_by(value: ir.Value | None, operator: str) -> ir.Node | None:
    node = value.producer() if value is not None else None
    return node if node is not None and node.op_type == operator and not node.domain else None


def _join(converter: Converter, node: ir.Node, parts: list[_Part]) -> None:
    data, updates = node.inputs[0], node.inputs[2]
    assert data is not None
    assert updates is not None
    cut = [axis for axis, part in enumerate(parts) if not part.is_whole()]
    if not cut:
        converter.become(node, "Identity", [updates])
        return

    def sliced(value: ir.Value, axis: int, start: int, end: int) -> ir.Value:
        bounds = (converter.const(np.asarray([bound], np.int64)) for bound in (start, end, axis))
        return converter.before(node, "Slice", value, *bounds)

    # From the innermost on: what stays in front of what is written, and behind.
    regions = [data]
    for axis in cut[:-1]:
        regions.append(sliced(regions[-1], axis, *parts[axis]))
    written = updates
    for region, axis in zip(reversed(regions), reversed(cut), strict=True):
        start, end = parts[axis]
        pieces = [sliced(region, axis, 0, start)] if start else []
        pieces.append(written)
        pieces += [sliced(region, axis, end, _END)] if end != _END else []
        if axis == cut[0]:
            converter.become(node, "Concat", pieces, axis=axis)
        else:
            written = converter.before(node, "Concat", *pieces, axis=axis)
