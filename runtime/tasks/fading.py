"""Where a picture shows something: the mask of MACO, from how much each pixel mattered."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["fade"]

Array = np.ndarray[Any, Any]

# The mask is soft over this share of the picture's edge; it is clear and solid below and above these percentiles.
_SOFTNESS = 0.02
_CLEAR, _SOLID = 10, 80


def fade(importance: Array) -> Array:
    """An alpha channel in [0, 1] from the accumulated magnitude of the gradient, both [H, W].

    Fel et al. 2023, section 3.2, "Transparency for free": what never had a gradient is nothing that the unit asked for.
    """
    smooth = _smoothed(importance.astype(np.float64))
    clear, solid = np.percentile(smooth, (_CLEAR, _SOLID))
    if not solid > clear:
        return np.ones(importance.shape, np.float32)
    alpha: Array = np.clip((smooth - clear) / (solid - clear), 0, 1).astype(np.float32)
    return alpha


def _smoothed(values: Array) -> Array:
    """By a Gaussian, by way of the spectrum; the picture is continued by reflection."""
    height, width = values.shape
    mirrored = np.block([[values, values[:, ::-1]], [values[::-1], values[::-1, ::-1]]])
    sigma = _SOFTNESS * max(height, width)
    f = np.hypot(np.fft.fftfreq(2 * height)[:, None], np.fft.rfftfreq(2 * width)[None])
    smooth = np.fft.irfft2(np.fft.rfft2(mirrored) * np.exp(-2 * (np.pi * sigma * f) ** 2), s=mirrored.shape)
    result: Array = smooth[:height, :width]
    return result
