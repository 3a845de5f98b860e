"""Giving one picture the colour histogram of another."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pixelgrad.runtime.images.arrays import Floats

__all__ = ["match_histogram"]


def match_histogram(
    pixels: npt.NDArray[Any], reference: npt.NDArray[Any], weights: npt.NDArray[Any] | None = None
) -> Floats:
    """``pixels`` with each channel mapped so that its histogram is that of ``reference``.

    Both are [H, W, C], of any size and range, with the same number of channels. The map of a channel never decreases
    and treats equal values equally: value v, of which a share q of the pixels is below, becomes the value of which a
    share q of the reference is below. weights: how much each pixel of the reference counts, [H, W]. float32.
    """
    counted = np.ones(reference.shape[:2]) if weights is None else weights
    result = np.empty(pixels.shape, np.float32)
    for channel in range(pixels.shape[2]):
        _, places, counts = np.unique(pixels[..., channel], return_inverse=True, return_counts=True)
        below = (np.cumsum(counts) - counts / 2) / places.size
        order = np.argsort(reference[..., channel], axis=None)
        wanted, heavy = reference[..., channel].ravel()[order], counted.ravel()[order]
        positions = (np.cumsum(heavy) - heavy / 2) / heavy.sum()
        mapped = np.interp(below, positions, wanted)
        result[..., channel] = mapped[places.reshape(pixels.shape[:2])]
    return result
