"""CIE L*a*b*, in which a step of one size is a difference of about one size to the eye."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pixelgrad.runtime.images.arrays import Floats

__all__ = ["lab_from_srgb", "srgb_from_lab"]

# IEC 61966-2-1: linear sRGB to CIE XYZ, over the white point D65, so that white is (1, 1, 1).
_RED, _GREEN, _BLUE = (0.41246, 0.21267, 0.01933), (0.35758, 0.71515, 0.11919), (0.18044, 0.07218, 0.95030)
_XYZ = np.array([_RED, _GREEN, _BLUE]).T
_TO_XYZ = _XYZ / _XYZ.sum(axis=1, keepdims=True)
_FROM_XYZ = np.linalg.inv(_TO_XYZ)
_EDGE = 6 / 29


def lab_from_srgb(pixels: npt.NDArray[Any]) -> Floats:
    """[H, W, 3] sRGB in [0, 1] as L* in [0, 100], a* and b* within about [-110, 110] (CIE 15, D65)."""
    values = np.asarray(pixels, np.float64)
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _TO_XYZ.T
    f = np.where(xyz > _EDGE**3, np.cbrt(xyz), xyz / (3 * _EDGE**2) + 4 / 29)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1).astype(np.float32)


def srgb_from_lab(lab: npt.NDArray[Any]) -> Floats:
    """The inverse; colours that sRGB does not have are clipped to [0, 1], channel by channel."""
    lightness, a, b = np.moveaxis(np.asarray(lab, np.float64), -1, 0)
    y = (lightness + 16) / 116
    f = np.stack([y + a / 500, y, y - b / 200], axis=-1)
    xyz = np.where(f > _EDGE, f**3, 3 * _EDGE**2 * (f - 4 / 29))
    linear = np.clip(xyz @ _FROM_XYZ.T, 0, 1)
    values = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    result: Floats = np.clip(values, 0, 1).astype(np.float32)
    return result
