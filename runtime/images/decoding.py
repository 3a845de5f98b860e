"""An open Pillow image of any mode to upright RGB in sRGB, and alpha, as float32 in [0, 1]."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from pixelgrad.errors import ImageError
from pixelgrad.runtime.images.arrays import Floats, eight_bit, float_samples, read_only, within_unit_range
from pixelgrad.runtime.images.colour import conversion_to_srgb
from pixelgrad.runtime.images.opening import without_warnings
from pixelgrad.runtime.images.recipes import Recipe, recipe_in
from pixelgrad.runtime.images.sixteen_bit import sixteen_bit_samples

__all__ = ["Decoded", "decode_image"]

_BITS_PER_SAMPLE, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0


@dataclass(frozen=True)
class Decoded:
    """pixels float32 [H, W, 3] and alpha float32 [H, W] or ``None``, read-only, in [0, 1]; the recipe in the
    file; warnings: what was left out on the way, in words.
    """

    pixels: Floats
    alpha: Floats | None
    recipe: Recipe | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Samples:
    """Samples before colour management: an 8-bit image of mode L, RGB, CMYK or LAB, or values in [0, 1] with
    more bits ([H, W] or [H, W, 3]), and alpha [H, W].
    """

    eight: Image.Image | None
    fine: Floats | None
    alpha: Floats | None

    @property
    def mode(self) -> str:
        if self.fine is not None:
            return "L" if self.fine.ndim == 2 else "RGB"
        assert self.eight is not None
        return self.eight.mode


def decode_image(image: Image.Image, name: str, reopen: Callable[[], Image.Image] | None = None) -> Decoded:
    """Decode the first frame or page of ``image``, which may be loaded already or not.

    In this order: samples of any mode to [0, 1], ICC profile to sRGB, EXIF orientation. ``reopen`` opens the
    same file again, which 16-bit colour needs. ``ImageError``, with ``name`` in its message, for everything
    that goes wrong.
    """
    if 0 in image.size:
        raise ImageError(f"{name}: has no pixels ({image.width} x {image.height}); at least 1 x 1 is needed")
    try:
        with without_warnings():
            return _decode(image, name, reopen)
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name}: too large ({error}); scale it down in an image editor first") from None
    except MemoryError:
        raise ImageError(
            f"{name}: {image.width} x {image.height} pixels do not fit into memory; scale it down first"
        ) from None
    except Exception as error:
        # Pillow's decoders fail in every way there is; whatever it was, the pixels are not to be had.
        what = f"{image.format or image.mode}, {image.width} x {image.height}"
        raise ImageError(
            f"{name}: the image ({what}) is cut short or damaged ({error}); "
            "copy or download it again, or open it in an image editor and save it anew"
        ) from None


def _decode(image: Image.Image, name: str, reopen: Callable[[], Image.Image] | None) -> Decoded:
    deep = sixteen_bit_samples(image, reopen, name) if reopen is not None else None
    image.load()
    samples = _samples(image, deep, name)
    conversion = conversion_to_srgb(image.info.get("icc_profile"), samples.mode)
    if samples.fine is not None and conversion.transform is None:
        pixels = samples.fine
    else:
        eight = samples.eight if samples.fine is None else Image.fromarray(eight_bit(samples.fine))
        assert eight is not None
        pixels = float_samples(np.asarray(conversion.apply(eight)), name)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    warnings = [] if conversion.note is None else [f"{name}: {conversion.note}"]
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception as error:
        warnings.append(f"{name}: its EXIF data is damaged ({error}); took the picture for upright")
        orientation = 1
    alpha = samples.alpha
    return Decoded(
        _settled(pixels, orientation),
        None if alpha is None else _settled(alpha, orientation),
        recipe_in(image),
        tuple(warnings),
    )


def _samples(image: Image.Image, deep: Any, name: str) -> _Samples:
    if deep is not None:
        return _deep_samples(deep, image.info.get("transparency"), name)
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _grey_samples(image, name)
    if image.has_transparency_data and image.mode not in ("LA", "RGBA"):
        image = image.convert("LA" if image.mode in ("1", "L", "La") else "RGBA")
    alpha = None
    if image.mode in ("LA", "RGBA"):
        alpha = float_samples(np.asarray(image.getchannel("A")), name)
        image = image.convert(image.mode[:-1])
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode not in ("L", "RGB", "CMYK", "LAB"):
        image = image.convert("RGB")
    return _Samples(image, None, alpha)


def _deep_samples(deep: Any, transparent: object, name: str) -> _Samples:
    """uint16 [H, W, 2 (grey, alpha), 3 or 4]; ``transparent`` is the colour that PNG's tRNS chunk names."""
    colour = deep[..., 0] if deep.shape[2] == 2 else deep[..., :3]
    alpha = None
    if deep.shape[2] in (2, 4):
        alpha = float_samples(deep[..., -1], name)
    elif isinstance(transparent, tuple):
        alpha = (colour != np.array(transparent)).any(axis=2).astype(np.float32)
    return _Samples(None, float_samples(colour, name), alpha)


def _grey_samples(image: Any, name: str) -> _Samples:
    """16-bit (12-bit), 32-bit integer and floating-point grey, none of which Pillow scales."""
    array = np.asarray(image)
    tags = getattr(image, "tag_v2", {})
    transparent = image.info.get("transparency")
    alpha = (array != transparent).astype(np.float32) if isinstance(transparent, int) else None
    if image.mode == "F":
        values = within_unit_range(array, name)
    else:
        low, high = int(array.min()), int(array.max())
        highest = 4095 if tags.get(_BITS_PER_SAMPLE) == (12,) else 65535
        # Pillow's own conversion of 8-bit samples to integers, and back, leaves them 0 to 255; a file's have 16 bits,
        # however dark it is.
        if image.mode == "I" and image.format is None and low >= 0 and high <= 255:
            highest = 255
        if low < 0 or high > highest:
            raise ImageError(
                f"{name}: integer grey samples from {low} to {high}, but only 0 to {highest} can be read; "
                "convert the picture to 16 bits first"
            )
        values = np.divide(array, np.float32(highest), dtype=np.float32)
    if image.format == "TIFF" and tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        values = 1 - values  # Pillow inverts 8-bit samples only
    return _Samples(None, values, alpha)


def _settled(array: Floats, orientation: object) -> Floats:
    array.flags.writeable = False  # made here, so nobody else writes to it and read_only need not copy
    return read_only(_upright(array, orientation))


def _upright(array: Floats, orientation: object) -> Floats:
    """``array`` [H, W, ...] turned as EXIF orientation 2 to 8 says; any other value means upright."""
    match orientation:
        case 2:
            return array[:, ::-1]
        case 3:
            return array[::-1, ::-1]
        case 4:
            return array[::-1]
        case 5:
            return array.swapaxes(0, 1)
        case 6:
            return np.rot90(array, -1)
        case 7:
            return np.rot90(array, 2).swapaxes(0, 1)
        case 8:
            return np.rot90(array)
        case _:
            return array
