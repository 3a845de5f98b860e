"""What convolution and pooling share: the geometry of sliding windows, and cutting a result to an input's size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from pixelgrad.exporters.autodiff.emitter import Emitter
from pixelgrad.exporters.opset18.attributes import integer, integers, operand, text
from pixelgrad.exporters.opset18.shapes import dims

END = int(np.iinfo(np.int64).max)
START = int(np.iinfo(np.int64).min)


@dataclass(frozen=True)
class Window:
    """Sliding windows over the spatial axes (2, 3, ...) of an input.

    pads_begin: padding in front of each axis, known integers, or an int64 vector where ``auto_pad`` leaves it to
        the input's size at run time; ``pads_end`` is known whenever ``pads_begin`` is.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads_begin: tuple[int, ...] | ir.Value
    pads_end: tuple[int, ...] | ir.Value
    ceil_mode: bool

    @property
    def extent(self) -> tuple[int, ...]:
        """The length that a window covers, dilation included."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilations, strict=True))

    @property
    def axes(self) -> list[int]:
        return list(range(2, 2 + len(self.kernel)))

    @property
    def tiles(self) -> bool:
        """Whether the windows tile the input: each of its elements lies in at most one window."""
        return self.strides == self.kernel and set(self.dilations) == {1}

    @property
    def unpadded(self) -> bool:
        if isinstance(self.pads_begin, ir.Value) or isinstance(self.pads_end, ir.Value):
            return False
        return not any((*self.pads_begin, *self.pads_end))


def window(op: Emitter, node: ir.Node, kernel: Sequence[int]) -> Window:
    """The windows of a convolution or pooling node over its first input."""
    x, n = operand(node), len(kernel)
    strides = tuple(integers(node, "strides", [1] * n) or ())
    dilations = tuple(integers(node, "dilations", [1] * n) or ())
    pads = integers(node, "pads", [0] * 2 * n) or []
    begin: tuple[int, ...] | ir.Value = tuple(pads[:n])
    end: tuple[int, ...] | ir.Value = tuple(pads[n:])
    auto = text(node, "auto_pad", "NOTSET")
    if auto == "VALID":
        begin = end = (0,) * n
    elif auto.startswith("SAME"):
        begin, end = _same_pads(op, x, kernel, strides, dilations, upper=auto == "SAME_UPPER")
    return Window(tuple(kernel), strides, dilations, begin, end, bool(integer(node, "ceil_mode", 0)))


def _same_pads(
    op: Emitter,
    x: ir.Value,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    upper: bool,
) -> tuple[tuple[int, ...] | ir.Value, tuple[int, ...] | ir.Value]:
    """Padding that makes ceil(size / stride) windows; the odd element goes behind for SAME_UPPER."""
    extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    sizes = dims(x)[2:]
    if all(isinstance(size, int) or stride == 1 for size, stride in zip(sizes, strides, strict=True)):
        totals = [
            e - 1 if s == 1 else max((-(-int(size) // s) - 1) * s + e - int(size), 0)  # type: ignore[arg-type]
            for size, e, s in zip(sizes, extent, strides, strict=True)
        ]
        small, large = tuple(t // 2 for t in totals), tuple(t - t // 2 for t in totals)
        return (small, large) if upper else (large, small)
    size = op.shape(x, start=2)
    stride = np.asarray(strides, dtype=np.int64)
    windows = op.Div(op.Add(size, stride - 1), stride)
    total = op.Sub(op.Add(op.Mul(op.Sub(windows, 1), stride), np.asarray(extent, dtype=np.int64)), size)
    total = op.Max(total, np.zeros(1, dtype=np.int64))
    half = op.Div(total, 2)
    rest = op.Sub(total, half)
    return (half, rest) if upper else (rest, half)


def crop(
    op: Emitter, value: ir.Value, begin: tuple[int, ...] | ir.Value, like: ir.Value, extend: Sequence[int]
) -> ir.Value:
    """``value[begin : begin + size]`` over the spatial axes, with the sizes of ``like``.

    extend: how many zeros to append to each axis first, for where ``value`` may be shorter than that.
    """
    axes = list(range(2, 2 + len(extend)))
    if any(extend):
        zeros = [0] * (2 + len(extend))
        value = op.Pad(value, [*zeros, 0, 0, *extend])
    size = op.shape(like, start=2)
    if isinstance(begin, ir.Value):
        return op.Slice(value, begin, op.Add(begin, size), axes)
    ends = op.Add(size, np.asarray(begin, dtype=np.int64)) if any(begin) else size
    return op.Slice(value, list(begin), ends, axes)


def flip(op: Emitter, value: ir.Value, axes: Sequence[int]) -> ir.Value:
    n = len(axes)
    return op.Slice(value, [-1] * n, [START] * n, list(axes), [-1] * n)
