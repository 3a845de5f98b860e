"""Image files as a network wants them: upright sRGB, the middle square (or rectangle), 8 bits, and fast."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from pixelgrad.errors import ImageError
from pixelgrad.runtime.images import read_image
from pixelgrad.runtime.images.opening import open_image

__all__ = ["load_pixels", "to_batch"]

Array = np.ndarray[Any, Any]

# Scaled down by the decoder itself, a JPEG keeps at least this many times the pixels wanted along an edge.
_MARGIN = 2


def load_pixels(path: str | Path, size: tuple[int, int]) -> Array:
    """The middle of an image file, as large as it can be, at ``size`` (width, height): uint8 [H, W, 3], sRGB.

    Transparency is laid over white. Raises :class:`ImageError` for what :func:`read_image` cannot read.
    """
    name = str(path)
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ImageError(f"{name}: cannot be read ({error.strerror or error})") from None
    with open_image(data, name) as image:
        if _is_plain(image):
            try:
                image.draft("RGB", _draft_size(image.size, size))
                orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
                image.load()
            except Exception as error:  # decoders fail in every way there is
                raise ImageError(f"{name}: the image is cut short or damaged ({error})") from None
            plain = image if orientation == 1 else _upright(image, orientation)
            return np.asarray(_fitted(plain, size))
    return np.asarray(_fitted(read_image(data, name=name).flattened().to_pil(), size))


def to_batch(pixels: Sequence[Array]) -> Array:
    """uint8 [H, W, 3] each -> float32 [N, 3, H, W] in [0, 1]."""
    batch = np.empty((len(pixels), 3, *pixels[0].shape[:2]), np.float32)
    for target, source in zip(batch, pixels, strict=True):
        np.multiply(source.transpose(2, 0, 1), np.float32(1 / 255), out=target)
    return batch


def _is_plain(image: Image.Image) -> bool:
    """8-bit RGB that needs no colour management: nearly all photographs."""
    return (
        image.mode == "RGB"
        and image.format in {"JPEG", "MPO", "PNG", "BMP", "WEBP", "PPM"}
        and not image.info.get("icc_profile")
        and "transparency" not in image.info
        and not any("16" in str(tile[3]) for tile in getattr(image, "tile", ()))  # bits, which Pillow would cut to 8
    )


def _draft_size(actual: tuple[int, int], wanted: tuple[int, int]) -> tuple[int, int]:
    """A size to decode at, whichever way the image is turned."""
    edge = _MARGIN * max(wanted)
    short = min(actual)
    return (actual[0] * edge // short, actual[1] * edge // short) if short > edge else actual


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _upright(image: Image.Image, orientation: object) -> Image.Image:
    turn = _TURNS.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)


def _fitted(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The largest middle part of the wanted proportions, resampled to ``size``."""
    width, height = image.size
    if (width, height) == size:
        return image
    scale = min(width / size[0], height / size[1])
    across, down = size[0] * scale, size[1] * scale
    left, top = max(0.0, (width - across) / 2), max(0.0, (height - down) / 2)
    box = (left, top, min(left + across, width), min(top + down, height))
    return image.resize(size, Image.Resampling.BICUBIC, box=box)
