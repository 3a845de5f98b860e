"""Pooling."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import onnx_ir as ir

from pixelgrad.exporters.autodiff.emitter import Emitter
from pixelgrad.exporters.autodiff.registry import rule
from pixelgrad.exporters.autodiff.rules.window import Window, crop, window
from pixelgrad.exporters.opset18.attributes import integer, integers, operand
from pixelgrad.exporters.opset18.shapes import dims, rank, same_dim, static_shape

_LOWEST = {ir.DataType.FLOAT: -3.4e38, ir.DataType.DOUBLE: -1.7e308, ir.DataType.FLOAT16: -65504.0}


def _spatial(node: ir.Node) -> list[int]:
    return list(range(2, rank(operand(node))))


@rule("GlobalAveragePool")
def global_average_pool(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    x = operand(node)
    return op.expand_like(op.shared(ct, x, node.outputs[0]), x)


@rule("GlobalMaxPool")
def global_max_pool(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    """Shared evenly among ties."""
    mask = op.mask(op.Equal(operand(node), node.outputs[0]), ct)
    return op.Mul(mask, op.Div(ct, op.ReduceSum(mask, _spatial(node), keepdims=1)))


@rule("GlobalLpPool")
def global_lp_pool(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    return _lp(op, node, ct, integer(node, "p", 2), lambda share: share)


@rule("LpPool")
def lp_pool(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    w = window(op, node, integers(node, "kernel_shape") or [])
    x = operand(node)
    return _lp(op, node, ct, integer(node, "p", 2), lambda share: _spread(op, share, node.outputs[0], x, w))


def _lp(op: Emitter, node: ir.Node, ct: ir.Value, p: int, spread: Callable[[ir.Value], ir.Value]) -> ir.Value:
    """y = (sum |x|^p)^(1/p): sign(x) |x|^(p-1) times, over its windows, ct / y^(p-1)."""
    x, y = operand(node), node.outputs[0]
    safe = op.Where(op.Greater(y, 0.0), y, 1.0)
    if p == 1:
        return op.Mul(op.sign(x), spread(ct))
    if p == 2:
        return op.Mul(x, spread(op.Div(ct, safe)))
    powered = op.Mul(op.sign(x), op.Pow(op.Abs(x), float(p - 1)))
    return op.Mul(powered, spread(op.Div(ct, op.Pow(safe, float(p - 1)))))


@rule("AveragePool")
def average_pool(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    x = operand(node)
    w = window(op, node, integers(node, "kernel_shape") or [])
    include_pad = bool(integer(node, "count_include_pad", 0))
    if not w.ceil_mode and (w.unpadded or include_pad):
        share = op.Mul(ct, 1.0 / float(np.prod(w.kernel)))
    else:
        share = op.Div(ct, _counts(op, x, node.outputs[0], w, include_pad))
    return _spread(op, share, node.outputs[0], x, w)


def _counts(op: Emitter, x: ir.Value, y: ir.Value, w: Window, include_pad: bool) -> ir.Value:
    """How many elements each window averages over, [1, 1, ...]: those inside the input, or inside its padding."""
    one = np.ones((), dtype=(x.dtype or ir.DataType.FLOAT).numpy())
    size = op.shape(x, start=2)
    kernel = op.const(np.ones((1, 1, *w.kernel), dtype=one.dtype))
    begin, end = op.value(_vector(w.pads_begin)), op.value(_vector(w.pads_end))
    if include_pad:
        size = op.Add(op.Add(size, begin), end)
        begin = end = op.value([0] * len(w.kernel))
    ones = op.Expand(one, op.Concat(op.value([1, 1]), size, axis=0))
    # Room for a last window that ceil_mode lets reach over the edge.
    end = op.Add(end, np.asarray(w.strides, dtype=np.int64))
    ones = op.Pad(ones, op.Concat(op.value([0, 0]), begin, op.value([0, 0]), end, axis=0))
    counts = op.Conv(ones, kernel, strides=list(w.strides), dilations=list(w.dilations))
    return op.Slice(counts, [0] * len(w.kernel), op.shape(y, start=2), w.axes)


def _vector(pads: tuple[int, ...] | ir.Value) -> list[int] | ir.Value:
    return pads if isinstance(pads, ir.Value) else list(pads)


def _spread(op: Emitter, ct: ir.Value, y: ir.Value, x: ir.Value, w: Window) -> ir.Value:
    """The adjoint of summing over windows: each element of ``ct`` (as ``y``) added to all of its window in ``x``."""
    begin, end = w.pads_begin, w.pads_end
    if w.tiles and len(w.kernel) == 2:
        grown = _grow(op, ct, w.kernel)
        if _must_crop(x, y, w):
            return crop(op, grown, begin, x, _slack(w))
        grown.shape = x.shape
        return grown
    if not isinstance(begin, ir.Value) and not isinstance(end, ir.Value) and set(w.strides) == {1}:
        pads = [k - 1 - p for k, p in zip(w.kernel * 2, (*begin, *end), strict=True)]
        if (
            min(pads) >= 0
            and max(p - k for p, k in zip(pads, w.kernel * 2, strict=True)) < 0
            and set(w.dilations) == {1}
        ):
            pooled = op.AveragePool(ct, kernel_shape=list(w.kernel), pads=pads, count_include_pad=1)
            return op.Mul(pooled, float(np.prod(w.kernel)))
    # One channel at a time, so that one kernel of ones serves all.
    flat = op.Reshape(ct, op.Concat(op.value([-1, 1]), op.shape(y, start=2), axis=0))
    kernel = op.const(np.ones((1, 1, *w.kernel), dtype=(x.dtype or ir.DataType.FLOAT).numpy()))
    full = op.ConvTranspose(flat, kernel, strides=list(w.strides), dilations=list(w.dilations))
    return op.reshape_like(crop(op, full, begin, x, _slack(w)), x)


def _grow(op: Emitter, value: ir.Value, factors: tuple[int, ...]) -> ir.Value:
    """Each element repeated over a block."""
    scales = op.const(np.asarray([1, 1, *factors], dtype=np.float32))
    attributes = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return op.Resize(value, None, scales, **attributes)


def _must_crop(x: ir.Value, y: ir.Value, w: Window) -> bool:
    """Whether windows that tile may cover less or more than the input."""
    sizes = zip(dims(x)[2:], dims(y)[2:], w.strides, strict=True)
    return not w.unpadded or not all(same_dim(size, count * stride) for size, count, stride in sizes)


def _slack(w: Window) -> list[int]:
    """At most how far the input reaches past the last window."""
    return [stride - 1 for stride in w.strides]


@rule("MaxPool")
def max_pool(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    """To the largest element of each window.

    Windows that tile the input: compare it with its maxima grown back to its size (20 ms for 64 channels at
    512 x 512, against 51 by indices and MaxUnpool, which CUDA and WebGPU lack). Ties share evenly; without that,
    flat areas such as a clipped sky would get up to four times their gradient at every pool (20 to 37 ms).
    Overlapping windows: one strided slice per offset in the window, the first maximum wins, as in PyTorch.
    """
    x, y = operand(node), node.outputs[0]
    w = window(op, node, integers(node, "kernel_shape") or [])
    if not (w.tiles and len(w.kernel) == 2 and w.unpadded and not w.ceil_mode):
        return _first_maximum(op, x, y, ct, w)
    cut = _must_crop(x, y, w)

    def grow(value: ir.Value) -> ir.Value:
        grown = _grow(op, value, w.kernel)
        grown = crop(op, grown, w.pads_begin, x, _slack(w)) if cut else grown
        grown.shape = x.shape
        return grown

    mask = op.mask(op.Equal(x, grow(y)), ct)
    ties = op.AveragePool(mask, kernel_shape=list(w.kernel), strides=list(w.strides))
    share = op.Div(ct, op.Mul(ties, float(np.prod(w.kernel))))
    return op.Mul(mask, grow(share))


def max_pool_by_scattering(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    """:func:`max_pool` with overlapping windows by the positions of their maxima; for a CPU.

    64 channels at 256 x 256, windows of 3 by steps of 2: 32 ms, the pooling included, against about 90 by slices.
    DirectML and CoreML have no such scatter, WebGPU no positions.
    """
    x = operand(node)
    w = window(op, node, integers(node, "kernel_shape") or [])
    if (w.tiles and len(w.kernel) == 2) or x.dtype != ir.DataType.FLOAT:
        shared: ir.Value = max_pool(op, node, ct)
        return shared
    # Positions are counted row by row unless storage_order says otherwise, which the maxima do not depend on.
    attributes = {name: value for name, value in node.attributes.items() if name != "storage_order"}
    _, positions = op.emit("MaxPool", [x], attributes, count=2)
    positions.dtype = ir.DataType.INT64
    nothing = op.Reshape(op.Expand(np.zeros((), np.float32), op.shape(x)), [-1])
    spread = op.ScatterElements(nothing, op.Reshape(positions, [-1]), op.Reshape(ct, [-1]), axis=0, reduction="add")
    return op.reshape_like(spread, x)


def max_pool_by_switches(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    """To the first largest element of each window and nowhere else, ties or not: the switches of Zeiler & Fergus 2013.

    A window of zeros has a switch like any other, where :func:`max_pool` would spread over all of it and leave it
    to the ReLU before to stop that. Windows that overlap at one maximum add up.
    """
    w = window(op, node, integers(node, "kernel_shape") or [])
    return _first_maximum(op, operand(node), node.outputs[0], ct, w)


def global_max_pool_by_switches(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    """To the first largest element of each map."""
    x = operand(node)
    flat = op.Reshape(x, [0, 0, -1])
    first = op.ArgMax(flat, axis=2, keepdims=1)
    count = op.Squeeze(op.Shape(flat, start=2, end=3), [0])
    places = op.Unsqueeze(op.Range(np.asarray(0), count, np.asarray(1)), [0, 1])
    mask = op.mask(op.Equal(places, first), ct)
    return op.reshape_like(op.Mul(mask, op.Reshape(ct, [0, 0, 1])), x)


def _first_maximum(op: Emitter, x: ir.Value, y: ir.Value, ct: ir.Value, w: Window) -> ir.Value:
    n = len(w.kernel)
    strides = np.asarray(w.strides, dtype=np.int64)
    begin, end = op.value(_vector(w.pads_begin)), op.value(_vector(w.pads_end))
    reach = op.Add(end, strides) if w.ceil_mode else end
    pads = op.Concat(op.value([0, 0]), begin, op.value([0, 0]), reach, axis=0)
    lowest = np.asarray(
        _LOWEST.get(x.dtype or ir.DataType.FLOAT, -65504.0), dtype=(x.dtype or ir.DataType.FLOAT).numpy()
    )
    padded = x if w.unpadded and not w.ceil_mode else op.Pad(x, pads, lowest)
    last = op.Add(op.Mul(op.Sub(op.shape(y, start=2), 1), strides), 1)

    free: ir.Value | None = None
    phases: dict[tuple[int, ...], ir.Value] = {}
    offsets = list(product(*(range(k) for k in w.kernel)))
    reach_by = [(k - 1) * d // s for k, d, s in zip(w.kernel, w.dilations, w.strides, strict=True)]
    for index, offset in enumerate(offsets):
        at = [i * d for i, d in zip(offset, w.dilations, strict=True)]
        ends = op.Add(last, np.asarray(at, dtype=np.int64)) if any(at) else last
        mask = op.mask(op.Equal(op.Slice(padded, at, ends, w.axes, list(w.strides)), y), ct)
        if free is not None:
            mask = op.Mul(mask, free)
        if index + 1 < len(offsets):
            free = op.Sub(1.0, mask) if free is None else op.Sub(free, mask)
        shift = [a // s for a, s in zip(at, w.strides, strict=True)]
        behind = [most - q for most, q in zip(reach_by, shift, strict=True)]
        part = op.Mul(mask, ct)
        if any(shift) or any(behind):
            part = op.Pad(part, [0, 0, *shift, 0, 0, *behind])
        phase = tuple(a % s for a, s in zip(at, w.strides, strict=True))
        phases[phase] = op.Add(phases[phase], part) if phase in phases else part
    full = _interleave(op, phases, w.strides)
    length_known = static_shape(x) is not None and static_shape(y) is not None
    if length_known and w.unpadded and n:
        sizes, outs = dims(x)[2:], dims(y)[2:]
        exact = all(
            (int(o) + r) * s == int(size)  # type: ignore[arg-type]
            for o, r, s, size in zip(outs, reach_by, w.strides, sizes, strict=True)
        )
        if exact:
            return full
    return crop(op, full, w.pads_begin, x, _slack(w))


def _interleave(op: Emitter, phases: dict[tuple[int, ...], ir.Value], strides: tuple[int, ...]) -> ir.Value:
    """Element ``i`` of phase ``p`` goes to position ``i * stride + p``; a phase that is missing is zero."""
    if len(phases) == 1 and set(strides) == {1}:
        return next(iter(phases.values()))
    some = next(iter(phases.values()))
    zero = op.Mul(some, 0.0)
    ordered = [phases.get(phase, zero) for phase in product(*(range(s) for s in strides))]
    if len(strides) == 2 and strides[0] == strides[1]:
        return op.DepthToSpace(op.Concat(*ordered, axis=1), blocksize=strides[0])
    n = len(strides)
    small = op.Shape(some)
    stacked = op.Concat(*(op.Unsqueeze(part, [0]) for part in ordered), axis=0)
    stacked = op.Reshape(stacked, op.Concat(op.value(list(strides)), small, axis=0))
    order = [n, n + 1]
    for axis in range(n):
        order += [n + 2 + axis, axis]
    scaled = op.Mul(small, np.asarray([1, 1, *strides], dtype=np.int64))
    return op.Reshape(op.Transpose(stacked, perm=order), scaled)
