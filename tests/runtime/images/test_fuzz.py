"""Damaged files: any bytes at all give a picture or an ImageError, and nothing else."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pixelgrad.errors import ImageError
from pixelgrad.runtime.images import Picture, opening, read_image, read_recipe

from .samples import ADOBE_GAMMA, ADOBE_TO_XYZ, encoded, gradient, png, rgb_profile, tiff

RGB = gradient()
DEEP = RGB.astype(np.uint16) * 257
EXIF = Image.Exif()
EXIF[0x0112], EXIF[0x010E] = 6, '{"pixelgrad": {"seed": 1}}'
PROFILE = rgb_profile(ADOBE_TO_XYZ, ADOBE_GAMMA)

FILES: dict[str, Callable[[], bytes]] = {
    "png": lambda: encoded(Image.fromarray(RGB), "PNG", exif=EXIF, icc_profile=PROFILE),
    "png, palette": lambda: encoded(Image.fromarray(RGB).quantize(8), "PNG", transparency=bytes(range(8))),
    "png, 16 bits": lambda: png(DEEP, 2),
    "png, 16 bits, interlaced": lambda: png(DEEP, 2, interlaced=True),
    "png, animated": lambda: encoded(
        Image.fromarray(RGB), "PNG", save_all=True, append_images=[Image.new("RGB", (24, 16))]
    ),
    "jpeg": lambda: encoded(Image.fromarray(RGB), "JPEG", exif=EXIF, icc_profile=PROFILE),
    "jpeg, progressive": lambda: encoded(Image.fromarray(RGB), "JPEG", progressive=True),
    "jpeg, cmyk": lambda: encoded(Image.fromarray(RGB).convert("CMYK"), "JPEG"),
    "tiff": lambda: encoded(Image.fromarray(RGB), "TIFF", exif=EXIF, icc_profile=PROFILE),
    "tiff, lzw": lambda: encoded(Image.fromarray(RGB), "TIFF", compression="tiff_lzw"),
    "tiff, jpeg": lambda: encoded(Image.fromarray(RGB), "TIFF", compression="jpeg"),
    "tiff, 16 bits": lambda: tiff(DEEP, 2, big_endian=True),
    "tiff, 16 bits, deflate": lambda: tiff(DEEP, 2, deflate=True),
    "tiff, 16-bit planes": lambda: tiff(DEEP, 2, deflate=True, planar=True),
    "tiff, float": lambda: tiff((RGB[..., 0] / 255).astype(np.float32), 1),
    "webp": lambda: encoded(Image.fromarray(RGB), "WEBP", exif=EXIF, icc_profile=PROFILE),
    "webp, lossless": lambda: encoded(Image.fromarray(gradient(bands=4)), "WEBP", lossless=True),
    "gif": lambda: encoded(Image.fromarray(RGB).quantize(8), "GIF", transparency=2),
    "bmp": lambda: encoded(Image.fromarray(RGB), "BMP"),
    "ppm": lambda: encoded(Image.fromarray(RGB), "PPM"),
    "jpeg 2000": lambda: encoded(Image.fromarray(RGB), "JPEG2000"),
}


@cache
def _file(name: str) -> bytes:
    return FILES[name]()


# Huge sizes in damaged headers are refused at once; the limit keeps the rest quick.
@pytest.fixture(autouse=True, scope="module")
def _small_limit() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opening, "MAX_PIXELS", 10**6)
        yield


def _survives(data: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        message, picture = "", None
        try:
            picture = read_image(data, name="fuzzed")
        except ImageError as error:
            message = str(error)
        if picture is None:
            assert message.startswith("fuzzed")
        else:
            assert isinstance(picture, Picture)
            assert np.isfinite(picture.pixels).all()
            assert picture.pixels.min() >= 0
            assert picture.pixels.max() <= 1
        try:
            recipe = read_recipe(data)
        except ImageError:
            pass
        else:
            assert recipe is None or isinstance(recipe, dict)


FUZZ = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.mark.parametrize("name", FILES)
def test_the_whole_file_is_read(name: str) -> None:
    assert set(read_image(_file(name)).size) == {24, 16}


@pytest.mark.parametrize("name", FILES)
@FUZZ
@given(data=st.data())
def test_truncated(name: str, data: st.DataObject) -> None:
    whole = _file(name)
    _survives(whole[: data.draw(st.integers(0, len(whole) - 1))])


@pytest.mark.parametrize("name", FILES)
@FUZZ
@given(data=st.data())
def test_flipped_bits(name: str, data: st.DataObject) -> None:
    damaged = bytearray(_file(name))
    bits = st.integers(0, 8 * len(damaged) - 1)
    # Headers matter more than pixels, so half of the flips go there.
    for bit in data.draw(st.lists(st.one_of(st.integers(0, 8 * min(200, len(damaged)) - 1), bits), min_size=1)):
        damaged[bit // 8] ^= 1 << bit % 8
    _survives(bytes(damaged))


@pytest.mark.parametrize("name", FILES)
@FUZZ
@given(data=st.data())
def test_overwritten_stretches(name: str, data: st.DataObject) -> None:
    damaged = bytearray(_file(name))
    start = data.draw(st.integers(0, len(damaged) - 1))
    stretch = data.draw(st.binary(min_size=1, max_size=16))
    damaged[start : start + len(stretch)] = stretch
    _survives(bytes(damaged))


@FUZZ
@given(
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"RIFF....WEBP", b"GIF89a", b"BM"]),
    st.binary(),
)
def test_any_bytes(signature: bytes, rest: bytes) -> None:
    _survives(signature + rest)
