"""Sizes from a long edge, and resampling of float32 arrays without a detour through 8 bits."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

from pixelgrad.errors import SettingsError
from pixelgrad.runtime.images.arrays import Floats

__all__ = ["Filter", "Resize", "fit_size", "resize"]

Filter = Literal["lanczos", "bicubic", "bilinear"]
#: Makes an image [1, C, H, W] of another, of a (width, height).
Resize = Callable[[npt.NDArray[Any], tuple[int, int], Filter], npt.NDArray[Any]]

_RESAMPLING: dict[str, Image.Resampling] = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
}
assert set(_RESAMPLING) == set(get_args(Filter))
_REACH = 8


def fit_size(width: int, height: int, long_edge: int) -> tuple[int, int]:
    """(width, height) in pixels with the longer one equal to ``long_edge`` and the aspect ratio kept.

    The shorter edge is rounded to the nearest whole pixel (halves up), and is at least 1. Enlarges as well as
    shrinks. ``SettingsError`` unless all three are whole numbers of at least 1.
    """
    width, height = _edge(width, "width"), _edge(height, "height")
    long_edge = _edge(long_edge, "long edge")
    longest = max(width, height)

    def scaled(edge: int) -> int:
        # In whole numbers: a float product can land on the wrong side of one half.
        return max(1, (2 * edge * long_edge + longest) // (2 * longest))

    return scaled(width), scaled(height)


def resize(
    array: npt.NDArray[Any],
    size: tuple[int, int],
    filter: Filter = "lanczos",
    *,
    clip: bool = False,
    wraps: bool = False,
) -> Floats:
    """Resample ``array`` to ``size`` = (width, height), antialiased when shrinking; returns a new array.

    ``array``: floating point [H, W], [H, W, C] or [1, C, H, W], any range; the result is float32 in the same
    layout. Lanczos and bicubic overshoot at edges by some percent: ``clip=True`` cuts the result to [0, 1].
    ``wraps``: what is at one edge goes on at the other.
    ``SettingsError`` for another layout or dtype, a size below 1 x 1 or an unknown filter.
    """
    width, height = _edge(size[0], "width"), _edge(size[1], "height")
    if filter not in _RESAMPLING:
        raise SettingsError(f"unknown filter {filter!r}; allowed are {', '.join(_RESAMPLING)}")
    if not np.issubdtype(array.dtype, np.floating):
        raise SettingsError(f"resize takes floating point, not {array.dtype}; divide by 255 or 65535 first")
    if array.size == 0:
        raise SettingsError(f"cannot resize an empty array of shape {list(array.shape)}")
    if array.ndim == 2:
        result = _plane(array, (width, height), filter, wraps)
    elif array.ndim == 3:
        result = np.empty((height, width, array.shape[2]), np.float32)
        for channel in range(array.shape[2]):
            result[..., channel] = _plane(array[..., channel], (width, height), filter, wraps)
    elif array.ndim == 4 and array.shape[0] == 1:
        result = np.empty((1, array.shape[1], height, width), np.float32)
        for channel in range(array.shape[1]):
            result[0, channel] = _plane(array[0, channel], (width, height), filter, wraps)
    else:
        raise SettingsError(
            f"resize takes [H, W], [H, W, C] or [1, C, H, W], not an array of shape {list(array.shape)}"
        )
    return np.clip(result, 0, 1, out=result) if clip else result


def _plane(plane: npt.NDArray[Any], size: tuple[int, int], filter: str, wraps: bool) -> Floats:
    height, width = plane.shape
    around = [0, 0]
    if wraps:  # as far as the filters reach, where they shrink by no more than half
        around = [min(_REACH, height), min(_REACH, width)]
        plane = np.pad(plane, [(pixels, pixels) for pixels in around], mode="wrap")
    # Mode F keeps float32 through Pillow, whose resampling adds up in double precision.
    image = Image.fromarray(np.ascontiguousarray(plane, np.float32))
    top, left = around
    return np.array(image.resize(size, _RESAMPLING[filter], (left, top, left + width, top + height)))


def _edge(value: object, what: str) -> int:
    try:
        edge = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        edge = 0
    if edge < 1 or isinstance(value, bool):
        raise SettingsError(f"{what} is {value!r}; a size is a whole number of pixels, at least 1")
    return edge
