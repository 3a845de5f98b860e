"""Reductions over axes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.autodiff.emitter import Emitter
from pixelgrad.exporters.autodiff.registry import rule
from pixelgrad.exporters.opset18.attributes import integer, operand, optional
from pixelgrad.exporters.opset18.shapes import constant, dims, normalize_axis, rank


def _axes(node: ir.Node) -> list[int]:
    x = operand(node)
    given = optional(node, 1)
    if given is None or (given.shape is not None and given.shape.is_static() and given.shape.numpy() == (0,)):
        return [] if integer(node, "noop_with_empty_axes", 0) else list(range(rank(x)))
    axes = constant(given)
    if axes is None:
        raise NetworkError(f"{node.op_type} at {node.outputs[0].name!r}: axes known only at run time have no gradient")
    return [normalize_axis(int(a), rank(x)) for a in np.atleast_1d(axes)]


def _keepdims(op: Emitter, node: ir.Node, reduced: ir.Value) -> ir.Value:
    """``reduced`` (the output or its cotangent) with the reduced axes back as ones."""
    axes = _axes(node)
    if integer(node, "keepdims", 1) or not axes:
        return reduced
    return op.Unsqueeze(reduced, sorted(axes))


@rule("ReduceSum")
def reduce_sum(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    return op.expand_like(_keepdims(op, node, ct), operand(node))


@rule("ReduceMean")
def reduce_mean(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    x = operand(node)
    share = op.shared(ct, x, node.outputs[0])
    return op.expand_like(_keepdims(op, node, share), x)


@rule("ReduceMax", "ReduceMin")
def reduce_extremum(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    """Shared evenly among ties, as PyTorch's amax does."""
    x, axes = operand(node), _axes(node)
    mask = op.mask(op.Equal(x, _keepdims(op, node, node.outputs[0])), ct)
    count = op.ReduceSum(mask, axes, keepdims=1, noop_with_empty_axes=1)
    return op.Mul(mask, op.Div(_keepdims(op, node, ct), count))


@rule("ReduceProd")
def reduce_prod(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    x, axes = operand(node), _axes(node)
    others = product_of_others(
        op,
        x,
        lambda factors: op.ReduceProd(factors, axes, keepdims=1, noop_with_empty_axes=1),
        lambda terms: op.ReduceSum(terms, axes, keepdims=1, noop_with_empty_axes=1),
    )
    return op.Mul(others, _keepdims(op, node, ct))


def product_of_others(
    op: Emitter, x: ir.Value, product: Callable[[ir.Value], ir.Value], total: Callable[[ir.Value], ir.Value]
) -> ir.Value:
    """For each element of ``x`` the product of all others that it is multiplied with: of those that are not zero, where
    no other one is zero.

    product, total: all that an element is multiplied with, or added up with, itself included, in a form that broadcasts
    with ``x``.
    """
    is_zero = op.Equal(x, 0.0)
    factors = op.Where(is_zero, 1.0, x)
    factors.shape = x.shape
    zero = op.mask(is_zero, x)
    zeros = op.Sub(total(zero), zero)
    zeros.shape = x.shape
    return op.Mul(op.Div(product(factors), factors), op.Clip(op.Sub(1.0, zeros), 0.0, 1.0))


@rule("ReduceL1")
def reduce_l1(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    return op.Mul(op.sign(operand(node)), _keepdims(op, node, ct))


@rule("ReduceL2")
def reduce_l2(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    """x / |x|, and 0 at the origin."""
    norm = node.outputs[0]
    safe = op.Where(op.Greater(norm, 0.0), norm, 1.0)
    return op.Mul(operand(node), _keepdims(op, node, op.Div(ct, safe)))


@rule("ReduceSumSquare")
def reduce_sum_square(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    return op.Mul(op.Mul(_keepdims(op, node, ct), 2.0), operand(node))


@rule("ReduceLogSum")
def reduce_log_sum(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    return op.expand_like(_keepdims(op, node, op.Mul(ct, op.Exp(op.Neg(node.outputs[0])))), operand(node))


@rule("ReduceLogSumExp")
def reduce_log_sum_exp(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    shifted = op.Sub(operand(node), _keepdims(op, node, node.outputs[0]))
    return op.Mul(op.Exp(shifted), _keepdims(op, node, ct))


@rule("CumSum")
def cum_sum(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    reverse = 1 - integer(node, "reverse", 0)
    return op.CumSum(ct, operand(node, 1), exclusive=integer(node, "exclusive", 0), reverse=reverse)


@rule("LpNormalization")
def lp_normalization(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    """y = x / |x|_p along one axis: (ct - s sum(ct y)) / |x|, with s = y for p = 2 and sign x for p = 1.

    0 at the origin, where ONNX Runtime makes y zero.
    """
    x, y, axis = operand(node), node.outputs[0], integer(node, "axis", -1)
    one = integer(node, "p", 2) == 1
    axes = [normalize_axis(axis, len(dims(x)))]
    norm = op.ReduceL1(x, axes, keepdims=1) if one else op.ReduceL2(x, axes, keepdims=1)
    along = op.ReduceSum(op.Mul(ct, y), axes, keepdims=1)
    some = op.mask(op.Greater(norm, 0.0), norm)
    inverse = op.Div(some, op.Where(op.Greater(norm, 0.0), norm, 1.0))
    return op.Mul(op.Sub(ct, op.Mul(op.sign(x) if one else y, along)), inverse)
