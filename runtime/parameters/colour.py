"""Decorrelated colour: optimise along the axes in which natural colours vary, and let each vary as much as it does."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["AXES", "BASE", "along_axes", "from_axes", "to_axes"]

Array = np.ndarray[Any, Any]

# Square root of the colour covariance of ImageNet, columns: brightness, blue to yellow, green to magenta; and its
# mean, RGB in [0, 1]. Both as published with Olah, Mordvintsev & Schubert 2017, "Feature Visualization" (lucid).
_COVARIANCE_ROOT = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])
#: [3, 3], RGB by axis; the longest column has unit length.
AXES: Array = (_COVARIANCE_ROOT / np.linalg.norm(_COVARIANCE_ROOT, axis=0).max()).astype(np.float32)
_INVERSE: Array = np.linalg.inv(AXES.astype(np.float64)).astype(np.float32)
#: What the sigmoid makes that mean of: [3, 1, 1].
_MEAN = np.array([0.48, 0.46, 0.41])
BASE: Array = np.log(_MEAN / (1 - _MEAN)).astype(np.float32)[:, None, None]


def from_axes(values: Array) -> Array:
    """[N, 3, H, W] along the decorrelated axes -> the same shape along R, G, B; linear."""
    return _mixed(AXES, values)


def to_axes(cotangent: Array) -> Array:
    """The adjoint of :func:`from_axes`: a gradient along R, G, B -> one along the axes."""
    return _mixed(AXES.T, cotangent)


def along_axes(values: Array) -> Array:
    """The inverse of :func:`from_axes`: values along R, G, B -> the same colours along the axes."""
    return _mixed(_INVERSE, values)


def _mixed(matrix: Array, values: Array) -> Array:
    flat = values.reshape(values.shape[0], 3, -1)
    mixed: Array = np.matmul(matrix, flat)
    return mixed.reshape(values.shape)
