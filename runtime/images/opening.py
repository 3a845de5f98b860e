"""Bytes to an open image: which formats are read, how large a picture may be, what is wrong with the rest."""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, UnidentifiedImageError

from pixelgrad.errors import ImageError

__all__ = ["MAX_PIXELS", "open_image", "without_warnings"]

# Twice Pillow's own default, where it stops too; an image of this size takes 2 GB as float32 RGB.
MAX_PIXELS = 178_956_970

# Not all that Pillow knows: EPS would start Ghostscript, and formats without a signature claim any bytes.
_FORMATS = (
    "PNG",
    "JPEG",
    "MPO",
    "WEBP",
    "TIFF",
    "GIF",
    "BMP",
    "AVIF",
    "JPEG2000",
    "PPM",
    "QOI",
    "ICO",
    "PSD",
)

_READABLE = "PNG, JPEG, WebP, TIFF, GIF, BMP, AVIF, JPEG 2000, PPM"

_SIGNATURES = (
    (0, b"\x89PNG", "PNG"),
    (0, b"\xff\xd8\xff", "JPEG"),
    (8, b"WEBP", "WebP"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"GIF8", "GIF"),
    (0, b"BM", "BMP"),
    (4, b"ftypavif", "AVIF"),
)
_FOREIGN = (
    (4, b"ftyphei", "a HEIC photo"),
    (4, b"ftypmif1", "a HEIF photo"),
    (0, b"%PDF", "a PDF document"),
    (0, b"%!PS", "a PostScript file"),
    (0, b"<svg", "an SVG drawing"),
    (0, b"<?xml", "an XML file (SVG?)"),
    (0, b"<!DOCTYPE", "a web page, not the picture on it"),
    (0, b"<html", "a web page, not the picture on it"),
    (0, b"PK\x03\x04", "a ZIP archive"),
)

# catch_warnings swaps state of the whole interpreter (up to Python 3.13), so our threads take turns.
_WARNINGS = threading.RLock()


@contextmanager
def without_warnings() -> Iterator[None]:
    """Keep Pillow's warnings back: they concern metadata that is not used here, and sizes checked here."""
    with _WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def open_image(data: bytes, name: str) -> Image.Image:
    """Open ``data`` without decoding its pixels; ``ImageError`` where it is no image or too large a one."""
    if not data:
        raise ImageError(f"{name}: empty (0 bytes); choose a file that holds a picture: {_READABLE}")
    Image.init()
    formats = [row for row in _FORMATS if row in Image.OPEN]
    try:
        with without_warnings():
            image = Image.open(io.BytesIO(data), formats=formats)
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name}: {_too_large(str(error).partition(' exceeds')[0])}") from None
    except Exception as error:
        # Header parsers fail in every way there is (struct.error, KeyError, OverflowError, ...).
        raise ImageError(f"{name}: {_unreadable(data, error)}") from None
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError(f"{name}: {_too_large(f'{width} x {height} = {width * height} pixels')}")
    return image


def _too_large(size: str) -> str:
    return (
        f"too large: {size}; up to {MAX_PIXELS} pixels are read, "
        "since a small file can unpack to more than the memory holds. Scale it down in an image editor first"
    )


def _unreadable(data: bytes, error: Exception) -> str:
    for offset, signature, kind in _FOREIGN:
        if data.startswith(signature, offset):
            return f"this is {kind}; save or export the picture as PNG or JPEG"
    for offset, signature, kind in _SIGNATURES:
        if data.startswith(signature, offset):
            reason = "" if isinstance(error, UnidentifiedImageError) else f" ({error})"
            return (
                f"begins like a {kind} file, but its header is cut short, damaged, or of a kind that Pillow "
                f"does not read{reason}; copy or download it again, or save it as an 8- or 16-bit PNG"
            )
    return f"not an image file that can be read; allowed are {_READABLE}"
