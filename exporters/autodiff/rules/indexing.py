"""Taking elements by index; their gradients add up where an index repeats."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import onnx_ir as ir

from pixelgrad.exporters.autodiff.emitter import Emitter
from pixelgrad.exporters.autodiff.registry import rule
from pixelgrad.exporters.opset18.attributes import integer, operand
from pixelgrad.exporters.opset18.shapes import constant, dims, normalize_axis, rank


def zeros_like(op: Emitter, like: ir.Value) -> ir.Value:
    """Zeros in the shape and type of ``like``."""
    zero = op.const(np.zeros((), dtype=(like.dtype or ir.DataType.FLOAT).numpy()))
    return op.emit("Expand", [zero, op.shape(like)])[0]


@rule("Gather")
def gather(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    x, indices = operand(node), operand(node, 1)
    axis = normalize_axis(integer(node, "axis", 0), rank(x))
    known, size = constant(indices), dims(x)[axis]
    if known is not None and isinstance(size, int):
        return _gather_back(op, x, ct, axis, known, size)
    if known is not None and known.size == 1:
        return _one_back(op, x, ct, axis, known)
    return _rows_back(op, x, ct, axis, indices)


def _rows_back(op: Emitter, x: ir.Value, ct: ir.Value, axis: int, indices: ir.Value) -> ir.Value:
    """Indices known at run time only: the axis to the front, the indices flat, and rows added into place."""
    count = rank(indices)
    order = [*range(axis, axis + count), *range(axis), *range(axis + count, rank(x) - 1 + count)]
    rest = [a for a in range(rank(x)) if a != axis]
    ahead = op.Transpose(ct, perm=order)
    row = [op.dim(x, a) for a in rest]
    updates = op.Reshape(ahead, op.Concat(op.value([-1]), *row, axis=0))
    target = op.Transpose(zeros_like(op, x), perm=[axis, *rest])
    added = op.ScatterND(target, op.Reshape(op.int64(indices), [-1, 1]), updates, reduction="add")
    return op.Transpose(added, perm=[int(i) for i in np.argsort([axis, *rest])])


def _gather_back(
    op: Emitter, x: ir.Value, ct: ir.Value, axis: int, indices: np.ndarray[Any, Any], size: int
) -> ir.Value:
    """Constant indices: gather each source's place among them, or a zero; once per repetition of an index."""
    flat = [int(i) + size if i < 0 else int(i) for i in indices.reshape(-1)]
    places = [[at for at, source in enumerate(flat) if source == target] for target in range(size)]
    ahead, behind = [op.dim(x, a) for a in range(axis)], [op.dim(x, a) for a in range(axis + 1, rank(x))]
    ct = op.Reshape(ct, op.Concat(*ahead, op.value([len(flat)]), *behind, axis=0))
    pads = np.zeros(2 * rank(x), dtype=np.int64)
    pads[rank(x) + axis] = 1
    if any(len(found) != 1 for found in places):
        ct = op.Pad(ct, pads)

    def part(repetition: int) -> ir.Value:
        index = [found[repetition] if repetition < len(found) else len(flat) for found in places]
        return op.Gather(ct, index, axis=axis)

    return functools.reduce(op.Add, map(part, range(max(1, *map(len, places)))))


def _one_back(op: Emitter, x: ir.Value, ct: ir.Value, axis: int, index: np.ndarray[Any, Any]) -> ir.Value:
    """One known place of an axis of unknown length, as a classifier takes the first of a transformer's tokens."""
    if index.ndim == 0:
        ct = op.Unsqueeze(ct, [axis])
    elif index.ndim > 1:
        ct = op.Squeeze(ct, list(range(axis + 1, axis + index.ndim)))
    at, ndim = int(index.reshape(())), rank(x)
    known, other = op.value([at if at >= 0 else -at - 1]), op.dim(x, axis)
    other = op.Sub(op.Sub(other, known), 1)
    pads: list[ir.Value] = [op.value([0])] * (2 * ndim)
    pads[axis], pads[ndim + axis] = (known, other) if at >= 0 else (other, known)
    return op.Pad(ct, op.Concat(*pads, axis=0))


@rule("Compress")
def compress(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    """A Gather of the places where the condition holds; without an axis, of the elements one after the other."""
    x = operand(node)
    places = op.Squeeze(op.NonZero(operand(node, 1)), [0])
    places.shape = ir.Shape([None])
    if "axis" in node.attributes:
        return _rows_back(op, x, ct, normalize_axis(integer(node, "axis", 0), rank(x)), places)
    flat = op.Reshape(zeros_like(op, x), [-1])
    return op.reshape_like(op.ScatterElements(flat, places, ct, axis=0), x)


@rule("TopK")
def top_k(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    return op.ScatterElements(zeros_like(op, operand(node)), node.outputs[1], ct, axis=integer(node, "axis", -1))


@rule("MaxUnpool")
def max_unpool(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    """Indices count the elements of the whole output."""
    return op.Gather(op.Reshape(ct, [-1]), operand(node, 1), axis=0)


@rule("GatherElements")
def gather_elements(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    x, indices = operand(node), operand(node, 1)
    return op.ScatterElements(zeros_like(op, x), indices, ct, axis=integer(node, "axis", 0), reduction="add")


@rule("GatherND")
def gather_nd(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    x, indices, batch = operand(node), operand(node, 1), integer(node, "batch_dims", 0)
    if batch:
        # ScatterND has no batch_dims: where an index stands along those axes goes in front of it.
        ahead = op.Concat(op.shape(indices, end=rank(indices) - 1), op.value([1]), axis=0)
        places = [op.Expand(_counted(op, indices, axis), ahead) for axis in range(batch)]
        indices = op.Concat(*places, indices, axis=-1)
    return op.ScatterND(zeros_like(op, x), indices, ct, reduction="add")


def _counted(op: Emitter, value: ir.Value, axis: int) -> ir.Value:
    """0, 1, 2, ... along one axis of ``value``, with ones for its other axes."""
    count = op.Range(np.asarray(0), op.Squeeze(op.dim(value, axis), [0]), np.asarray(1))
    return op.Unsqueeze(count, [other for other in range(rank(value)) if other != axis])
