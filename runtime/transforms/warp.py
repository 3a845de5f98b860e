"""Affine views of an image by bilinear interpolation: one sparse matrix, and its transpose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Warp", "warp"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Warp:
    """A linear map from images of one size to images of another: each pixel a weighted sum of four.

    indices, weights: [4, height * width] of the view, into the flat pixels of the source and how much of each.
    source, size: (height, width) of what goes in and of what comes out.
    """

    indices: Array
    weights: Array
    source: tuple[int, int]
    size: tuple[int, int]

    def forward(self, image: Array) -> Array:
        """[N, C, *source] -> [N, C, *size]."""
        flat = image.reshape(-1, self.source[0] * self.source[1])
        view = flat[:, self.indices[0]] * self.weights[0]
        for index, weight in zip(self.indices[1:], self.weights[1:], strict=True):
            view += flat[:, index] * weight
        return np.ascontiguousarray(view).reshape(*image.shape[:2], *self.size)

    def adjoint(self, cotangent: Array) -> Array:
        """[N, C, *size] -> [N, C, *source]: a gradient along the view becomes one along the source."""
        pixels = self.source[0] * self.source[1]
        flat, places = cotangent.reshape(-1, self.indices.shape[1]), self.indices.ravel()
        planes = [np.bincount(places, (self.weights * plane).ravel(), pixels) for plane in flat]
        return np.stack(planes).astype(np.float32).reshape(*cotangent.shape[:2], *self.source)


def warp(
    source: tuple[int, int],
    size: tuple[int, int],
    *,
    shift: tuple[float, float] = (0.0, 0.0),
    scale: float = 1.0,
    degrees: float = 0.0,
    torus: bool = False,
) -> Warp:
    """The view of ``size`` (height, width) around the middle of an image of size ``source``.

    shift: (down, right), in pixels of the source, to where the middle of the view lies. scale: how many times larger
    things are in the view. degrees: how far they are turned clockwise in it. Beyond its edges the image is continued
    by reflection, so that no edge shows; by itself on a ``torus``.
    """
    height, width = size
    down = (np.arange(height, dtype=np.float32) - (height - 1) / 2)[:, None] / scale
    right = (np.arange(width, dtype=np.float32) - (width - 1) / 2)[None] / scale
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    rows = cosine * down - sine * right + np.float32(shift[0] + (source[0] - 1) / 2)
    columns = sine * down + cosine * right + np.float32(shift[1] + (source[1] - 1) / 2)
    top, left = np.floor(rows), np.floor(columns)
    below, beside = rows - top, columns - left
    beyond = np.mod if torus else _reflected
    indices, weights = [], []
    for step_down, share_down in ((0, 1 - below), (1, below)):
        for step_right, share_right in ((0, 1 - beside), (1, beside)):
            row = beyond(top.astype(np.int64) + step_down, source[0])
            column = beyond(left.astype(np.int64) + step_right, source[1])
            indices.append((row * source[1] + column).ravel())
            weights.append((share_down * share_right).ravel())
    return Warp(np.stack(indices), np.stack(weights).astype(np.float32), source, size)


def _reflected(index: Array, length: int) -> Array:
    """Indices continued by reflection about the first and the last element, as often as it takes."""
    if length == 1:
        return np.zeros_like(index)
    period = 2 * (length - 1)
    folded = np.abs(index) % period
    result: Array = np.minimum(folded, period - folded)
    return result
