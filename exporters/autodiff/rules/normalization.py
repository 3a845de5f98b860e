"""Normalisation layers, at inference."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from pixelgrad.exporters.autodiff.emitter import Emitter
from pixelgrad.exporters.autodiff.registry import rule
from pixelgrad.exporters.opset18.attributes import integer, number, operand, optional
from pixelgrad.exporters.opset18.shapes import dims, normalize_axis, rank

Cotangents = Sequence[ir.Value | None]
# A band of ones is a matrix of this many channels squared at most: 4 MB.
_WIDEST_BAND = 1024


def _per_channel(op: Emitter, vector: ir.Value, ndim: int) -> ir.Value:
    return op.Unsqueeze(vector, list(range(1, ndim - 1))) if ndim > 2 else vector


@rule("BatchNormalization")
def batch_normalization(op: Emitter, node: ir.Node, ct: ir.Value) -> Cotangents:
    """scale (x - mean) / sqrt(var + epsilon) + bias, with fixed statistics: one factor per channel."""
    x, scale, bias, mean, variance = (operand(node, index) for index in range(5))
    ndim = rank(x)
    around = [axis for axis in range(ndim) if axis != 1]
    deviation = op.Sqrt(op.Add(variance, number(node, "epsilon", 1e-5)))
    factor = op.Div(scale, deviation)
    to_scale = to_variance = total = None
    if op.needs(bias) or op.needs(mean):
        total = op.ReduceSum(ct, around, keepdims=0)
    if op.needs(scale) or op.needs(variance):
        centred = op.ReduceSum(op.Mul(ct, op.Sub(x, _per_channel(op, mean, ndim))), around, keepdims=0)
        to_scale = op.Div(centred, deviation)
        to_variance = op.Mul(op.Div(op.Mul(to_scale, factor), deviation), -0.5)
    return (
        op.Mul(ct, _per_channel(op, factor, ndim)) if op.needs(x) else None,
        to_scale,
        total,
        op.Neg(op.Mul(total, factor)) if total is not None else None,
        to_variance,
    )


@rule("LRN")
def local_response_normalization(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    """y = x D^-beta with D = bias + alpha mean(x^2) over ``size`` neighbouring channels (Krizhevsky et al. 2012).

    ct D^-beta - 2 alpha beta x mean'(ct y / D), where mean' averages over the mirrored neighbourhood.
    """
    x, y = operand(node), node.outputs[0]
    size, alpha, beta = integer(node, "size", 1), number(node, "alpha", 1e-4), number(node, "beta", 0.75)
    denominator = response_denominator(op, node)
    scaled = response(op, ct, denominator, beta)
    before, behind = (size - 1) // 2, size // 2
    across = _neighbours(op, x, op.Div(op.Mul(ct, y), denominator), behind, before)
    return op.Sub(scaled, op.Mul(op.Mul(x, 2 * alpha * beta / size), across))


def response_denominator(op: Emitter, node: ir.Node) -> ir.Value:
    """D of an LRN node, in the shape of its input."""
    x, size = operand(node), integer(node, "size", 1)
    # Scaled before it is squared: x^2 may be too much for float16.
    scaled = op.Mul(x, math.sqrt(number(node, "alpha", 1e-4) / size))
    squares = _neighbours(op, x, op.Mul(scaled, scaled), (size - 1) // 2, size // 2)
    denominator = op.Add(squares, number(node, "bias", 1.0))
    denominator.shape = x.shape
    return denominator


def response(op: Emitter, value: ir.Value, denominator: ir.Value, beta: float) -> ir.Value:
    """``value`` times D^-beta."""
    if beta == 0.75:  # Pow takes several times as long as two square roots
        root = op.Sqrt(denominator)
        return op.Div(value, op.Mul(root, op.Sqrt(root)))
    return op.Mul(value, op.Pow(denominator, -beta))


def _neighbours(op: Emitter, x: ir.Value, value: ir.Value, before: int, behind: int) -> ir.Value:
    """Each channel's sum over ``before`` channels in front of it, itself, and ``behind`` after it; ``value`` as ``x``.

    As a convolution with a band of ones, which stays in the layout of the convolutions around it, against 35 ms for
    192 channels at 128 x 128 by pooling [N, 1, C, H W] along its third axis, the way where channels or rank are not
    known.
    """
    channels = dims(x)[1]
    if rank(x) == 4 and isinstance(channels, int) and channels <= _WIDEST_BAND:
        to, of = np.indices((channels, channels))
        band = (of >= to - before) & (of <= to + behind)
        summed = op.Conv(value, band[:, :, None, None].astype((x.dtype or ir.DataType.FLOAT).numpy()))
        summed.shape = x.shape
        return summed
    wide = op.Reshape(value, op.Concat(op.shape(x, end=1), op.value([1]), op.dim(x, 1), op.value([-1]), axis=0))
    size = before + 1 + behind
    pooled = op.AveragePool(wide, kernel_shape=[size, 1], pads=[before, 0, behind, 0], count_include_pad=1)
    return op.Mul(op.reshape_like(pooled, x), float(size))


@rule("InstanceNormalization")
def instance_normalization(op: Emitter, node: ir.Node, ct: ir.Value) -> Cotangents:
    """scale n + bias with n = (x - mean) / sqrt(var + epsilon) over space, per channel and image.

    In float32 where x is float16, which holds no square above 65504.
    """
    source = operand(node)
    x, scale, ct = op.single(source), op.single(operand(node, 1)), op.single(ct)
    ndim = rank(x)
    spatial, around = list(range(2, ndim)), [0, *range(2, ndim)]
    centred = op.Sub(x, op.ReduceMean(x, spatial, keepdims=1))
    variance = op.ReduceMean(op.Mul(centred, centred), spatial, keepdims=1)
    deviation = op.Sqrt(op.Add(variance, number(node, "epsilon", 1e-5)))
    normal = op.Div(centred, deviation)
    weighted = op.Mul(ct, _per_channel(op, scale, ndim))
    along = op.ReduceMean(op.Mul(weighted, normal), spatial, keepdims=1)
    to_x = op.Sub(op.Sub(weighted, op.ReduceMean(weighted, spatial, keepdims=1)), op.Mul(normal, along))
    return (
        op.narrowed(op.Div(to_x, deviation), source),
        op.narrowed(op.ReduceSum(op.Mul(ct, normal), around, keepdims=0), source),
        op.narrowed(op.ReduceSum(ct, around, keepdims=0), source),
    )


@rule("LayerNormalization")
def layer_normalization(op: Emitter, node: ir.Node, ct: ir.Value) -> Cotangents:
    """scale n + bias with n = (x - mean) / sqrt(var + epsilon) over the axes from ``axis`` on (Ba et al. 2016).

    Three passes more to work out n anew, so that forwards it stays one kernel; in float32 where x is float16, as the
    operator itself does by its stash_type.
    """
    source, bias = operand(node), optional(node, 2)
    x, scale, ct = op.single(source), op.single(operand(node, 1)), op.single(ct)
    ndim = rank(x)
    axis = normalize_axis(integer(node, "axis", -1), ndim)
    over = list(range(axis, ndim))
    centred = op.Sub(x, op.ReduceMean(x, over, keepdims=1))
    variance = op.ReduceMean(op.Mul(centred, centred), over, keepdims=1)
    deviation = op.Sqrt(op.Add(variance, number(node, "epsilon", 1e-5)))
    normal = op.Div(centred, deviation)
    weighted = op.Mul(ct, scale)
    weighted.shape = x.shape
    along = op.ReduceMean(op.Mul(weighted, normal), over, keepdims=1)
    to_x = op.Sub(op.Sub(weighted, op.ReduceMean(weighted, over, keepdims=1)), op.Mul(normal, along))
    return (
        op.narrowed(op.Div(to_x, deviation), source),
        op.narrowed(op.sum_to(op.Mul(ct, normal), dims(x), scale), source) if op.needs(operand(node, 1)) else None,
        op.narrowed(op.sum_to(ct, dims(x), bias), source) if bias is not None and op.needs(bias) else None,
    )
