"""What is in the files that are written: pixels, alpha, colour tags, the recipe, and no more."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageFile, PngImagePlugin

from pixelgrad.errors import OutputError, SettingsError
from pixelgrad.runtime.images import Picture, encode_image, read_image, read_recipe

from .samples import gradient

FORMATS = ["PNG", "JPEG", "WEBP", "TIFF"]
RECIPE = {
    "style": {"weights": [256, 64.5], "layer": "relu1_1"},
    "seed": 7,
    "name": "größer 🐈 <&>",
    "none": None,
}
PLAIN = Picture.from_array(gradient(64, 48), RECIPE)
CLEAR = Picture.from_array(gradient(64, 48, bands=4), RECIPE)


def opened(picture: Picture, format: str, **options: Any) -> Image.Image:
    image = Image.open(io.BytesIO(encode_image(picture, format, **options)))
    assert image.format == format
    return image


@pytest.mark.parametrize("picture", [PLAIN, CLEAR])
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_lossless_round_trip(format: str, picture: Picture) -> None:
    assert read_image(encode_image(picture, format)) == picture


@pytest.mark.parametrize("format", FORMATS)
def test_a_picture_gives_its_bytes(format: str) -> None:
    assert PLAIN.to_bytes(format, quality=80) == encode_image(PLAIN, format, quality=80)
    assert PLAIN.to_bytes() == encode_image(PLAIN, "PNG")


@pytest.mark.parametrize("format", ["JPEG", "WEBP"])
def test_lossy_formats_are_close(format: str) -> None:
    error = read_image(encode_image(PLAIN, format)).pixels - PLAIN.pixels
    assert np.abs(error).mean() < 0.01


def test_webp_keeps_alpha_exactly() -> None:
    picture = read_image(encode_image(CLEAR, "WEBP"))
    assert picture.alpha is not None
    assert CLEAR.alpha is not None
    np.testing.assert_array_equal(picture.alpha, CLEAR.alpha)


def test_jpeg_lies_on_white() -> None:
    pixels = np.zeros((16, 32, 3), np.float32)
    alpha = np.zeros((16, 32), np.float32)
    alpha[:, 16:] = 1
    picture = read_image(encode_image(Picture(pixels, alpha), "JPEG"))
    assert picture.alpha is None
    assert picture.pixels[:, :12].min() > 0.98
    assert picture.pixels[:, 20:].max() < 0.02


def test_jpeg_keeps_full_colour_resolution() -> None:
    image: Any = opened(PLAIN, "JPEG")
    assert [(h, v) for _, h, v, _ in image.layer] == [(1, 1)] * 3


@pytest.mark.parametrize("format", ["JPEG", "WEBP"])
def test_quality_sets_the_size(format: str) -> None:
    sizes = [len(encode_image(PLAIN, format, quality=quality)) for quality in (1, 50, 95, 100)]
    assert sizes == sorted(set(sizes))
    assert len(encode_image(PLAIN, format)) == sizes[2]


@pytest.mark.parametrize("quality", [0, 101, -1, 95.0, "95", True, None])
def test_quality_is_from_1_to_100(quality: Any) -> None:
    with pytest.raises(SettingsError, match="from 1 to 100"):
        encode_image(PLAIN, "JPEG", quality=quality)


def test_an_unknown_format() -> None:
    with pytest.raises(SettingsError, match="PNG, JPEG, WEBP, TIFF"):
        encode_image(PLAIN, "GIF")
    assert encode_image(PLAIN, "png") == encode_image(PLAIN, "PNG")


@pytest.mark.parametrize("picture", [PLAIN, CLEAR])
@pytest.mark.parametrize("format", FORMATS)
def test_same_picture_same_bytes(format: str, picture: Picture) -> None:
    reordered = Picture(picture.pixels, picture.alpha, dict(reversed(RECIPE.items())))
    assert encode_image(picture, format) == encode_image(reordered, format)


@pytest.mark.parametrize("format", FORMATS)
def test_the_recipe_comes_back(format: str) -> None:
    data = encode_image(CLEAR, format)
    assert read_recipe(data) == RECIPE
    assert read_image(data).recipe == RECIPE
    bare = encode_image(Picture(CLEAR.pixels, CLEAR.alpha), format)
    assert read_recipe(bare) is None
    assert read_image(bare).recipe is None
    assert read_recipe(encode_image(Picture(CLEAR.pixels, recipe={}), format)) == {}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40)
@given(st.dictionaries(st.text(), JSON, max_size=4), st.sampled_from(FORMATS))
def test_any_recipe_comes_back(recipe: dict[str, Any], format: str) -> None:
    pixels = np.zeros((2, 2, 3), np.float32)
    assert read_recipe(encode_image(Picture(pixels, recipe=recipe), format)) == recipe


@pytest.mark.parametrize(
    "text",
    ["a cat", "", "[1]", '{"pixelgrad": 3}', '{"other": {}}', '{"pixelgrad": {"x": NaN}}', "[" * 100_000],
)
def test_what_others_wrote_is_no_recipe(text: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = text[:60_000]
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "JPEG", exif=exif)
    assert read_recipe(buffer.getvalue()) is None
    chunks = PngImagePlugin.PngInfo()
    chunks.add_itxt("pixelgrad", text)
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "PNG", pnginfo=chunks)
    assert read_recipe(buffer.getvalue()) in (None, {"other": {}}, {"pixelgrad": 3})
    assert read_image(buffer.getvalue()).size == (4, 4)


def test_png_chunks() -> None:
    data = encode_image(PLAIN)
    chunks: list[tuple[bytes, bytes]] = []
    place = 8
    while place < len(data):
        length, kind = struct.unpack(">I4s", data[place : place + 8])
        chunks.append((kind, data[place + 8 : place + 8 + length]))
        place += 12 + length
    assert [kind for kind, _ in chunks if kind != b"IDAT"] == [b"IHDR", b"sRGB", b"iTXt", b"IEND"]
    assert dict(chunks)[b"sRGB"] == b"\0"
    keyword, _, rest = dict(chunks)[b"iTXt"].partition(b"\0")
    assert keyword == b"pixelgrad"
    # Not compressed, no language, no translated keyword; UTF-8 with sorted keys.
    assert rest.startswith(b'\0\0\0\0{"name": "gr\xc3\xb6\xc3\x9fer')


@pytest.mark.parametrize("format", ["JPEG", "WEBP"])
def test_exif_says_srgb_and_nothing_about_time_or_place(format: str) -> None:
    exif = opened(PLAIN, format).getexif()
    assert set(exif) == {ExifTags.Base.ImageDescription, ExifTags.IFD.Exif}
    assert exif.get_ifd(ExifTags.IFD.Exif) == {ExifTags.Base.ColorSpace: 1}


def test_tiff_tags() -> None:
    image: Any = opened(PLAIN, "TIFF")
    tags = image.tag_v2
    assert tags[259] == 8  # Adobe Deflate
    assert tags[317] == 2  # horizontal differencing
    for private in (ExifTags.Base.DateTime, ExifTags.Base.DocumentName, ExifTags.Base.HostComputer):
        assert private not in tags


@pytest.mark.parametrize("format", ["JPEG", "WEBP"])
def test_a_recipe_too_long_for_exif(format: str) -> None:
    picture = Picture(PLAIN.pixels, recipe={"x": "y" * 70_000})
    with pytest.raises(OutputError, match="write PNG or TIFF"):
        encode_image(picture, format)
    for other in ("PNG", "TIFF"):
        assert read_recipe(encode_image(picture, other)) == picture.recipe


@pytest.mark.parametrize(("format", "edge"), [("JPEG", 65_500), ("WEBP", 16_383)])
def test_the_largest_edge(format: str, edge: int) -> None:
    assert opened(Picture(np.zeros((1, edge, 3))), format).size == (edge, 1)
    for shape in ((1, edge + 1, 3), (edge + 1, 1, 3)):
        with pytest.raises(OutputError, match=f"{edge} along an edge"):
            encode_image(Picture(np.zeros(shape)), format)
    assert opened(Picture(np.zeros((1, edge + 1, 3))), "PNG").size == (edge + 1, 1)


@pytest.mark.parametrize("quality", [95, 100])
def test_a_detailed_jpeg_fits_its_buffer(quality: int, capfd: pytest.CaptureFixture[str]) -> None:
    # Pillow alone ends here with "broken data stream" and a line from libjpeg on standard error.
    noise = np.random.default_rng(0).integers(0, 2, (400, 600, 3), dtype=np.uint8) * 255
    before = ImageFile.MAXBLOCK
    assert opened(Picture.from_array(noise), "JPEG", quality=quality).size == (600, 400)
    assert before == ImageFile.MAXBLOCK
    assert capfd.readouterr().err == ""
