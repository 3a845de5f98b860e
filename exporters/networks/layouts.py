"""Where tensors keep their channels and their positions: first or last, as a map or as a list of tokens.

A convolution's map is [N, C, h, w]. Transformers and their kin compute on [N, h, w, C] (Liu et al. 2021, "Swin"; Liu et
al. 2022, "ConvNeXt") or on tokens [N, T, C], one for each patch of the image and some of their own beside them
(Dosovitskiy et al. 2021). ONNX says none of this: it is worked out from the image on, by following the axes of the
positions through what leaves them in order, heads included, whose axes lie between. What moves positions elsewhere, as
windows do, is not followed; the sum with what went around it says where things are again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import onnx_ir as ir

from pixelgrad.exporters.opset18.attributes import integer, integers, optional
from pixelgrad.exporters.opset18.shapes import Dim, constant, dims

__all__ = ["ELEMENTWISE", "Layout", "layouts"]

_WINDOWED = {"Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool"}
_OF_MAPS = _WINDOWED | {"GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool", "DepthToSpace", "SpaceToDepth"}
_NORMALISING = {
    *("BatchNormalization", "InstanceNormalization", "LRN", "LayerNormalization", "LpNormalization"),
    *("Softmax", "LogSoftmax"),
}
_RESHAPING = {"Reshape", "Flatten", "Squeeze", "Unsqueeze"}
ELEMENTWISE = {
    *("Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "ThresholdedRelu", "Clip", "Sigmoid", "HardSigmoid", "Tanh"),
    *("HardSwish", "Softplus", "Softsign", "Gelu", "Mish", "Erf", "Exp", "Log", "Sqrt", "Abs", "Neg", "Reciprocal"),
    *("Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "Sum", "Mean", "Identity", "Cast", "Dropout"),
}
# Of an image, to compare sizes that depend on its own: patches and windows of the usual numbers divide it.
_SAMPLE = (1344, 896)


@dataclass(frozen=True)
class Layout:
    """channels: the axis of the channels, 1 or the last.
    grid: of tokens, the map whose positions they are, row by row, and that map's axis of the height; ``None`` for a
        map, which has rows and columns of its own.
    first, last: how many tokens there are in front of those, and behind.
    """

    channels: int
    grid: tuple[ir.Value, int] | None = None
    first: int = 0
    last: int = 0

    @property
    def positions(self) -> int:
        """The axis of the height in a map, of the tokens elsewhere."""
        return 2 if self.channels == 1 else 1

    @property
    def is_first(self) -> bool:
        """Whether it is [N, C, h, w]."""
        return self.channels == 1 and self.grid is None

    def shape(self, value: ir.Value) -> tuple[Dim, ...]:
        """The shape [N, C, h, w] of the features that ``value`` holds so."""
        source, rows = self.grid or (value, self.positions)
        return (dims(value)[0], dims(value)[self.channels], *dims(source)[rows : rows + 2])


def layouts(graph: ir.Graph, image: ir.Value, size: tuple[int, int] | None = None) -> dict[ir.Value, Layout]:
    """The layout of every tensor that is known to hold features of ``image``, position by position.

    size: (height, width) of an image that the graph is made for, where there is such a size: what holds there holds.
    """
    follower = _Follower(image, size or _SAMPLE)
    for node in graph:
        follower.follow(node)
    return follower.layouts


@dataclass(frozen=True)
class _Axes:
    """Where a tensor of any rank has its positions; all other axes but the first may be channels, or heads of them.

    rows: the axis of a map's rows, or of its tokens. columns: that of its columns, ``None`` for tokens.
    grid, first, last: of tokens, as of a layout.
    others: where tokens are compared with tokens, as in attention, the axis of these: there are no channels then.
    """

    rows: int
    columns: int | None = None
    grid: tuple[ir.Value, int] | None = None
    first: int = 0
    last: int = 0
    others: int | None = None

    def has(self, axis: int) -> bool:
        return axis in (self.rows, self.columns, self.others)

    def moved(self, place: Callable[[int], int | None]) -> _Axes | None:
        """With each axis where ``place`` says; ``None`` where that says so of any, or their order is another."""
        found = [None if axis is None else place(axis) for axis in (self.rows, self.columns, self.others)]
        rows, columns, others = found
        if rows is None or (columns is None) != (self.columns is None) or (others is None) != (self.others is None):
            return None
        if columns is not None and columns <= rows:
            return None
        return replace(self, rows=rows, columns=columns, others=others)


_FIRST = _Axes(2, 3)


class _Follower:
    """What is known so far, node by node.

    layouts: of tensors that are a map or tokens. axes: of these and of all that is between them. _shapeless: what those
    were whose axes are gone, though everything lies in memory as it did.
    """

    def __init__(self, image: ir.Value, size: tuple[int, int]) -> None:
        self.layouts = {image: Layout(1)}
        self.axes: dict[ir.Value | None, _Axes] = {image: _FIRST}
        self.image, self.size = image, {"H": size[0], "W": size[1]}
        self._shapeless: dict[ir.Value | None, ir.Value] = {}
        self._lengths: dict[str, int | None] = {}

    def follow(self, node: ir.Node) -> None:
        result = node.outputs[0]
        if result.shape is None or not node.inputs or node.inputs[0] is None:
            return
        axes = self._through(node, node.inputs[0], result) or self._as_before(node, result)
        if axes is None:
            return
        for output in node.outputs:
            if output.shape is None or output.shape.rank() != result.shape.rank():
                continue
            self.axes[output] = axes
            layout = self._layout(output, axes)
            if layout is not None:
                self.layouts[output] = layout

    def _layout(self, value: ir.Value, axes: _Axes) -> Layout | None:
        shape = dims(value)
        if axes.others is not None or not self._same(shape[0], dims(self.image)[0]):
            return None
        if axes.columns is not None:
            places = {(2, 3): 1, (1, 2): 3}
            return Layout(places[axes.rows, axes.columns]) if _is_map(axes) and len(shape) == 4 else None
        if len(shape) != 3 or axes.rows == 0:
            return None
        return Layout(3 - axes.rows, axes.grid, axes.first, axes.last)

    def _through(self, node: ir.Node, source: ir.Value, result: ir.Value) -> _Axes | None:
        axes, kind = self.axes.get(source), node.op_type
        if kind in _OF_MAPS:
            return self._windowed(node, axes, result)
        if kind in ELEMENTWISE | {"Where"}:
            return self._common(node.inputs, result)
        if kind == "Concat":
            return self._concatenated(node, result)
        if kind == "MatMul":
            return self._product(node, result)
        if axes is None:
            return None
        rank = len(dims(source))
        if kind in _NORMALISING:
            return axes
        if kind in {"Pad", "Resize"}:
            return axes if axes.columns is not None else None
        if kind == "Split":
            return axes if not axes.has(integer(node, "axis", 0) % rank) else None
        if kind == "Gather":
            return _gathered(node, axes, rank)
        if kind == "Slice":
            return self._sliced(node, axes)
        if kind == "Gemm":
            return axes if axes.rows == 0 and axes.columns is None and not integer(node, "transA", 0) else None
        if kind == "Transpose":
            return _transposed(node, axes, rank)
        return self._reshaped(source, result, axes) if kind in _RESHAPING else None

    def _as_before(self, node: ir.Node, result: ir.Value) -> _Axes | None:
        """That of what was put into another shape, as group normalisation does, and has its own shape again."""
        if node.op_type not in _RESHAPING | _NORMALISING | ELEMENTWISE:
            return None
        for value in node.inputs:
            origin = self._shapeless.get(value)
            if origin is None and value in self.axes and node.op_type in _RESHAPING:
                origin = value
            if value is None or origin is None:
                continue
            if node.op_type not in _RESHAPING and not self._same_shape(value, result):
                return None
            if self._same_shape(origin, result):
                return self.axes[origin]
            self._shapeless[result] = origin
        return None

    def _windowed(self, node: ir.Node, axes: _Axes | None, result: ir.Value) -> _Axes | None:
        """What goes through weights or windows: a map, if what comes in is none that is something else."""
        if axes is not None and axes != _FIRST:
            return axes if node.op_type == "Conv" and axes.rows > 1 and _is_pointwise(node) else None
        shape = dims(result)
        if len(shape) != 4 or not self._same(shape[0], dims(self.image)[0]):
            return None
        if axes is not None or node.op_type not in _WINDOWED:
            return _FIRST
        rows, columns = self._length(shape[2]), self._length(shape[3])
        height, width = self.size["H"], self.size["W"]
        if rows is None or columns is None:
            return _FIRST
        if rows == columns == 1:
            return None  # what was pooled has no positions
        # Of another shape than the image, give or take a position at an edge, it is no map of it.
        return _FIRST if abs(rows * width - columns * height) <= 2 * max(height, width) else None

    def _common(self, inputs: Sequence[ir.Value | None], result: ir.Value) -> _Axes | None:
        """That of the operands that are as large as the result; a factor for each channel has none."""
        shape, found = dims(result), list[_Axes]()
        for value in inputs:
            axes = self.axes.get(value)
            if value is None or axes is None or len(dims(value)) != len(shape):
                continue
            if not any(axes.has(axis) and dims(value)[axis] == 1 != shape[axis] for axis in range(len(shape))):
                found.append(axes)
        return found[0] if found and all(self._agree(found[0], axes) for axes in found[1:]) else None

    def _agree(self, a: _Axes, b: _Axes) -> bool:
        if replace(a, grid=None) != replace(b, grid=None):
            return False
        if a.grid is None or b.grid is None:
            return a.grid == b.grid
        sizes = (dims(value)[rows : rows + 2] for value, rows in (a.grid, b.grid))
        return all(self._same(one, other) for one, other in zip(*sizes, strict=True))

    def _product(self, node: ir.Node, result: ir.Value) -> _Axes | None:
        """The rows of one, the columns of the other; what both are summed over is gone."""
        rank, found = len(dims(result)), list[_Axes]()
        for value, summed in zip(node.inputs, (-1, -2), strict=True):
            axes = self.axes.get(value)
            if value is None or axes is None:
                continue
            shift, gone = rank - len(dims(value)), len(dims(value)) + summed
            if axes.others == gone:
                axes = replace(axes, others=None)  # each has gathered from the others
            if len(dims(value)) > 1 and not axes.has(gone):
                found += [moved] if (moved := axes.moved(lambda axis, by=shift: axis + by)) else []  # type: ignore[misc]
        if len(found) < 2:
            return found[0] if found else None
        left, right = found
        if left.rows == rank - 2 and right.rows == rank - 1 and left.others is None:
            return replace(left, columns=None, others=rank - 1)
        return left if self._agree(left, right) else None

    def _concatenated(self, node: ir.Node, result: ir.Value) -> _Axes | None:
        axis = integer(node, "axis", 0) % len(dims(result))
        parts = [value for value in node.inputs if value is not None]
        places = [place for place, value in enumerate(parts) if value in self.axes]
        found = [self.axes[parts[place]] for place in places]
        if not found or axis == 0 or not all(self._agree(found[0], axes) for axes in found[1:]):
            return None
        axes = found[0]
        if not axes.has(axis):
            return axes
        if axes.columns is not None or len(places) != 1:
            return None  # a map that was rolled, say
        counts = [dims(value)[axis] for value in parts]
        before = [count for count in counts[: places[0]] if isinstance(count, int)]
        after = [count for count in counts[places[0] + 1 :] if isinstance(count, int)]
        if len(before) + 1 + len(after) != len(parts):
            return None
        return replace(axes, first=axes.first + sum(before), last=axes.last + sum(after))

    def _sliced(self, node: ir.Node, axes: _Axes) -> _Axes | None:
        """A part of the channels or of a map; of the tokens, all that belong to positions."""
        if axes.columns is not None and len(dims(node.outputs[0])) == 4:
            return axes
        starts, ends, along, steps = (constant(optional(node, place)) for place in (1, 2, 3, 4))
        if starts is None or ends is None or starts.size != 1 or (steps is not None and steps[0] != 1):
            return None
        axis = (0 if along is None else int(along[0])) % len(dims(node.outputs[0]))
        if not axes.has(axis):
            return axes if axis != 0 else None
        start, end = int(starts[0]), int(ends[0])
        length = self._length(dims(node.inputs[0])[axis])  # type: ignore[arg-type]
        left = 0 if end >= (1 << 31 if length is None else length) else -end
        if axes.columns is not None or not 0 <= start <= axes.first or not 0 <= left <= axes.last:
            return None
        return replace(axes, first=axes.first - start, last=axes.last - left)

    def _reshaped(self, source: ir.Value, result: ir.Value, axes: _Axes) -> _Axes | None:
        """Other axes put together or taken apart; a map as tokens, tokens as a map.

        An axis begins where the axes in front of it hold as much as they did before. Where it is taken apart, what is
        in front holds the order of the positions; where others are put to it, they lie within a position.
        """
        before, after = ([self._length(dim) for dim in dims(value)] for value in (source, result))
        if None in before or None in after:
            return axes if self._same_shape(source, result) else None
        old, new = ([int(length or 0) for length in lengths] for lengths in (before, after))
        if math.prod(old) != math.prod(new):  # it is made for an image of another size
            return _all_of_them(source, old, new, axes)
        rows = _place(old, new, axes.rows)
        if rows is None:
            return None
        if axes.columns is None:
            if new[rows] == old[axes.rows]:
                return axes.moved(lambda axis: _place(old, new, axis))
            is_whole = not axes.first and not axes.last and axes.others is None
            return _Axes(rows, rows + 1) if is_whole and new[rows : rows + 2] == self._grid(axes) else None
        if axes.columns == axes.rows + 1 and new[rows] == old[axes.rows] * old[axes.columns]:
            return _Axes(rows, grid=(source, axes.rows))
        return axes.moved(lambda axis: _place(old, new, axis))

    def _grid(self, axes: _Axes) -> list[int | None]:
        assert axes.grid is not None
        value, rows = axes.grid
        return [self._length(dim) for dim in dims(value)[rows : rows + 2]]

    def _same_shape(self, a: ir.Value, b: ir.Value) -> bool:
        one, other = dims(a), dims(b)
        return len(one) == len(other) and all(self._same(*pair) for pair in zip(one, other, strict=True))

    def _same(self, a: Dim, b: Dim) -> bool:
        if not isinstance(a, int) and not isinstance(b, int) and a.value is not None and a.value == b.value:
            return True
        length = self._length(a)
        return length is not None and length == self._length(b)

    def _length(self, dim: Dim) -> int | None:
        """For the image of the size that is compared at, ``None`` where it depends on something else."""
        if isinstance(dim, int):
            return dim
        if dim.value is None:
            return None
        if dim.value not in self._lengths:
            found = dim.evaluate(self.size)
            self._lengths[dim.value] = found if isinstance(found, int) else None
        return self._lengths[dim.value]


def _is_map(axes: _Axes) -> bool:
    return (axes.rows, axes.columns) in {(2, 3), (1, 2)}


def _is_pointwise(node: ir.Node) -> bool:
    kernel = integers(node, "kernel_shape") or []
    return bool(kernel) and set(kernel) == {1} and set(integers(node, "strides") or [1]) == {1}


def _gathered(node: ir.Node, axes: _Axes, rank: int) -> _Axes | None:
    """One of several that lie side by side, as queries, keys and values do."""
    axis, which = integer(node, "axis", 0) % rank, node.inputs[1]
    if axes.has(axis) or which is None or which.shape is None or which.shape.rank() > 1:
        return None
    gone = which.shape.rank() == 0
    return axes.moved(lambda place: place - (gone and axis < place))


def _transposed(node: ir.Node, axes: _Axes, rank: int) -> _Axes | None:
    order = list(integers(node, "perm") or reversed(range(rank)))
    return axes.moved(order.index)


def _all_of_them(source: ir.Value, before: Sequence[int], after: Sequence[int], axes: _Axes) -> _Axes | None:
    """The tokens, where all other axes hold as much in front and behind as they did."""
    if axes.others is not None or axes.columns not in (None, axes.rows + 1):
        return None
    end = axes.rows + (1 if axes.columns is None else 2)
    around = math.prod(before[: axes.rows]), math.prod(before[end:])
    places = [axis for axis in range(len(after)) if (math.prod(after[:axis]), math.prod(after[axis + 1 :])) == around]
    if len(places) != 1:
        return None
    return replace(axes, rows=places[0]) if axes.columns is None else _Axes(places[0], grid=(source, axes.rows))


def _place(before: Sequence[int], after: Sequence[int], axis: int) -> int | None:
    """Where an axis begins after a reshape, in whole or in part."""
    length, front = before[axis], math.prod(before[:axis])
    if length == 1:
        same = len(before) == len(after) and list(before) == list(after)
        return axis if same else None  # any axis of length 1 could be meant
    held = 1
    for place, size in enumerate(after):
        if held == front and size > 1:
            return place if size % length == 0 or length % size == 0 else None
        held *= size
    return None
