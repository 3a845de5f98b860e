"""All 16 bits of PNG and TIFF colour samples, which Pillow by itself cuts down to 8.

Pillow holds colour in 8-bit channels, and reads 16-bit RGB and RGBA by keeping the high byte of each sample
(up to Pillow 13 at least; 16-bit *grey* it reads whole). Which byte it keeps follows from the byte order in
the raw mode of each tile, both parts of Pillow's documented decoder interface. So the file is decoded
twice, once as it stands and once with the other byte order, which gives the low bytes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from pixelgrad.errors import ImageError

__all__ = ["sixteen_bit_samples"]

# Raw modes without premultiplied alpha: dividing by alpha does not work byte by byte.
_COLOURS = {"RGB": 3, "RGBX": 3, "RGBA": 4}
_SWAPPED = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}

_BITS_PER_SAMPLE, _PLANAR_CONFIGURATION = 258, 284


def sixteen_bit_samples(
    image: Image.Image, reopen: Callable[[], Image.Image], name: str
) -> npt.NDArray[np.uint16] | None:
    """uint16 [H, W, C] for a 16-bit colour PNG or TIFF that is open but not loaded, ``None`` for all others.

    C is 2 (grey, alpha), 3 (RGB) or 4 (RGBA). ``reopen`` opens the same file once more. ``ImageError`` for
    the one layout that Pillow decodes to nonsense, uncompressed TIFF with each channel in its own plane.
    """
    tiles: list[Any] = list(getattr(image, "tile", ()))
    if image.format not in ("PNG", "TIFF") or not tiles:
        return None
    if image.format == "TIFF" and _in_planes(image):
        if tiles[0][0] != "libtiff":
            raise ImageError(
                f"{name}: a 16-bit TIFF with one uncompressed plane per channel, which Pillow cannot decode; "
                "save it with interleaved channels (planar configuration 1), with compression, or as PNG"
            )
        return None
    raw_mode = _raw_mode(tiles[0])
    if raw_mode == "LA;16B":
        # Four bytes a pixel, as RGBA has: grey high, grey low, alpha high, alpha low.
        return _bytes_as(reopen(), lambda _: "RGBA").view(">u2").astype(np.uint16)
    channels, _, order = raw_mode.partition(";16")
    if channels not in _COLOURS or order not in _SWAPPED:
        return None
    low = _bytes_as(reopen(), lambda mode: mode[:-1] + _SWAPPED[mode[-1]])
    image.load()
    high = np.asarray(image).astype(np.uint16)
    high <<= 8
    high |= low
    return high[..., : _COLOURS[channels]]


def _in_planes(image: Any) -> bool:
    tags = image.tag_v2
    bits = tags.get(_BITS_PER_SAMPLE, (1,))
    return bool(tags.get(_PLANAR_CONFIGURATION) == 2 and len(bits) > 1 and max(bits) > 8)


def _raw_mode(tile: Any) -> str:
    arguments = tile[3]
    return str(arguments if isinstance(arguments, str) else arguments[0])


def _bytes_as(image: Any, change: Callable[[str], str]) -> npt.NDArray[np.uint8]:
    """The bytes of ``image`` [H, W, bands], decoded with the raw mode of each tile changed."""
    image.tile = [_with_raw_mode(tile, change(_raw_mode(tile))) for tile in image.tile]
    image.load()
    return np.asarray(image)


def _with_raw_mode(tile: Any, raw_mode: str) -> Any:
    arguments = raw_mode if isinstance(tile[3], str) else (raw_mode, *tile[3][1:])
    changed = (*tile[:3], arguments)
    # A named tuple since Pillow 11.1, a plain one before.
    return tile._make(changed) if hasattr(tile, "_make") else changed
