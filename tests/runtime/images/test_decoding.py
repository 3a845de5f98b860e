"""Modes, bit depths, orientations and frames: what the samples of a file become."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from pixelgrad.errors import ImageError
from pixelgrad.runtime.images import Picture, read_image

from .samples import Array, encoded, gradient, png, png_chunk, tiff

RGB = gradient()
RGBA = gradient(bands=4)
GREY = RGB[..., 0]
RNG = np.random.default_rng(0)
DEEP = RNG.integers(0, 65536, (9, 11, 4), dtype=np.uint16)


def assert_samples(picture: Picture, expected: Array, top: int = 255, alpha: Array | None = None) -> None:
    """``expected``: integers [H, W] or [H, W, 3] that stand for 0 to ``top``."""
    if expected.ndim == 2:
        expected = expected[..., None].repeat(3, axis=2)
    np.testing.assert_array_equal(picture.pixels, expected.astype(np.float32) / np.float32(top))
    assert (picture.alpha is None) == (alpha is None)
    if alpha is not None:
        np.testing.assert_array_equal(picture.alpha, alpha.astype(np.float32) / np.float32(top))
    assert picture.warnings == ()


# Lossless formats, 8 bits and fewer -----------------------------------------------------------------------


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP", "PPM", "WEBP", "JPEG2000"])
def test_rgb(format: str) -> None:
    options = {"lossless": True} if format == "WEBP" else {}
    assert_samples(read_image(encoded(Image.fromarray(RGB), format, **options)), RGB)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "PPM"])
def test_grey(format: str) -> None:
    assert_samples(read_image(encoded(Image.fromarray(GREY), format)), GREY)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
def test_rgba_keeps_colour_and_alpha_apart(format: str) -> None:
    options = {"lossless": True, "exact": True} if format == "WEBP" else {}
    picture = read_image(encoded(Image.fromarray(RGBA), format, **options))
    assert_samples(picture, RGBA[..., :3], alpha=RGBA[..., 3])


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_grey_with_alpha(format: str) -> None:
    image = Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(RGBA[..., 3])])
    assert_samples(read_image(encoded(image, format)), GREY, alpha=RGBA[..., 3])


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP"])
def test_one_bit(format: str) -> None:
    bits = Image.fromarray(GREY).convert("1")
    assert_samples(read_image(encoded(bits, format)), np.asarray(bits).astype(np.uint8) * 255)


def test_few_bits_are_stretched_to_the_whole_range() -> None:
    samples = np.array([[0, 1, 2, 3]], np.uint8)
    packed = np.array([[0b00011011]], np.uint8)
    data = png(packed, 0).replace(struct.pack(">IIB", 1, 1, 8), struct.pack(">IIB", 4, 1, 2))
    header = data[12:29]
    data = data[:8] + png_chunk(b"IHDR", header[4:]) + data[33:]
    assert_samples(read_image(data), samples * 85)


def test_palette() -> None:
    image = Image.fromarray(RGB).quantize(16)
    for format in ("PNG", "GIF", "TIFF", "BMP"):
        assert_samples(read_image(encoded(image, format)), np.asarray(image.convert("RGB")))


def test_palette_with_transparent_entries() -> None:
    image = Image.fromarray(RGB).quantize(16)
    strengths = bytes(range(0, 256, 17))
    picture = read_image(encoded(image, "PNG", transparency=strengths))
    alpha = np.frombuffer(strengths, np.uint8)[np.asarray(image)]
    assert_samples(picture, np.asarray(image.convert("RGB")), alpha=alpha)


def test_gif_with_one_transparent_colour() -> None:
    image = Image.fromarray(RGB).quantize(16)
    picture = read_image(encoded(image, "GIF", transparency=3))
    assert picture.alpha is not None
    # The encoder may renumber the palette: the transparent pixels are the same ones.
    np.testing.assert_array_equal(picture.alpha == 0, np.asarray(image) == 3)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_png_with_one_transparent_colour(mode: str) -> None:
    image = Image.fromarray(RGB).convert(mode)
    samples = np.asarray(image)
    corner = image.getpixel((2, 3))
    picture = read_image(encoded(image, "PNG", transparency=corner))
    same = samples == corner if mode == "L" else (samples == corner).all(axis=2)
    assert_samples(picture, samples, alpha=np.where(same, 0, 255).astype(np.uint8))


@pytest.mark.parametrize("mode", ["RGBX", "YCbCr", "HSV", "La", "RGBa", "PA"])
def test_every_other_pillow_mode(mode: str) -> None:
    source = Image.fromarray(RGBA).convert("RGBA")
    image = {
        "La": lambda: source.convert("LA").convert("La"),
        "RGBa": lambda: source.convert("RGBa"),
        "PA": lambda: source.convert("P").convert("PA"),
    }.get(mode, lambda: source.convert("RGB").convert(mode))()
    assert image.mode == mode
    picture = read_image(image)
    expected = np.asarray(image.convert("LA").convert("RGBA") if mode == "La" else image.convert("RGBA"))
    assert_samples(picture, expected[..., :3], alpha=expected[..., 3] if mode in ("La", "RGBa", "PA") else None)


# More than 8 bits -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("colour_type", "bands"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_16_bit_png_keeps_all_bits(colour_type: int, bands: int, interlaced: bool) -> None:
    samples = DEEP[..., :bands]
    colour = samples[..., 0] if bands < 3 else samples[..., :3]
    picture = read_image(png(samples, colour_type, interlaced=interlaced))
    assert_samples(picture, colour, 65535, alpha=samples[..., -1] if bands in (2, 4) else None)


@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize(
    ("bands", "extra"), [(1, ()), (3, ()), (4, (2,)), (4, (0,))], ids=["grey", "RGB", "RGBA", "RGBX"]
)
def test_16_bit_tiff_keeps_all_bits(bands: int, extra: Any, big_endian: bool, deflate: bool) -> None:
    samples = DEEP[..., :bands]
    data = tiff(samples, 1 if bands == 1 else 2, big_endian=big_endian, deflate=deflate, extra=extra)
    colour = samples[..., 0] if bands == 1 else samples[..., :3]
    assert_samples(read_image(data), colour, 65535, alpha=samples[..., 3] if extra == (2,) else None)


def test_16_bit_png_with_one_transparent_colour() -> None:
    samples = DEEP[..., :3].copy()
    samples[0, 0] = (0x1234, 0x5678, 0x9ABC)
    samples[0, 1] = (0x1234, 0x5678, 0x9ABD)  # the same in the high bytes
    chunk = png_chunk(b"tRNS", struct.pack(">3H", *samples[0, 0]))
    alpha = np.full(samples.shape[:2], 65535)
    alpha[0, 0] = 0
    assert_samples(read_image(png(samples, 2, chunks=chunk)), samples, 65535, alpha=alpha)
    grey = samples[..., 2]
    chunk = png_chunk(b"tRNS", struct.pack(">H", grey[0, 1]))
    assert_samples(read_image(png(grey, 0, chunks=chunk)), grey, 65535, alpha=np.where(grey == grey[0, 1], 0, 65535))


def test_16_bit_tiff_in_planes_is_read_in_8_bits_or_refused() -> None:
    samples = DEEP[..., :3]
    assert_samples(read_image(tiff(samples, 2, planar=True, deflate=True)), samples >> 8)
    with pytest.raises(ImageError, match="interleaved"):
        read_image(tiff(samples, 2, planar=True))
    eight = (samples >> 8).astype(np.uint8)
    assert_samples(read_image(tiff(eight, 2, planar=True)), eight)


def test_12_bit_tiff_is_stretched_to_the_whole_range() -> None:
    samples = np.array([[0, 4095], [1365, 2730]], np.uint16)
    packed = bytes.fromhex("000fff555aaa")
    assert_samples(read_image(tiff(samples, 1, bits=12, data=packed)), samples, 4095)


def test_white_is_zero() -> None:
    grey = DEEP[..., 0]
    eight = (grey >> 8).astype(np.uint8)
    assert_samples(read_image(tiff(eight, 0)), 255 - eight)
    np.testing.assert_allclose(
        read_image(tiff(grey, 0)).pixels[..., 0], (65535 - grey.astype(float)) / 65535, atol=1e-7
    )


@pytest.mark.parametrize("big_endian", [False, True])
def test_floating_point_tiff(big_endian: bool) -> None:
    grey = RNG.random((5, 6)).astype(np.float32)
    picture = read_image(tiff(grey, 1, big_endian=big_endian))
    np.testing.assert_array_equal(picture.pixels[..., 1], grey)


@pytest.mark.parametrize(
    ("value", "message"), [(np.nan, "NaN"), (-np.inf, "infinite"), (255.0, "divide by"), (-1.0, r"\[0, 1\]")]
)
def test_floating_point_tiff_outside_the_range(value: float, message: str) -> None:
    grey = np.zeros((5, 6), np.float32)
    grey[2, 2] = value
    with pytest.raises(ImageError, match=rf"scan\.tif.*{message}"):
        read_image(tiff(grey, 1), name="scan.tif")


def test_32_bit_integers_are_read_as_far_as_16_bits_go() -> None:
    grey = DEEP[..., 0].astype(np.uint32)
    assert_samples(read_image(tiff(grey, 1)), grey, 65535)
    for bad in (grey + 65536, -grey.astype(np.int32) - 1):
        with pytest.raises(ImageError, match="0 to 65535"):
            read_image(tiff(bad, 1))
    assert_samples(read_image(Image.fromarray(DEEP[..., 0].astype(np.int32))), DEEP[..., 0], 65535)


# Orientation, frames, pages -------------------------------------------------------------------------------

# The stored rows and columns of each orientation, as EXIF words it: "row 0 is the visual top" and so on.
STORE = {
    1: lambda a: a,
    2: lambda a: np.fliplr(a),
    3: lambda a: np.flipud(np.fliplr(a)),
    4: lambda a: np.flipud(a),
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.flipud(a.swapaxes(0, 1)),
    7: lambda a: np.flipud(np.fliplr(a.swapaxes(0, 1))),
    8: lambda a: np.fliplr(a.swapaxes(0, 1)),
}


def _exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return exif.tobytes()


@pytest.mark.parametrize("orientation", [*STORE])
@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
def test_exif_orientation(format: str, orientation: int) -> None:
    stored = Image.fromarray(np.ascontiguousarray(STORE[orientation](RGBA)))
    options = {"lossless": True, "exact": True} if format == "WEBP" else {}
    data = encoded(stored, format, exif=_exif(orientation), **options)
    assert_samples(read_image(data), RGBA[..., :3], alpha=RGBA[..., 3])


@pytest.mark.parametrize("orientation", [*STORE])
def test_exif_orientation_of_jpeg_and_of_pillow_images(orientation: int) -> None:
    stored = Image.fromarray(np.ascontiguousarray(STORE[orientation](RGB)))
    data = encoded(stored, "JPEG", exif=_exif(orientation), quality=95, subsampling=0)
    assert np.abs(read_image(data).pixels - RGB / 255).max() < 0.03
    with_exif = Image.fromarray(np.ascontiguousarray(STORE[orientation](RGB)))
    with_exif.getexif()[ExifTags.Base.Orientation] = orientation
    assert_samples(read_image(with_exif), RGB)


@pytest.mark.parametrize("orientation", [*STORE])
@pytest.mark.parametrize("deflate", [False, True])
def test_orientation_of_16_bit_files(orientation: int, deflate: bool) -> None:
    stored = STORE[orientation](DEEP[..., :3])
    data = tiff(stored, 2, orientation=orientation, deflate=deflate)
    assert_samples(read_image(data), DEEP[..., :3], 65535)
    exif = _exif(orientation).removeprefix(b"Exif\0\0")
    data = png(np.ascontiguousarray(stored), 2, chunks=png_chunk(b"eXIf", exif))
    assert_samples(read_image(data), DEEP[..., :3], 65535)


def test_an_orientation_that_does_not_exist_means_upright() -> None:
    assert_samples(read_image(encoded(Image.fromarray(RGB), "PNG", exif=_exif(9))), RGB)


def test_damaged_exif_does_not_cost_the_picture() -> None:
    data = encoded(Image.fromarray(RGB), "PNG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert_samples(read_image(data), RGB)  # Pillow warns here, and warnings are errors
    data = encoded(Image.fromarray(RGB), "PNG", exif=b"Exif\0\0nonsense")
    picture = read_image(data, name="photo.png")
    np.testing.assert_array_equal(picture.pixels, RGB / np.float32(255))
    assert "photo.png" in picture.warnings[0]
    assert "EXIF" in picture.warnings[0]


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_of_several_frames(format: str) -> None:
    first = Image.fromarray(RGB).quantize(32).convert("RGB") if format == "GIF" else Image.fromarray(RGB)
    others = [Image.new("RGB", first.size, colour) for colour in ("red", "blue")]
    options = {"lossless": True} if format == "WEBP" else {}
    data = encoded(first, format, save_all=True, append_images=others, **options)
    assert getattr(Image.open(io.BytesIO(data)), "n_frames", 1) == 3
    assert_samples(read_image(data), np.asarray(first))


def test_one_pixel() -> None:
    assert_samples(read_image(png(np.array([[[1, 2, 3]]], np.uint8), 2)), np.array([[[1, 2, 3]]]))


def test_avif() -> None:
    Image.init()
    if "AVIF" not in Image.SAVE:
        pytest.skip("this Pillow has no AVIF")
    picture = read_image(encoded(Image.fromarray(RGB), "AVIF", quality=100, subsampling="4:4:4"))
    assert np.abs(picture.pixels - RGB / 255).max() < 0.03
