"""Putting elements into place by index: what was there before, and what is put there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import onnx_ir as ir

from pixelgrad.exporters.autodiff.emitter import Emitter
from pixelgrad.exporters.autodiff.registry import rule
from pixelgrad.exporters.autodiff.rules.indexing import zeros_like
from pixelgrad.exporters.autodiff.rules.reduction import product_of_others
from pixelgrad.exporters.opset18.attributes import integer, operand, text
from pixelgrad.exporters.opset18.shapes import dims, normalize_axis, same_dim

Cotangents = Sequence[ir.Value | None]


class _Places:
    """Taking from, and putting into, the places that the indices of one node name."""

    def __init__(self, op: Emitter, node: ir.Node) -> None:
        self.op, self.kind, self.data, self.indices = op, node.op_type, operand(node), operand(node, 1)
        self.axis = integer(node, "axis", 0) if self.kind == "ScatterElements" else None

    def take(self, value: ir.Value) -> ir.Value:
        """What ``value``, in the shape of the data, has there, in the shape of the updates."""
        if self.axis is None:
            return self.op.GatherND(value, self.indices)
        # There may be fewer indices than elements along the other axes, which not every runtime lets a Gather do.
        own, whole = dims(self.indices), dims(self.data)
        axis = normalize_axis(self.axis, len(own))
        fewer = [k for k in range(len(own)) if k != axis and not same_dim(own[k], whole[k])]
        if fewer:
            ends = self.op.Concat(*(self.op.dim(self.indices, k) for k in fewer), axis=0)
            value = self.op.Slice(value, [0] * len(fewer), ends, fewer)
        return self.op.GatherElements(value, self.indices, axis=axis)

    def put(self, value: ir.Value, updates: ir.Value, reduction: str | None = None) -> ir.Value:
        return self.op.emit(self.kind, [value, self.indices, updates], {"axis": self.axis, "reduction": reduction})[0]


@rule("ScatterND", "ScatterElements")
def scatter(op: Emitter, node: ir.Node, ct: ir.Value) -> Cotangents:
    reduction = text(node, "reduction", "none")
    return _REDUCTIONS[reduction](op, node, ct, _Places(op, node))


def _replaced(op: Emitter, node: ir.Node, ct: ir.Value, places: _Places) -> Cotangents:
    """ONNX says that no place is named twice."""
    data, updates = operand(node), operand(node, 2)
    return (
        places.put(ct, zeros_like(op, updates)) if op.needs(data) else None,
        None,
        places.take(ct) if op.needs(updates) else None,
    )


def _added(op: Emitter, node: ir.Node, ct: ir.Value, places: _Places) -> Cotangents:
    return ct, None, places.take(ct) if op.needs(operand(node, 2)) else None


def _multiplied(op: Emitter, node: ir.Node, ct: ir.Value, places: _Places) -> Cotangents:
    data, updates = operand(node), operand(node, 2)
    to_updates = None
    if op.needs(updates):
        others = product_of_others(
            op,
            updates,
            lambda factors: places.take(places.put(data, factors, "mul")),
            lambda terms: places.take(places.put(zeros_like(op, data), terms, "add")),
        )
        to_updates = op.Mul(others, places.take(ct))
    return places.put(ct, updates, "mul") if op.needs(data) else None, None, to_updates


def _extreme(op: Emitter, node: ir.Node, ct: ir.Value, places: _Places) -> Cotangents:
    """Shared evenly where several are extreme, as PyTorch's scatter_reduce does."""
    data, updates, result = operand(node), operand(node, 2), node.outputs[0]
    stays = op.mask(op.Equal(data, result), ct)
    put = op.mask(op.Equal(updates, places.take(result)), ct)
    share = op.Div(ct, places.put(stays, put, "add"))
    return (
        op.Mul(share, stays) if op.needs(data) else None,
        None,
        op.Mul(places.take(share), put) if op.needs(updates) else None,
    )


_REDUCTIONS: dict[str, Callable[[Emitter, ir.Node, ir.Value, _Places], Cotangents]] = {
    "none": _replaced,
    "add": _added,
    "mul": _multiplied,
    "max": _extreme,
    "min": _extreme,
}
