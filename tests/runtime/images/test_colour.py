"""ICC profiles and CMYK, against the formulas that the profiles stand for."""

from __future__ import annotations

import io
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from pixelgrad.runtime.images import read_image

from .samples import (
    ADOBE_GAMMA,
    ADOBE_TO_XYZ,
    SRGB_TO_XYZ,
    Array,
    cmyk_profile,
    encoded,
    gradient,
    grey_profile,
    png,
    png_chunk,
    rgb_profile,
    tiff,
)

RGB = gradient()
GREY = RGB[..., 0]
ADOBE = rgb_profile(ADOBE_TO_XYZ, ADOBE_GAMMA)
SWAPPED = rgb_profile(SRGB_TO_XYZ[:, ::-1], 2.2)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def srgb_curve(linear: Array) -> Array:
    """IEC 61966-2-1, linear light to sRGB samples, both in [0, 1]."""
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def adobe_to_srgb(samples: Array) -> Array:
    linear = (samples / 255.0) ** ADOBE_GAMMA
    return srgb_curve(linear @ (np.linalg.inv(SRGB_TO_XYZ) @ ADOBE_TO_XYZ).T)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
def test_adobe_rgb_becomes_srgb(format: str) -> None:
    options = {"lossless": True} if format == "WEBP" else {}
    picture = read_image(encoded(Image.fromarray(RGB), format, icc_profile=ADOBE, **options))
    expected = adobe_to_srgb(RGB)
    assert np.abs(expected - RGB / 255).max() > 0.1  # the profile matters
    assert np.abs(picture.pixels - expected).max() < 2.5 / 255
    assert picture.warnings == ()


def test_swapped_primaries_swap_the_channels_of_a_jpeg() -> None:
    flat = np.full((16, 16, 3), (200, 30, 60), np.uint8)
    picture = read_image(encoded(Image.fromarray(flat), "JPEG", quality=100, subsampling=0, icc_profile=SWAPPED))
    red, _, blue = picture.pixels.mean(axis=(0, 1))
    assert (red < 0.3, blue > 0.7) == (True, True)


def test_alpha_is_left_alone() -> None:
    rgba = gradient(bands=4)
    picture = read_image(encoded(Image.fromarray(rgba), "PNG", icc_profile=ADOBE))
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.alpha, rgba[..., 3] / np.float32(255))
    assert np.abs(picture.pixels - adobe_to_srgb(rgba[..., :3])).max() < 2.5 / 255


def test_palette_images_are_converted_too() -> None:
    image = Image.fromarray(RGB).quantize(16)
    picture = read_image(encoded(image, "PNG", icc_profile=ADOBE))
    assert np.abs(picture.pixels - adobe_to_srgb(np.asarray(image.convert("RGB")))).max() < 2.5 / 255


def test_pillow_images_carry_their_profile() -> None:
    image = Image.open(io.BytesIO(encoded(Image.fromarray(RGB), "PNG", icc_profile=ADOBE)))
    assert np.abs(read_image(image).pixels - adobe_to_srgb(RGB)).max() < 2.5 / 255


@pytest.mark.parametrize("gamma", [1.0, 1.8])
def test_grey_profile(gamma: float) -> None:
    picture = read_image(encoded(Image.fromarray(GREY), "PNG", icc_profile=grey_profile(gamma)))
    expected = srgb_curve((GREY / 255.0) ** gamma)
    assert np.abs(expected - GREY / 255).max() > 0.05
    assert np.abs(picture.pixels - expected[..., None]).max() < 2.5 / 255


def test_grey_image_with_an_rgb_profile() -> None:
    picture = read_image(encoded(Image.fromarray(GREY), "JPEG", quality=100, icc_profile=rgb_profile(SRGB_TO_XYZ, 1.0)))
    assert np.abs(picture.pixels - srgb_curve(GREY / 255.0)[..., None]).mean() < 2.5 / 255
    assert picture.warnings == ()


def test_an_srgb_profile_changes_no_sample_and_keeps_16_bits() -> None:
    picture = read_image(encoded(Image.fromarray(RGB), "PNG", icc_profile=SRGB))
    np.testing.assert_array_equal(picture.pixels, RGB / np.float32(255))
    deep = np.random.default_rng(0).integers(0, 65536, (9, 7, 3), dtype=np.uint16)
    picture = read_image(png(deep, 2, chunks=_iccp(SRGB)))
    np.testing.assert_array_equal(picture.pixels, deep / np.float32(65535))


def test_16_bit_samples_with_another_profile() -> None:
    deep = (RGB.astype(np.uint16) << 8) | 0x80
    picture = read_image(png(deep, 2, chunks=_iccp(ADOBE)))
    assert np.abs(picture.pixels - adobe_to_srgb(deep / 257)).max() < 3 / 255
    grey = deep[..., 0]
    picture = read_image(png(grey, 0, chunks=_iccp(grey_profile(1.0))))
    assert np.abs(picture.pixels - srgb_curve(grey / 65535)[..., None]).max() < 8 / 255  # steep near black


def _iccp(profile: bytes) -> bytes:
    return png_chunk(b"iCCP", b"profile\0\0" + zlib.compress(profile))


@pytest.mark.parametrize("profile", [b"nonsense", ADOBE[:200], ADOBE[:128] + bytes(len(ADOBE) - 128), bytes(500)])
def test_a_broken_profile_is_ignored_and_noted(profile: bytes) -> None:
    picture = read_image(encoded(Image.fromarray(RGB), "PNG", icc_profile=profile), name="photo.png")
    np.testing.assert_array_equal(picture.pixels, RGB / np.float32(255))
    (warning,) = picture.warnings
    assert "photo.png" in warning
    assert "ICC profile" in warning


def test_a_pillow_without_littlecms(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: Any) -> Any:
        raise ImportError("The _imagingcms C module is not installed")

    monkeypatch.setattr(ImageCms, "ImageCmsProfile", missing)
    picture = read_image(encoded(Image.fromarray(RGB), "PNG", icc_profile=ADOBE))
    np.testing.assert_array_equal(picture.pixels, RGB / np.float32(255))
    assert "LittleCMS" in picture.warnings[0]


@pytest.mark.parametrize(
    ("mode", "profile"),
    [("RGB", grey_profile(1.0)), ("CMYK", ADOBE), ("RGB", cmyk_profile(lambda *inks: (50, 0, 0)))],
)
def test_a_profile_of_another_colour_space_is_ignored_and_noted(mode: str, profile: bytes) -> None:
    image = Image.fromarray(RGB).convert(mode)
    picture = read_image(encoded(image, "TIFF", icc_profile=profile))
    np.testing.assert_array_equal(picture.pixels, np.asarray(image.convert("RGB")) / np.float32(255))
    assert "ICC profile is for" in picture.warnings[0]


# CMYK -----------------------------------------------------------------------------------------------------

INKS = {"cyan": (255, 0, 0, 0), "magenta": (0, 255, 0, 0), "yellow": (0, 0, 255, 0), "black": (0, 0, 0, 255)}


@pytest.mark.parametrize("format", ["TIFF", "JPEG"])
@pytest.mark.parametrize(
    ("ink", "expected"),
    [
        ("cyan", (0, 1, 1)),
        ("magenta", (1, 0, 1)),
        ("yellow", (1, 1, 0)),
        ("black", (0, 0, 0)),
        (None, (1, 1, 1)),
    ],
)
def test_cmyk_without_a_profile(format: str, ink: str | None, expected: tuple[int, int, int]) -> None:
    # Pillow writes CMYK JPEG as Adobe does, inverted, with the marker that says so.
    image = Image.new("CMYK", (16, 16), INKS[ink] if ink else (0, 0, 0, 0))
    options: dict[str, Any] = {"quality": 100} if format == "JPEG" else {}
    data = encoded(image, format, **options)
    assert format != "JPEG" or b"Adobe" in data
    assert np.abs(read_image(data).pixels - expected).max() < 0.02


def _lab_of(cyan: int, magenta: int, yellow: int, black: int) -> tuple[float, float, float]:
    # Made up, and nothing like Pillow's own conversion: pure cyan is a dark brown. Black is black, since
    # LittleCMS maps the darkest ink of a profile to the darkest sRGB.
    if black or cyan + magenta + yellow == 3:
        return 0.0, 0.0, 0.0
    return (30.0, 20.0, 25.0) if cyan else (100.0, 0.0, 0.0)


@pytest.mark.parametrize("format", ["TIFF", "JPEG"])
def test_cmyk_with_a_profile(format: str) -> None:
    profile = cmyk_profile(_lab_of)
    image = Image.new("CMYK", (16, 16), INKS["cyan"])
    options: dict[str, Any] = {"quality": 100} if format == "JPEG" else {}
    picture = read_image(encoded(image, format, icc_profile=profile, **options))
    # L = 30, a = 20, b = 25 under D50, by the formulas of CIE 15 and sRGB.
    fy = (30 + 16) / 116
    xyz = np.array([(fy + 20 / 500) ** 3 * 0.9642, fy**3, (fy - 25 / 200) ** 3 * 0.8249])
    expected = srgb_curve(np.linalg.inv(SRGB_TO_XYZ) @ xyz)
    assert expected[0] > expected[1] > expected[2]
    assert np.abs(picture.pixels - expected).max() < 0.03
    assert picture.warnings == ()


def test_lab_tiff() -> None:
    lab = ImageCms.profileToProfile(
        Image.fromarray(RGB),
        ImageCms.createProfile("sRGB"),
        ImageCms.createProfile("LAB"),
        outputMode="LAB",
    )
    assert lab is not None
    picture = read_image(encoded(lab, "TIFF"))
    assert np.abs(picture.pixels - RGB / 255).mean() < 0.02


def test_grey_tiff_of_white_is_zero_with_a_profile_is_inverted_before_it() -> None:
    deep = GREY.astype(np.uint16) * 257
    image = Image.open(io.BytesIO(tiff(deep, 0)))
    image.info["icc_profile"] = grey_profile(1.0)
    picture = read_image(image)
    assert np.abs(picture.pixels - srgb_curve(1 - GREY / 255)[..., None]).max() < 8 / 255
