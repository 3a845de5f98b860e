"""Pad, in its three modes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.autodiff.emitter import Emitter
from pixelgrad.exporters.autodiff.registry import rule
from pixelgrad.exporters.autodiff.rules.window import END, START
from pixelgrad.exporters.opset18.attributes import operand, optional, text
from pixelgrad.exporters.opset18.shapes import constant, normalize_axis, rank, static_shape

Size = int | ir.Value


@rule("Pad")
def pad(op: Emitter, node: ir.Node, ct: ir.Value) -> Sequence[ir.Value | None]:
    to_x, filling = _to_input(op, node, ct), optional(node, 2)
    if filling is None or not op.needs(filling) or text(node, "mode", "constant") != "constant":
        return (to_x,)
    # All of the cotangent that is not the input's.
    around = op.Sub(op.ReduceSum(ct, keepdims=0), op.ReduceSum(to_x, keepdims=0))
    return to_x, None, op.reshape_like(around, filling)


def _to_input(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    x, mode = operand(node), text(node, "mode", "constant")
    ndim = rank(x)
    pads = constant(operand(node, 1))
    given = optional(node, 3)
    axes = range(ndim) if given is None else constant(given)
    if pads is None and given is None and mode == "constant":
        return op.Pad(ct, op.Neg(operand(node, 1)))
    if pads is None and given is None and mode == "edge":
        known = _known(operand(node, 1))
        for axis in range(ndim):
            before, behind = (_element(op, operand(node, 1), known, at) for at in (axis, axis + ndim))
            ct = _fold_edge(op, ct, axis, before, behind)
        return ct
    if pads is None or axes is None:
        raise NetworkError(f"Pad at {node.outputs[0].name!r}: its padding must be known before it runs")
    half = len(pads) // 2
    both = [
        (normalize_axis(int(axis), ndim), int(begin), int(end))
        for axis, begin, end in zip(axes, pads[:half], pads[half:], strict=True)
        if begin or end
    ]
    if mode == "constant":
        return _constant(op, ct, both, ndim)
    fold = {"reflect": _fold_reflection, "edge": _fold_edge}[mode]
    for axis, begin, end in both:
        if min(begin, end) < 0:
            raise NetworkError(f"Pad at {node.outputs[0].name!r}: negative {mode} padding has no gradient rule")
        ct = fold(op, ct, axis, begin, end)
    return ct


def _element(op: Emitter, pads: ir.Value, known: list[int | None] | None, at: int) -> Size:
    size = None if known is None else known[at]
    return op.Slice(pads, [at], [at + 1]) if size is None else size


def _known(value: ir.Value) -> list[int | None] | None:
    """The elements of an integer vector, ``None`` for those that show only at run time or where its length does."""
    elements = constant(value)
    if elements is not None:
        return [int(element) for element in elements]
    producer = value.producer()
    if producer is not None and producer.op_type == "Concat":
        parts = [None if part is None else _known(part) for part in producer.inputs]
        return None if any(part is None for part in parts) else [x for part in parts if part is not None for x in part]
    shape = static_shape(value)
    return None if shape is None or len(shape) != 1 else [None] * shape[0]


def _constant(op: Emitter, ct: ir.Value, both: list[tuple[int, int, int]], ndim: int) -> ir.Value:
    cuts = [(axis, max(begin, 0), -end if end > 0 else END) for axis, begin, end in both if begin > 0 or end > 0]
    if cuts:
        axes, starts, ends = (list(column) for column in zip(*cuts, strict=True))
        ct = op.Slice(ct, starts, ends, axes)
    if any(begin < 0 or end < 0 for _, begin, end in both):  # what was cut off gets no gradient
        zeros = np.zeros(2 * ndim, dtype=np.int64)
        for axis, begin, end in both:
            zeros[axis], zeros[axis + ndim] = max(-begin, 0), max(-end, 0)
        ct = op.Pad(ct, zeros)
    return ct


def _span(op: Emitter, ct: ir.Value, axis: int, start: int, end: int) -> ir.Value:
    return op.Slice(ct, [start], [end], [axis])


def _fold_reflection(op: Emitter, ct: ir.Value, axis: int, begin: Size, end: Size) -> ir.Value:
    """What lies beyond an edge is what lies before it, turned around, without the edge itself.

    Only a few lines at either end are worked on; all between them is copied at once. One side after the other, as if
    the input had been padded so: then it holds however small the input is, where the ends have lines in common too.
    """
    assert isinstance(begin, int)
    assert isinstance(end, int)
    near, far = 2 * begin + 1, 2 * end + 1  # how many lines take part at each end
    parts = []
    if end:
        last = _span(op, ct, axis, -far, END)
        inner = op.Add(_span(op, last, axis, 0, end), op.Slice(last, [-1], [end], [axis], [-1]))
        parts.append(op.Concat(inner, _span(op, last, axis, end, end + 1), axis=axis))
    if begin:
        first = _span(op, ct, axis, 0, near + far if end else near)
        if end:
            first = op.Concat(_span(op, first, axis, 0, -far), *parts, axis=axis)
            parts = [_span(op, first, axis, near, END)]
        inner = op.Add(_span(op, first, axis, begin + 1, near), op.Slice(first, [begin - 1], [START], [axis], [-1]))
        parts.insert(0, op.Concat(_span(op, first, axis, begin, begin + 1), inner, axis=axis))
    middle = _span(op, ct, axis, near if begin else 0, -far if end else END)
    parts.insert(1 if begin else 0, middle)
    return op.Concat(*parts, axis=axis)


def _fold_edge(op: Emitter, ct: ir.Value, axis: int, begin: Size, end: Size) -> ir.Value:
    """What lies beyond an edge repeats it. Sizes of padding may be known at run time only."""
    if isinstance(end, ir.Value) or end:
        start = [-end - 1] if isinstance(end, int) else op.Sub(op.Neg(end), 1)
        last = op.ReduceSum(op.Slice(ct, start, [END], [axis]), [axis], keepdims=1)
        ct = op.Concat(op.Slice(ct, [0], start, [axis]), last, axis=axis)
    if isinstance(begin, ir.Value) or begin:
        stop = [begin + 1] if isinstance(begin, int) else op.Add(begin, 1)
        first = op.ReduceSum(op.Slice(ct, [0], stop, [axis]), [axis], keepdims=1)
        ct = op.Concat(first, op.Slice(ct, stop, [END], [axis]), axis=axis)
    return ct
