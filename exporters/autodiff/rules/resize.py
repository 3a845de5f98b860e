"""Resize: linear along each axis, so its adjoint is a product with the transposed weights of that axis."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.autodiff.emitter import Emitter
from pixelgrad.exporters.autodiff.registry import rule
from pixelgrad.exporters.opset18.attributes import integers, operand, optional, text
from pixelgrad.exporters.opset18.shapes import constant, dims, normalize_axis, rank, same_dim, same_shape


@rule("Resize")
def resize(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    """Each axis's weights are what Resize makes of an identity matrix, whatever its modes are.

    Growing by whole numbers with nearest neighbours is pooling by sums, which is far cheaper.
    """
    x, roi, scales, sizes = operand(node), optional(node, 1), optional(node, 2), optional(node, 3)
    ndim, y = rank(x), node.outputs[0]
    if text(node, "keep_aspect_ratio_policy", "stretch") != "stretch":
        raise NetworkError(f"Resize at {y.name!r}: only keep_aspect_ratio_policy 'stretch' has a gradient rule")
    axes = [normalize_axis(axis, ndim) for axis in integers(node, "axes", range(ndim)) or []]
    factors = constant(scales)
    if factors is not None and factors.size:
        whole = _whole_factors(node, axes, factors, ndim)
        if whole is not None:
            area = float(np.prod(whole))
            return op.Mul(op.AveragePool(ct, kernel_shape=whole, strides=whole), area)
    for index, axis in enumerate(axes):
        is_kept = same_dim(dims(x)[axis], dims(y)[axis])
        if is_kept and (factors is None or not factors.size or factors[index] == 1 or same_shape(x, y)):
            continue
        weights = _weights(op, node, index, axis, len(axes), (roi, scales, sizes))
        ct = _apply_transposed(op, ct, weights, axis, ndim)
    ct.shape = x.shape
    return ct


def _whole_factors(node: ir.Node, axes: list[int], factors: np.ndarray[Any, Any], ndim: int) -> list[int] | None:
    by_axis = dict(zip(axes, (float(f) for f in factors), strict=True))
    spatial = [by_axis.get(axis, 1.0) for axis in range(2, ndim)]
    mode, rounding = text(node, "mode", "nearest"), text(node, "nearest_mode", "round_prefer_floor")
    coordinates = text(node, "coordinate_transformation_mode", "half_pixel")
    replicates = mode == "nearest" and (coordinates, rounding) in {
        ("asymmetric", "floor"),
        ("half_pixel", "round_prefer_floor"),
        ("half_pixel", "round_prefer_ceil"),
        ("pytorch_half_pixel", "round_prefer_floor"),
    }
    outer = [by_axis.get(axis, 1.0) for axis in (0, 1)]
    if not replicates or ndim != 4 or outer != [1, 1] or any(f < 1 or f != int(f) for f in spatial):
        return None
    return [int(f) for f in spatial]


def _weights(
    op: Emitter, node: ir.Node, index: int, axis: int, count: int, inputs: tuple[ir.Value | None, ...]
) -> ir.Value:
    """The matrix [output size, input size] of one axis."""
    x, y = operand(node), node.outputs[0]
    roi, scales, sizes = inputs
    n = op.dim(x, axis)
    identity = _identity(op, n, n, x)
    attributes = {k: v for k, v in node.attributes.items() if k not in {"axes", "extrapolation_value"}}
    region = None
    if text(node, "coordinate_transformation_mode", "") == "tf_crop_and_resize" and roi is not None:
        begin, end = (op.Slice(roi, [at], [at + 1]) for at in (index, index + count))
        region = op.Concat(begin, op.const(np.zeros(1, np.float32)), end, op.const(np.ones(1, np.float32)), axis=0)
    factor = size = None
    given = constant(scales)
    if scales is not None and (given is None or given.size):
        own, one_more = op.Slice(scales, [index], [index + 1]), op.const(np.ones(1, np.float32))
        is_kept = same_dim(dims(x)[axis], dims(y)[axis])
        may_be_kept = given is not None and 1 < given[index] < 2 and isinstance(dims(x)[axis], ir.SymbolicDim)
        if region is None and given is not None and (is_kept or may_be_kept):
            # ONNX Runtime copies what keeps its shape, whatever the factor; so another axis grows, of one element.
            growing = op.Concat(one_more, one_more, own, op.const(np.full(1, 2, np.float32)), axis=0)
            apart = op.emit("Resize", [op.Unsqueeze(identity, [0, 3]), None, growing], dict(attributes))[0]
            grown = op.Transpose(op.Squeeze(op.Slice(apart, [0], [1], [3]), [0, 3]), perm=[1, 0])
            if is_kept:
                return grown
            # So it does with the whole of a map of few pixels: three times 1.3 is three.
            same = op.ReduceMin(op.Cast(op.Equal(op.shape(x), op.shape(y)), to=int(ir.DataType.INT64)), keepdims=0)
            return op.Where(op.Equal(same, 1), _identity(op, op.dim(y, axis), n, x), grown)
        factor = op.Concat(own, one_more, axis=0)
    else:
        size = op.Concat(op.Slice(sizes, [index], [index + 1]), n, axis=0)
    return op.emit("Resize", [identity, region, factor, size], dict(attributes))[0]


def _identity(op: Emitter, rows: ir.Value, columns: ir.Value, like: ir.Value) -> ir.Value:
    """Ones where the row is the column, of the type of ``like``."""
    zero, one = np.asarray(0, dtype=np.int64), np.asarray(1, dtype=np.int64)
    row, column = (op.Range(zero, op.Squeeze(count, [0]), one) for count in (rows, columns))
    return op.mask(op.Equal(op.Unsqueeze(row, [1]), op.Unsqueeze(column, [0])), like)


def _apply_transposed(op: Emitter, ct: ir.Value, weights: ir.Value, axis: int, ndim: int) -> ir.Value:
    if axis == ndim - 1:
        return op.MatMul(ct, weights)
    if axis == ndim - 2:
        return op.MatMul(op.Transpose(weights, perm=[1, 0]), ct)
    swap = list(range(ndim))
    swap[axis], swap[-1] = swap[-1], swap[axis]
    return op.Transpose(op.MatMul(op.Transpose(ct, perm=swap), weights), perm=swap)
