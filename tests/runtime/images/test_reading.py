"""Where pictures come from, and what is said about those that cannot be read."""

from __future__ import annotations

import io
import os
import sys
import threading
import warnings
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from pixelgrad.errors import ImageError
from pixelgrad.runtime.images import (
    MAX_PIXELS,
    Picture,
    encode_image,
    opening,
    read_image,
    read_recipe,
    reading,
)

from .samples import encoded, gradient, png, png_chunk, png_header_only, tiff

RGB = gradient()
DATA = encoded(Image.fromarray(RGB), "PNG")
EXPECTED = Picture.from_array(RGB)


class _Standard:
    """A stand-in for sys.stdin: text on top, bytes below."""

    def __init__(self, data: bytes = b"", terminal: bool = False) -> None:
        self.buffer = io.BytesIO(data)
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


def _says(error: pytest.ExceptionInfo[ImageError], *parts: str) -> None:
    """One clear message, and no other traceback shown beneath it."""
    message = str(error.value)
    for part in parts:
        assert part in message
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__ or error.value.__context__ is None


# Sources --------------------------------------------------------------------------------------------------


def test_every_kind_of_source(tmp_path: Path) -> None:
    path = tmp_path / "photo with spaces é.png"
    path.write_bytes(DATA)
    with path.open("rb") as file:
        sources = [
            path,
            str(path),
            DATA,
            bytearray(DATA),
            memoryview(DATA),
            file,
            io.BytesIO(DATA),
            Image.open(io.BytesIO(DATA)),
            Image.fromarray(RGB),
            RGB,
            EXPECTED,
        ]
        for source in sources:
            assert read_image(source) == EXPECTED


def test_a_picture_comes_back_as_it_is() -> None:
    assert read_image(EXPECTED) is EXPECTED


def test_anything_that_turns_into_an_array() -> None:
    class Tensor:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            return RGB

    assert read_image(Tensor()) == EXPECTED  # type: ignore[arg-type]


def test_masked_values_are_not_shown() -> None:
    pixels = np.full((2, 3, 3), 0.5, np.float32)
    masked = np.ma.masked_array(pixels, mask=np.eye(2, 3)[..., None] * np.ones(3))
    for read in (read_image, Picture.from_array):
        with pytest.raises(ImageError, match=r"the array has masked values; array.filled"):
            read(masked)
        assert read(np.ma.masked_array(pixels)) == Picture(pixels)


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", _Standard(DATA))
    assert read_image("-") == EXPECTED
    with pytest.raises(ImageError) as error:
        read_image("-")
    _says(error, "standard input", "only once")


@pytest.mark.parametrize("stdin", [_Standard(terminal=True), None])
def test_standard_input_with_nothing_piped_in(monkeypatch: pytest.MonkeyPatch, stdin: Any) -> None:
    monkeypatch.setattr(sys, "stdin", stdin)
    with pytest.raises(ImageError) as error:
        read_image("-")
    _says(error, "standard input", "piped in")


def test_a_file_object_is_read_from_where_it_stands() -> None:
    file = io.BytesIO(b"header" + DATA)
    file.seek(6)
    assert read_image(file) == EXPECTED


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_file_object_that_was_read_already() -> None:
    file = io.BytesIO(DATA)
    read_image(file)
    with pytest.raises(ImageError, match=r"the file object: gives no data; .* read to its end already"):
        read_image(file)


def test_a_pipe_with_a_name(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(DATA,))
    writer.start()
    try:
        assert read_image(pipe) == EXPECTED
    finally:
        writer.join()


def test_reading_leaves_the_warnings_machinery_alone(recwarn: pytest.WarningsRecorder) -> None:
    before = list(warnings.filters)
    read_image(encoded(Image.fromarray(RGB), "TIFF")[:-4] + b"\xff\xff\xff\xff")
    assert warnings.filters == before
    assert not recwarn.list


def test_threads_may_read_at_once() -> None:
    results: list[Picture] = []
    threads = [threading.Thread(target=lambda: results.append(read_image(DATA))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [EXPECTED] * 8


# What cannot be read --------------------------------------------------------------------------------------


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ImageError) as error:
        read_image(tmp_path / "no.png")
    _says(error, "no.png", "no such file", "check the path")


def test_an_address_is_no_file() -> None:
    with pytest.raises(ImageError) as error:
        read_image("https://example.org/photo.jpg")
    _says(error, "https://example.org/photo.jpg", "not fetched from the web", "download it first")


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(ImageError) as error:
        read_image(tmp_path)
    _says(error, str(tmp_path), "is a folder")


@pytest.mark.parametrize("path", ["", "nul\0l.png", "x" * 5000 + ".png"])
def test_paths_that_cannot_be(path: str) -> None:
    with pytest.raises(ImageError) as error:
        read_image(path)
    _says(error, "path")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="this system has no /dev/zero")
def test_devices_are_not_read_without_end() -> None:
    with pytest.raises(ImageError) as error:
        read_image("/dev/zero")
    _says(error, "/dev/zero", "device")


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "private.png"
    path.write_bytes(DATA)

    def refuse(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # the tests may run as root, who may read everything
    with pytest.raises(ImageError) as error:
        read_image(path)
    _says(error, "private.png", "no permission")


def test_a_disk_that_fails_while_reading() -> None:
    class Failing(io.RawIOBase):
        name = "broken.png"

        def read(self, size: int = -1) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(ImageError) as error:
        read_image(Failing())  # type: ignore[arg-type]
    _says(error, "broken.png", "Input/output error")


def test_closed_and_text_files() -> None:
    file = io.BytesIO(DATA)
    file.close()
    with pytest.raises(ImageError) as error:
        read_image(file)
    _says(error, "closed")
    with pytest.raises(ImageError) as error:
        read_image(io.StringIO("text"))  # type: ignore[arg-type]
    _says(error, "mode 'rb'")


@pytest.mark.parametrize("source", [3, None, ["photo.png"], {"path": "photo.png"}])
def test_things_that_are_no_source(source: Any) -> None:
    with pytest.raises(ImageError) as error:
        read_image(source)
    _says(error, type(source).__name__, "give a path")


def test_empty() -> None:
    with pytest.raises(ImageError) as error:
        read_image(b"", name="photo.jpg")
    _says(error, "photo.jpg", "empty", "PNG, JPEG")


@pytest.mark.parametrize("data", [b"hello, this is text", bytes(1000), b"\x08\x07\x12\x07pytorch", b"R"])
def test_not_an_image(data: bytes) -> None:
    with pytest.raises(ImageError) as error:
        read_image(data, name="model.onnx")
    _says(error, "model.onnx", "not an image file", "PNG, JPEG, WebP, TIFF")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"%PDF-1.7", "PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"<!DOCTYPE html><html>404</html>", "web page"),
        (b"PK\x03\x04....", "ZIP"),
    ],
)
def test_files_of_other_kinds_are_named(data: bytes, kind: str) -> None:
    with pytest.raises(ImageError) as error:
        read_image(data)
    _says(error, kind, "PNG or JPEG")


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP"])
def test_truncated(format: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    data = encoded(noise, format)
    with pytest.raises(ImageError) as error:
        read_image(data[: len(data) // 2], name="photo")
    _says(error, "photo", "cut short", "copy or download it again")


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_only_the_signature(format: str) -> None:
    data = encoded(Image.fromarray(RGB), format)
    with pytest.raises(ImageError) as error:
        read_image(data[:14])
    _says(error, f"begins like a {'WebP' if format == 'WEBP' else format} file", "PNG")


def test_a_kind_of_tiff_that_pillow_does_not_read() -> None:
    with pytest.raises(ImageError) as error:
        read_image(tiff(RGB.astype(np.float64) / 255, 2))
    _says(error, "TIFF", "8- or 16-bit PNG")


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (0, 0)])
def test_no_pixels(size: tuple[int, int]) -> None:
    with pytest.raises(ImageError) as error:
        read_image(Image.new("RGB", size))
    _says(error, "has no pixels", f"{size[0]} x {size[1]}")
    with pytest.raises(ImageError):
        read_image(png_header_only(*size))


def test_decompression_bombs() -> None:
    for width, height in ((65_535, 65_535), (MAX_PIXELS // 2 + 1, 2), (20_000, 9_000)):
        with pytest.raises(ImageError) as error:
            read_image(png_header_only(width, height), name="bomb.png")
        _says(error, "bomb.png", "too large", str(MAX_PIXELS), "Scale it down")


def test_sizes_that_make_pillow_warn_are_decided_here(monkeypatch: pytest.MonkeyPatch) -> None:
    # Pillow warns above half its limit; with warnings as errors that would be an exception.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200)
    assert 200 < RGB.shape[0] * RGB.shape[1] < 400
    assert read_image(DATA) == EXPECTED
    monkeypatch.setattr(opening, "MAX_PIXELS", 383)
    with pytest.raises(ImageError) as error:
        read_image(DATA)
    _says(error, "24 x 16 = 384 pixels", "up to 383")


def test_the_limit_holds_where_pillow_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(ImageError) as error:
        read_image(png_header_only(50_000, 50_000))
    _says(error, "50000 x 50000 = 2500000000 pixels")


def test_text_that_unpacks_to_gigabytes() -> None:
    bomb = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(3_000_000)))
    with suppress(ImageError):  # Pillow versions differ in whether they skip it or refuse it
        read_image(png(RGB, 2, chunks=bomb))


def test_a_stream_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            return bytes(size)

    monkeypatch.setattr(reading, "_MAX_BYTES", 5_000_000)
    with pytest.raises(ImageError) as error:
        read_image(Endless())  # type: ignore[arg-type]
    _says(error, "more than 5000000 bytes")


def test_out_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", fail)
    with pytest.raises(ImageError) as error:
        read_image(DATA)
    _says(error, "24 x 16", "memory")


def test_ctrl_c_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", interrupt)
    with pytest.raises(KeyboardInterrupt):
        read_image(DATA)


def test_pillow_images_and_arrays_take_a_name_too() -> None:
    with pytest.raises(ImageError, match=r"^style: has no pixels"):
        read_image(Image.new("RGB", (0, 1)), name="style")
    with pytest.raises(ImageError, match=r"^style is empty"):
        read_image(np.zeros((0, 1, 3), np.uint8), name="style")


def test_recipes_are_read_without_decoding_pixels() -> None:
    picture = Picture.from_array(RGB, {"seed": 1})
    for format in ("PNG", "JPEG"):
        cut = encode_image(picture, format)[:-40]
        assert read_recipe(cut) == {"seed": 1}
        with pytest.raises(ImageError, match="cut short"):
            read_image(cut)
    assert read_recipe(DATA[:-40]) is None
    with pytest.raises(ImageError, match="not an image"):
        read_recipe(b"text")
    with pytest.raises(ImageError, match="no such file"):
        read_recipe("nowhere.png")
