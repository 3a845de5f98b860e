"""A picture as the bytes of a PNG, JPEG, WebP or TIFF file: same picture and recipe, same bytes."""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from PIL import ExifTags, Image, ImageFile, PngImagePlugin, TiffImagePlugin

from pixelgrad.errors import OutputError, SettingsError
from pixelgrad.runtime.images.recipes import KEYWORD, canonical_json, description

if TYPE_CHECKING:
    from pixelgrad.runtime.images.picture import Picture

__all__ = ["Format", "check_quality", "check_size", "encode_image", "format_named", "format_of"]


@dataclass(frozen=True)
class Format:
    """name: Pillow's; max_edge: the longest side in pixels that the format (or its library) can hold."""

    name: str
    suffixes: tuple[str, ...]
    max_edge: int
    alpha: bool = True


_FORMATS = (
    Format("PNG", (".png",), 2**31 - 1),
    Format("JPEG", (".jpg", ".jpeg"), 65_500, alpha=False),
    Format("WEBP", (".webp",), 16_383),
    Format("TIFF", (".tif", ".tiff"), 2**31 - 1),
)

# An EXIF block must fit into one JPEG segment of 64 KiB, with room for the rest of the block.
_LONGEST_EXIF_TEXT = 65_000
_PREDICTOR, _HORIZONTAL_DIFFERENCING = 317, 2
_MAX_BLOCK = threading.Lock()


def format_of(path: PurePath) -> Format:
    """The format that the suffix of ``path`` names (in any case); ``OutputError`` where it names none."""
    for row in _FORMATS:
        if path.suffix.lower() in row.suffixes:
            return row
    found = f"the suffix {path.suffix!r}" if path.suffix else "a name without a suffix"
    allowed = ", ".join(suffix for row in _FORMATS for suffix in row.suffixes)
    raise OutputError(
        f"{path}: {found} does not name a format to write; allowed are {allowed}, and - for PNG on standard output"
    )


def format_named(name: str) -> Format:
    """The format called ``name``: PNG, JPEG, WEBP or TIFF in any case; ``SettingsError`` for another name."""
    for row in _FORMATS:
        if row.name == str(name).upper():
            return row
    raise SettingsError(f"unknown format {name!r}; allowed are {', '.join(row.name for row in _FORMATS)}")


def check_size(form: Format, width: int, height: int, name: str) -> None:
    """``OutputError`` where ``form`` cannot hold ``width`` x ``height`` pixels."""
    if max(width, height) > form.max_edge:
        raise OutputError(
            f"{name}: {width} x {height} pixels are too large for {form.name}, which holds at most "
            f"{form.max_edge} along an edge; write PNG or TIFF, or choose a smaller size"
        )


def check_quality(quality: int) -> None:
    """``SettingsError`` unless ``quality`` is a whole number from 1 to 100."""
    if isinstance(quality, bool) or not isinstance(quality, int) or not 1 <= quality <= 100:
        raise SettingsError(f"quality is {quality!r}; allowed are whole numbers from 1 to 100")


def encode_image(picture: Picture, format: str = "PNG", *, quality: int = 95) -> bytes:
    """The bytes of a file with 8 bits per channel, tagged sRGB where the format has a tag for it.

    ``format``: PNG (iTXt recipe, sRGB chunk), JPEG (4:4:4, optimised Huffman tables; alpha is flattened onto
    white), WEBP (lossy) or TIFF (Deflate). ``quality``: 1 to 100, for JPEG and WebP. No dates, no file names.
    ``OutputError`` where the format cannot hold the size or the recipe; ``SettingsError`` for a bad value.
    """
    form = format_named(format)
    check_quality(quality)
    check_size(form, *picture.size, name="the picture")
    text = canonical_json(picture.recipe)
    image = picture.to_pil() if form.alpha else picture.flattened().to_pil()
    buffer = io.BytesIO()
    if form.name == "PNG":
        # On photographs level 3 is as small as Pillow's default of 6, and twice as fast.
        image.save(buffer, "PNG", pnginfo=_png_chunks(text), compress_level=3)
    elif form.name == "JPEG":
        _save_jpeg(image, buffer, quality, _exif(text, form))
    elif form.name == "WEBP":
        image.save(buffer, "WEBP", quality=quality, method=4, alpha_quality=100, exact=True, exif=_exif(text, form))
    else:
        image.save(buffer, "TIFF", compression="tiff_adobe_deflate", tiffinfo=_tiff_tags(text))
    return buffer.getvalue()


def _png_chunks(text: str | None) -> PngImagePlugin.PngInfo:
    chunks = PngImagePlugin.PngInfo()
    chunks.add(b"sRGB", b"\0")  # rendering intent: perceptual
    if text is not None:
        chunks.add_itxt(KEYWORD, text)
    return chunks


def _exif(text: str | None, form: Format) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.IFD.Exif] = {ExifTags.Base.ColorSpace: 1}  # sRGB
    if text is not None:
        ascii_text = description(text)
        if len(ascii_text) > _LONGEST_EXIF_TEXT:
            raise OutputError(
                f"the recipe takes {len(ascii_text)} bytes, but EXIF, where {form.name} holds it, ends at "
                f"{_LONGEST_EXIF_TEXT}; write PNG or TIFF instead"
            )
        exif[ExifTags.Base.ImageDescription] = ascii_text
    return exif.tobytes()


def _tiff_tags(text: str | None) -> TiffImagePlugin.ImageFileDirectory_v2:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[_PREDICTOR] = _HORIZONTAL_DIFFERENCING
    if text is not None:
        tags[ExifTags.Base.ImageDescription] = description(text)
    return tags


def _save_jpeg(image: Image.Image, buffer: io.BytesIO, quality: int, exif: bytes) -> None:
    # libjpeg needs the whole output buffered to optimise its tables, and Pillow's guess of 2 bytes per
    # pixel is too small for detailed 4:4:4 pictures ("broken data stream"): noise takes 2.0 at quality 95,
    # 3.2 at 100.
    with _MAX_BLOCK:
        before = ImageFile.MAXBLOCK
        ImageFile.MAXBLOCK = max(before, 6 * image.width * image.height + 2**17)
        try:
            image.save(buffer, "JPEG", quality=quality, subsampling=0, optimize=True, exif=exif)
        finally:
            ImageFile.MAXBLOCK = before
