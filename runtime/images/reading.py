"""Pictures from wherever they are: files, standard input, bytes, Pillow images, arrays."""

from __future__ import annotations

import os
import stat
import sys
from os import PathLike
from pathlib import Path
from typing import IO, Any

import numpy.typing as npt
from PIL import Image

from pixelgrad.errors import ImageError
from pixelgrad.runtime.images.decoding import decode_image
from pixelgrad.runtime.images.opening import open_image
from pixelgrad.runtime.images.picture import Picture
from pixelgrad.runtime.images.recipes import Recipe, recipe_in

__all__ = ["ImageSource", "read_image", "read_recipe"]

ImageSource = (
    str | PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | Image.Image | npt.NDArray[Any] | Picture
)

_STANDARD_INPUT = "-"
_CHUNK = 2**20
# Standard input and pipes do not tell their size; no picture within MAX_PIXELS takes more, even uncompressed.
_MAX_BYTES = 2 * 2**30


def read_image(source: ImageSource, *, name: str | None = None) -> Picture:
    """Read a picture as float32 sRGB in [0, 1], upright, with its alpha channel and recipe.

    ``source``: a path; ``-`` for standard input; the bytes of a file; a binary file object, read from where
    it stands; a Pillow image; an array as ``Picture.from_array`` takes it; or a ``Picture``, returned as it
    is. ``name``: what messages call the picture, by default its path.

    Reads PNG, JPEG, WebP, TIFF, GIF, BMP, AVIF, JPEG 2000 and PPM of any mode, the first frame or page of
    those that have several, up to ``MAX_PIXELS``. 16-bit grey and RGB in PNG and TIFF keep their 16 bits,
    unless an ICC profile other than sRGB has to be applied, which LittleCMS does in 8 bits. CMYK without a
    profile goes through Pillow's plain conversion. A profile or EXIF block that cannot be used is left out
    and noted in ``Picture.warnings``.

    ``ImageError`` for everything that cannot be read: missing, empty, truncated, damaged, too large, no
    image.
    """
    if isinstance(source, Picture):
        return source
    if isinstance(source, Image.Image):
        return Picture.from_pil(source, name=name or "the Pillow image")
    if not _is_encoded(source) and hasattr(source, "__array__"):
        return Picture.from_array(source, name=name or "the array")  # type: ignore[arg-type]
    data, name = _bytes_of(source, name)
    image = open_image(data, name)
    with image:
        decoded = decode_image(image, name, lambda: open_image(data, name))
    return Picture(decoded.pixels, decoded.alpha, decoded.recipe, warnings=decoded.warnings)


def read_recipe(source: str | PathLike[str] | bytes | IO[bytes], *, name: str | None = None) -> Recipe | None:
    """The recipe that ``write_image`` put into a file, or ``None`` where there is none. Decodes no pixels.

    ``ImageError`` as ``read_image`` says.
    """
    data, name = _bytes_of(source, name)
    with open_image(data, name) as image:
        return recipe_in(image)


def _is_encoded(source: object) -> bool:
    return isinstance(source, (str, PathLike, bytes, bytearray, memoryview)) or hasattr(source, "read")


def _bytes_of(source: Any, name: str | None) -> tuple[bytes, str]:
    """The undecoded bytes of a source, and what to call it."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source), name or "the given bytes"
    if isinstance(source, (str, PathLike)):
        if os.fspath(source) == _STANDARD_INPUT:
            return _standard_input(name or "standard input"), name or "standard input"
        return _file(source, name or str(source)), name or str(source)
    if hasattr(source, "read"):
        name = name or str(getattr(source, "name", "the file object"))
        data = _stream(source, name)
        if not data:
            raise ImageError(f"{name}: gives no data; it is empty, or read to its end already (seek(0) goes back)")
        return data, name
    raise ImageError(
        f"{name or 'the source'}: cannot read a picture from {type(source).__name__}; "
        "give a path, bytes, a binary file object, a Pillow image, a NumPy array or a Picture"
    )


def _file(source: str | PathLike[str], name: str) -> bytes:
    if not os.fspath(source):
        raise ImageError("the path of the picture is empty; give the path of an image file")
    path = Path(os.fsdecode(source))
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise ImageError(f"{name}: is a folder; give the path of one image file in it")
        if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            raise ImageError(f"{name}: is a device, not a file; give the path of an image file")
        with path.open("rb") as file:
            return _stream(file, name)
    except FileNotFoundError:
        if os.fsdecode(source).startswith(("http://", "https://")):
            raise ImageError(f"{name}: pictures are not fetched from the web; download it first") from None
        raise ImageError(f"{name}: no such file; check the path and its spelling") from None
    except PermissionError:
        raise ImageError(f"{name}: no permission to read it; change its permissions or copy it") from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{name}: cannot be read ({reason}); check the path") from None


def _standard_input(name: str) -> bytes:
    stream = getattr(sys.stdin, "buffer", None)
    if stream is None or sys.stdin.isatty():
        raise ImageError(f"{name}: no picture is piped in; use < photo.jpg, or give a path")
    data = _stream(stream, name)
    if not data:
        raise ImageError(f"{name}: gave no data; pipe one picture in, and use - only once, as it can be read once")
    return data


def _stream(stream: Any, name: str) -> bytes:
    chunks: list[bytes] = []
    total = 0
    try:
        while chunk := stream.read(_CHUNK):
            if not isinstance(chunk, bytes):
                raise ImageError(f"{name}: gives {type(chunk).__name__}, not bytes; open it in mode 'rb'")
            chunks.append(chunk)
            total += len(chunk)
            if total > _MAX_BYTES:
                raise ImageError(
                    f"{name}: more than {_MAX_BYTES} bytes, which no picture of an allowed size takes; "
                    "give an image file"
                )
    except (OSError, ValueError) as error:  # ValueError: a closed file
        raise ImageError(f"{name}: cannot be read ({error}); check the file or the disk") from None
    return b"".join(chunks)
