"""Arrays of samples in any of the usual layouts, as float32 in [0, 1] and back to 8 bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pixelgrad.errors import ImageError

__all__ = ["Floats", "eight_bit", "float_samples", "read_only", "split_channels", "within_unit_range"]

Floats = npt.NDArray[np.float32]

# Half of one 8-bit step: what rounding and resampling leave behind, and nothing that an eye can see.
_TOLERANCE = 1 / 510


def within_unit_range(values: npt.NDArray[Any], what: str) -> Floats:
    """``values`` (any shape, any real dtype) as float32 in [0, 1].

    Values outside by at most half an 8-bit step (1/510) are clipped. ``ImageError`` where ``values`` are
    empty, hold NaN or infinity, or lie further outside; ``what`` names them in its message.
    """
    if values.size == 0:
        raise ImageError(f"{what} is empty (shape {_shape(values)}); a picture has at least 1 x 1 pixels")
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ImageError(f"{what} holds NaN or infinite values; every value must be a number in [0, 1]")
    if low < -_TOLERANCE or high > 1 + _TOLERANCE:
        raise ImageError(
            f"{what} holds values from {low:g} to {high:g}, but floating-point samples must lie in [0, 1]; "
            "divide by the largest possible value (255 for 8-bit data) or clip them first"
        )
    result = values.astype(np.float32, copy=False)
    return np.clip(result, 0, 1) if low < 0 or high > 1 else result


def float_samples(array: npt.NDArray[Any], what: str) -> Floats:
    """Samples as float32 in [0, 1]: uint8 / 255, uint16 / 65535, bool as 0 and 1, floating point as it is.

    ``ImageError`` for any other dtype, and as ``within_unit_range`` says.
    """
    if array.dtype == np.bool_:
        return array.astype(np.float32)
    if array.dtype.newbyteorder("=") in (np.uint8, np.uint16):  # a file's byte order is as good as ours
        result: Floats = np.divide(array, np.float32(np.iinfo(array.dtype).max), dtype=np.float32)
        return result
    if np.issubdtype(array.dtype, np.floating):
        return within_unit_range(array, what)
    raise ImageError(f"{what} has dtype {array.dtype}; allowed are uint8, uint16, bool and floating point in [0, 1]")


def split_channels(array: npt.NDArray[Any], what: str = "the array") -> tuple[Floats, Floats | None]:
    """``array`` [H, W], [H, W, 1], [H, W, 3] or [H, W, 4] as pixels [H, W, 3] and alpha [H, W] or ``None``.

    ``ImageError`` for other shapes, for a height or width of 0, and as ``float_samples`` says.
    """
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        hint = ""
        if array.ndim == 4:
            hint = "; for [1, 3, H, W] use Picture.from_nchw"
        elif array.ndim == 3 and array.shape[0] in (1, 3, 4):
            hint = "; this one looks like [C, H, W]: use array.transpose(1, 2, 0)"
        raise ImageError(
            f"{what} has shape {_shape(array)}; allowed are [H, W], [H, W, 1], [H, W, 3] and [H, W, 4]{hint}"
        )
    if 0 in array.shape:
        raise ImageError(f"{what} is empty (shape {_shape(array)}); a picture has at least 1 x 1 pixels")
    samples = float_samples(array, what)
    if samples.ndim == 2 or samples.shape[2] == 1:
        return np.repeat(samples.reshape(*samples.shape[:2], 1), 3, axis=2), None
    if samples.shape[2] == 4:
        return samples[..., :3], samples[..., 3]
    return samples, None


def read_only(array: Floats) -> Floats:
    """``array``, or a copy of it, as a C-contiguous array that nobody can write to.

    No copy is made of an array that is read-only already and owns its memory.
    """
    if array.flags.writeable or array.base is not None or not array.flags.c_contiguous:
        array = np.array(array, order="C")
    array.flags.writeable = False
    return array


def eight_bit(values: Floats) -> npt.NDArray[np.uint8]:
    """``values`` in [0, 1] as uint8 of the same shape, rounded half up: floor(255 v + 1/2)."""
    scaled = values * np.float32(255)
    scaled += np.float32(0.5)
    return scaled.astype(np.uint8)


def _shape(array: npt.NDArray[Any]) -> str:
    return "[" + ", ".join(map(str, array.shape)) + "]"
