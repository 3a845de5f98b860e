"""Matrix products."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from pixelgrad.exporters.autodiff.emitter import Emitter
from pixelgrad.exporters.autodiff.registry import rule
from pixelgrad.exporters.opset18.attributes import integer, integers, number, operand, optional
from pixelgrad.exporters.opset18.shapes import Dim, dims, rank

Cotangents = Sequence[ir.Value | None]


def _transpose(op: Emitter, x: ir.Value, ndim: int) -> ir.Value:
    """The last two axes exchanged; a Transpose just undone is not written."""
    producer = x.producer()
    swap = [*range(ndim - 2), ndim - 1, ndim - 2]
    unsaid = [*reversed(range(ndim))]
    if producer is not None and producer.op_type == "Transpose" and integers(producer, "perm", unsaid) == swap:
        source = producer.inputs[0]
        assert source is not None
        return source
    return op.Transpose(x, perm=swap)


@rule("MatMul")
def mat_mul(op: Emitter, node: ir.Node, ct: ir.Value) -> Cotangents:
    a, b = operand(node), operand(node, 1)
    ndim_a, ndim_b = rank(a), rank(b)
    producer = b.producer()
    if ndim_a >= 2 and producer is not None and producer.inputs[0] is a and _transpose(op, b, ndim_b) is a:
        # A Gram matrix: C a + C' a is one product with the large operand instead of two.
        return (op.MatMul(op.Add(ct, op.Transpose(ct, perm=[*range(ndim_a - 2), ndim_a - 1, ndim_a - 2])), a),)
    # A vector is a matrix with one row (first) or one column (second).
    wide_a = op.Unsqueeze(a, [0]) if ndim_a == 1 else a
    wide_b = op.Unsqueeze(b, [1]) if ndim_b == 1 else b
    if ndim_a == 1:
        ct = op.Unsqueeze(ct, [-1] if ndim_b == 1 else [-2])
    if ndim_b == 1:
        ct = op.Unsqueeze(ct, [-1])
    batch = list(dims(node.outputs[0]))[: max(ndim_a, ndim_b) - 2]
    results: list[ir.Value | None] = [None, None]
    if op.needs(a):
        product = op.MatMul(ct, _transpose(op, wide_b, max(ndim_b, 2)))
        results[0] = _restore(op, product, batch, dims(a), a)
    if op.needs(b):
        product = op.MatMul(_transpose(op, wide_a, max(ndim_a, 2)), ct)
        results[1] = _restore(op, product, batch, dims(b), b)
    return results


def _restore(op: Emitter, product: ir.Value, batch: list[Dim], own: tuple[Dim, ...], like: ir.Value) -> ir.Value:
    """Sum over the batch axes that broadcasting added; a vector loses its axis of one."""
    if len(own) == 1:
        if batch:
            product = op.ReduceSum(product, list(range(len(batch))), keepdims=0)
        return op.reshape_like(product, like)
    return op.sum_to(product, [*batch, *own[-2:]], like)


@rule("Gemm")
def gemm(op: Emitter, node: ir.Node, ct: ir.Value) -> Cotangents:
    """alpha A' B' + beta C."""
    a, b, c = operand(node), operand(node, 1), optional(node, 2)
    alpha, beta = number(node, "alpha", 1.0), number(node, "beta", 1.0)
    trans_a, trans_b = integer(node, "transA", 0), integer(node, "transB", 0)
    results: list[ir.Value | None] = [None, None, None]
    if op.needs(a):
        pair, flags = ((b, ct), (trans_b, 1)) if trans_a else ((ct, b), (0, 1 - trans_b))
        results[0] = op.Gemm(*pair, alpha=alpha, transA=flags[0], transB=flags[1])
    if op.needs(b):
        pair, flags = ((ct, a), (1, trans_a)) if trans_b else ((a, ct), (1 - trans_a, 0))
        results[1] = op.Gemm(*pair, alpha=alpha, transA=flags[0], transB=flags[1])
    if c is not None and op.needs(c):
        scaled = ct if beta == 1 else op.Mul(ct, beta)
        results[2] = op.sum_to(scaled, dims(node.outputs[0]), c)
    return results
