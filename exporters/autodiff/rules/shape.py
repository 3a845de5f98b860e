"""Operators that move elements about without computing with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.autodiff.emitter import Emitter
from pixelgrad.exporters.autodiff.registry import rule
from pixelgrad.exporters.autodiff.rules.indexing import zeros_like
from pixelgrad.exporters.autodiff.rules.window import END, START
from pixelgrad.exporters.opset18.attributes import integer, integers, operand, optional, text
from pixelgrad.exporters.opset18.shapes import Dim, constant, dims, normalize_axis, rank, static_shape

Cotangents = Sequence[ir.Value | None]
# The end of every axis where bounds are int32, and so where they are int64.
_FAR = np.iinfo(np.int32).max


@rule("Identity", "Dropout")
def identity(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    return ct


@rule("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def reshape(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    return op.reshape_like(ct, operand(node))


@rule("Transpose")
def transpose(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    x = operand(node)
    perm = integers(node, "perm") or list(reversed(range(rank(x))))
    return op.Transpose(ct, perm=[int(i) for i in np.argsort(perm)])


@rule("Cast", "CastLike")
def cast(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    x = operand(node)
    assert x.dtype is not None
    return ct if x.dtype == node.outputs[0].dtype else op.Cast(ct, to=int(x.dtype))


@rule("Expand")
def expand(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    return op.sum_to(ct, dims(node.outputs[0]), operand(node))


@rule("Tile")
def tile(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    """Apart into (repeats, size) per axis, and summed over the repeats."""
    x, repeats = operand(node), operand(node, 1)
    pairs = op.Concat(op.Unsqueeze(repeats, [1]), op.Unsqueeze(op.shape(x), [1]), axis=1)
    apart = op.Reshape(ct, op.Reshape(pairs, [-1]))
    return op.reshape_like(op.ReduceSum(apart, list(range(0, 2 * rank(x), 2)), keepdims=0), x)


@rule("Concat")
def concat(op: Emitter, node: ir.Node, ct: ir.Value) -> Cotangents:
    """One part, where no other needs any, by constant bounds: tokens behind a class token, say."""
    axis = integer(node, "axis", 0)
    parts = [operand(node, index) for index in range(len(node.inputs))]
    if len(parts) == 1:
        return (ct,)
    sizes = [dims(part)[axis] for part in parts]
    needed = [index for index, part in enumerate(parts) if op.needs(part)]
    if len(needed) == 1:
        (index,) = needed
        before, after = sizes[:index], sizes[index + 1 :]
        if all(isinstance(size, int) for size in (*before, *after)):
            start, left = (sum(size for size in around if isinstance(size, int)) for around in (before, after))
            return (*[None] * index, op.Slice(ct, [start], [-left or END], [axis]))
    counts = [op.dim(part, axis) for part in parts]
    return op.emit("Split", [ct, op.Concat(*counts, axis=0)], {"axis": axis}, count=len(counts))


@rule("Split", every_output=True)
def split(op: Emitter, node: ir.Node, cts: Sequence[ir.Value | None]) -> ir.Value:
    whole = next(ct for ct in cts if ct is not None)
    zero = op.const(np.zeros((), dtype=(whole.dtype or ir.DataType.FLOAT).numpy()))
    parts = [op.expand_like(zero, y) if ct is None else ct for ct, y in zip(cts, node.outputs, strict=True)]
    return op.Concat(*parts, axis=integer(node, "axis", 0))


@rule("Slice")
def slice_(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    """One axis after the other: back into place, with zeros between where the step is not one."""
    x = operand(node)
    if 0 in dims(node.outputs[0]):
        return zeros_like(op, x)
    starts, ends = operand(node, 1), operand(node, 2)
    given, stepped = optional(node, 3), optional(node, 4)
    fixed_starts = constant(starts)
    count = fixed_starts.size if fixed_starts is not None else (static_shape(starts) or (None,))[0]
    axes = list(range(count or 0)) if given is None else constant(given)
    steps = np.ones(count or 0, dtype=np.int64) if stepped is None else constant(stepped)
    if count is None or axes is None or steps is None:
        raise NetworkError(f"Slice at {node.outputs[0].name!r}: its axes and steps must be known before it runs")
    fixed_ends = constant(ends)
    pads = np.zeros(2 * rank(x), dtype=np.int64)
    free = []
    for index, (axis, step) in enumerate(zip(axes, steps, strict=True)):
        at = normalize_axis(int(axis), rank(x))
        if fixed_starts is not None and fixed_ends is not None and step == 1:
            cut = _cut_off(dims(x)[at], int(fixed_starts[index]), int(fixed_ends[index]))
            if cut is not None:
                pads[[at, rank(x) + at]] = cut
                if isinstance(dims(x)[at], ir.SymbolicDim) and sum(cut) > 1:
                    free.append(at)
                continue
        start, end = (op.Slice(op.int64(bound), [index], [index + 1]) for bound in (starts, ends))
        ct = _unslice(op, ct, x, at, int(step), start, end)
    if pads.any():
        ct = op.Pad(ct, pads)
    if free:  # an axis of which the slice leaves nothing may be shorter than what it cuts off
        ct = op.Slice(ct, [0] * len(free), op.Concat(*(op.dim(x, at) for at in free), axis=0), free)
    ct.shape = x.shape
    return ct


def _cut_off(size: Dim, start: int, end: int) -> tuple[int, int] | None:
    """How much a slice cuts off before and behind, where that is the same at every size that leaves anything."""
    if isinstance(size, int):
        first, last, _ = slice(start, end).indices(size)
        return (first, size - last) if last > first else None
    if start < 0 or 0 <= end < _FAR:
        return None
    return start, -min(end, 0)


def _unslice(op: Emitter, ct: ir.Value, x: ir.Value, axis: int, step: int, start: ir.Value, end: ir.Value) -> ir.Value:
    size, ndim = op.dim(x, axis), rank(x)
    # Where the slice took its elements from, by slicing the positions themselves: clamping included.
    zero, one = np.asarray(0, dtype=np.int64), np.asarray(1, dtype=np.int64)
    positions = op.Slice(op.Range(zero, op.Squeeze(size, [0]), one), start, end, [0], [step])
    # Where it took none, all of the axis is in front of them.
    none = (size, op.Sub(size, 1))
    head, tail = none if step > 0 else none[::-1]
    first = op.Slice(op.Concat(positions, head, axis=0), [0], [1])
    last = op.Slice(op.Concat(tail, positions, axis=0), [-1], [END])
    if step < 0:
        ct, first, last = op.Slice(ct, [-1], [START], [axis], [-1]), last, first
    if abs(step) > 1:
        gap = abs(step)
        apart = op.Pad(op.Unsqueeze(ct, [axis + 1]), _at(2 * (ndim + 1), ndim + 1 + axis + 1, gap - 1))
        ct = op.Reshape(apart, _merged_shape(op, ct, ndim, axis))
        ct = op.Slice(ct, [0], [-(gap - 1)], [axis])
    behind = op.Sub(op.Sub(size, last), 1)
    zeros = op.value([0])
    pads = [zeros] * (2 * ndim)
    pads[axis], pads[ndim + axis] = first, behind
    return op.Pad(ct, op.Concat(*pads, axis=0))


def _at(length: int, index: int, value: int) -> np.ndarray[Any, Any]:
    result = np.zeros(length, dtype=np.int64)
    result[index] = value
    return result


def _merged_shape(op: Emitter, ct: ir.Value, ndim: int, axis: int) -> ir.Value:
    """The shape of ``ct`` with -1 at ``axis``."""
    shape = op.Shape(ct)
    keep, free = np.ones(ndim, dtype=np.int64), np.zeros(ndim, dtype=np.int64)
    keep[axis], free[axis] = 0, -1
    return op.Add(op.Mul(shape, keep), free)


@rule("DepthToSpace")
def depth_to_space(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    size = integer(node, "blocksize", 1)
    deep = op.SpaceToDepth(ct, blocksize=size)
    if text(node, "mode", "DCR") == "DCR":
        return deep
    # SpaceToDepth puts the block before the channel, CRD has it behind.
    x = operand(node)
    channels = dims(x)[1]
    assert isinstance(channels, int)
    spatial = op.shape(x, start=2)
    shape = op.Concat(op.shape(x, end=1), op.value([size * size, channels // (size * size)]), spatial, axis=0)
    return op.reshape_like(op.Transpose(op.Reshape(deep, shape), perm=[0, 2, 1, 3, 4]), x)


@rule("SpaceToDepth")
def space_to_depth(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    return op.DepthToSpace(ct, blocksize=integer(node, "blocksize", 1))


@rule("Trilu")
def trilu(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    return op.Trilu(ct, *node.inputs[1:], upper=integer(node, "upper", 1))


@rule("ReverseSequence")
def reverse_sequence(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    """What is turned round twice is as it was."""
    axes = {name: integer(node, name, default) for name, default in (("time_axis", 0), ("batch_axis", 1))}
    return op.ReverseSequence(ct, operand(node, 1), **axes)
