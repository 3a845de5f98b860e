"""GridSample of images written out as the elements that it takes, and their weights: DirectML and WebGPU have none, and
what it is made of has its gradients already, with respect to the image and to the places.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.opset18.attributes import integer, text
from pixelgrad.exporters.opset18.convert import Converter

__all__ = ["expand_grid_samples"]

# Of the cubic, as in PyTorch and OpenCV; Keys 1981 has -0.5.
_SHARPNESS = -0.75


def expand_grid_samples(converter: Converter) -> bool:
    """Replace each, in place; whether there was one. Types must have been inferred."""
    nodes = [node for node in converter.graph if node.op_type == "GridSample" and not node.domain]
    for node in nodes:
        _Sampler(converter, node).write()
    return bool(nodes)


class _Axis:
    """size: of the image along the axis, [1], of its type. places: [N, h, w], in pixels from the first centre."""

    def __init__(self, size: ir.Value, places: ir.Value) -> None:
        self.size, self.places = size, places


class _Tap:
    """One of the pixels that lie around each place, along one axis: where it is, how much of it is taken."""

    def __init__(self, at: ir.Value, weight: ir.Value | None) -> None:
        self.at, self.weight = at, weight


class _Sampler:
    """Writes nodes in front of one GridSample of X [N, C, H, W] at a grid [N, h, w, 2] of (x, y) in [-1, 1]."""

    def __init__(self, converter: Converter, node: ir.Node) -> None:
        self.converter, self.node = converter, node
        x, grid = node.inputs[0], node.inputs[1]
        assert x is not None
        assert grid is not None
        self.x, self.grid = x, grid
        if x.shape is not None and x.shape.rank() != 4:
            raise NetworkError(
                f"GridSample at {node.outputs[0].name!r} takes a tensor of {x.shape.rank()} dimensions; only images "
                "[N, C, H, W] have a gradient. Choose an earlier layer"
            )
        self.dtype = (x.dtype or ir.DataType.FLOAT).numpy()
        self.mode, self.padding = text(node, "mode", "bilinear"), text(node, "padding_mode", "zeros")
        self.aligned = bool(integer(node, "align_corners", 0))

    def op(self, op_type: str, *inputs: ir.Value | float | Sequence[int], **attributes: object) -> ir.Value:
        values = []
        for value in inputs:
            if isinstance(value, float | int):
                value = self.converter.const(np.asarray(value, dtype=self.dtype))
            elif not isinstance(value, ir.Value):
                value = self.converter.const(np.asarray(value, dtype=np.int64))
            values.append(value)
        return self.converter.before(self.node, op_type, *values, **attributes)

    def write(self) -> None:
        columns, rows = self._axis(3, 0), self._axis(2, 1)
        taps: dict[str, Callable[[_Axis], list[_Tap]]] = {
            "nearest": self._nearest,
            "bilinear": self._linear,
            "linear": self._linear,
            "bicubic": self._cubic,
            "cubic": self._cubic,
        }
        across, down = (taps[self.mode](axis) for axis in (columns, rows))
        places, weights = [], []
        for row in down:
            start = self.op("Mul", row.at, columns.size)
            for column in across:
                places.append(self.op("Add", start, column.at))
                weights.append(self._times(row.weight, column.weight))
        result = self._weighed(self._taken(places), weights, len(places))
        ahead = self.op("Shape", self.x, start=0, end=2)
        behind = self.op("Shape", self.grid, start=1, end=3)
        self.converter.become(self.node, "Reshape", [result, self.op("Concat", ahead, behind, axis=0)])

    def _taken(self, places: Sequence[ir.Value]) -> ir.Value:
        """[N, C, taps, h w], by numbers that count the pixels of an image row by row."""
        count = [self.op("Unsqueeze", place, [1]) for place in places]
        numbers = self.op("Concat", *count, axis=1) if len(count) > 1 else count[0]
        flat = self.op("Reshape", self.op("Cast", numbers, to=int(ir.DataType.INT64)), [0, 1, -1])
        channels = self.op("Shape", self.x, start=1, end=2)
        repeated = self.op("Expand", flat, self.op("Concat", [1], channels, [1], axis=0))
        pixels = self.op("Reshape", self.x, [0, 0, -1])
        taken = self.op("GatherElements", pixels, repeated, axis=2)
        return self.op("Reshape", taken, [0, 0, len(places), -1])

    def _weighed(self, taken: ir.Value, weights: Sequence[ir.Value | None], count: int) -> ir.Value:
        given = [weight for weight in weights if weight is not None]
        if len(given) < count:
            return taken  # the nearest pixel, wherever it lies
        ahead = [self.op("Unsqueeze", weight, [1]) for weight in given]
        together = self.op("Concat", *ahead, axis=1) if count > 1 else ahead[0]
        flat = self.op("Unsqueeze", self.op("Reshape", together, [0, count, -1]), [1])
        return self.op("ReduceSum", self.op("Mul", taken, flat), [2], keepdims=0)

    # Along one axis -----------------------------------------------------------------------------------------------

    def _axis(self, of_image: int, of_grid: int) -> _Axis:
        """Pixels from [-1, 1]: of the centres of the outermost ones with ``align_corners``, of their edges without."""
        size = self.op("Cast", self.op("Shape", self.x, start=of_image, end=of_image + 1), to=_number(self.dtype))
        index = self.converter.const(np.asarray(of_grid, dtype=np.int64))
        part = self.op("Add", self.op("Gather", self.grid, index, axis=3), 1.0)
        if self.aligned:
            places = self.op("Mul", part, self.op("Mul", self.op("Sub", size, 1.0), 0.5))
        else:
            places = self.op("Sub", self.op("Mul", part, self.op("Mul", size, 0.5)), 0.5)
        return _Axis(size, places)

    def _nearest(self, axis: _Axis) -> list[_Tap]:
        return [self._tap(axis, self.op("Round", axis.places), None)]

    def _linear(self, axis: _Axis) -> list[_Tap]:
        first = self.op("Floor", axis.places)
        behind = self.op("Sub", axis.places, first)
        ahead = self.op("Sub", 1.0, behind)
        return [self._tap(axis, first, ahead), self._tap(axis, self.op("Add", first, 1.0), behind)]

    def _cubic(self, axis: _Axis) -> list[_Tap]:
        first = self.op("Floor", axis.places)
        t = self.op("Sub", axis.places, first)
        rest = self.op("Sub", 1.0, t)
        distances = [self.op("Add", t, 1.0), t, rest, self.op("Add", rest, 1.0)]
        a = _SHARPNESS
        far, near = (a, -5 * a, 8 * a, -4 * a), (a + 2, -(a + 3), 0.0, 1.0)
        weights = [self._polynomial(d, c) for d, c in zip(distances, (far, near, near, far), strict=True)]
        taps = []
        for offset, weight in zip((-1.0, 0.0, 1.0, 2.0), weights, strict=True):
            taps.append(self._tap(axis, self.op("Add", first, offset) if offset else first, weight))
        return taps

    def _polynomial(self, x: ir.Value, coefficients: Sequence[float]) -> ir.Value:
        """By Horner's scheme, the highest power first."""
        value = self.op("Mul", x, coefficients[0])
        for coefficient in coefficients[1:-1]:
            value = self.op("Mul", self.op("Add", value, coefficient) if coefficient else value, x)
        return self.op("Add", value, coefficients[-1])

    def _tap(self, axis: _Axis, at: ir.Value, weight: ir.Value | None) -> _Tap:
        """A pixel beyond the edge: none, the one at the edge, or the one where a mirror at the edge shows it."""
        last = self.op("Sub", axis.size, 1.0)
        if self.padding == "reflection":
            at = self._reflected(at, axis.size, last)
        # Neither WebGPU nor CoreML has both Min and Max; of whole numbers this is exact.
        inside = self.op("Sub", last, self.op("Relu", self.op("Sub", last, self.op("Relu", at))))
        if self.padding == "zeros":
            there = self.op("Cast", self.op("Equal", inside, at), to=_number(self.dtype))
            weight = self._times(weight, there)
        return _Tap(inside, weight)

    def _reflected(self, at: ir.Value, size: ir.Value, last: ir.Value) -> ir.Value:
        """There and back again: the distance to the next of the mirrors in front, which repeat at every other span."""
        low = 0.0 if self.aligned else -0.5
        # Of one pixel, whose mirrors would be in one place, all that is taken is that pixel.
        span = self.op("Add", self.op("Relu", self.op("Sub", last, 1.0)), 1.0) if self.aligned else size
        twice = self.op("Mul", span, 2.0)
        from_low = self.op("Sub", at, low) if low else at
        turns = self.op("Floor", self.op("Div", from_low, twice))
        along = self.op("Sub", from_low, self.op("Mul", turns, twice))
        back = self.op("Sub", span, self.op("Abs", self.op("Sub", along, span)))
        # A whole number, as it was. WebGPU has no Round.
        return self.op("Floor", self.op("Add", back, low + 0.5))

    def _times(self, a: ir.Value | None, b: ir.Value | None) -> ir.Value | None:
        if a is None or b is None:
            return a if b is None else b
        return self.op("Mul", a, b)


def _number(dtype: np.dtype[np.generic]) -> int:
    return int(ir.DataType.from_numpy(np.dtype(dtype)))
