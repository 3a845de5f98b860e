"""The Picture type: what it holds, what it refuses, what it turns into."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pixelgrad.errors import ImageError, SettingsError
from pixelgrad.runtime.images import Picture, read_image

from .samples import gradient

RNG = np.random.default_rng(0)
PIXELS = RNG.random((5, 7, 3)).astype(np.float32)
ALPHA = RNG.random((5, 7)).astype(np.float32)


def test_properties() -> None:
    picture = Picture(PIXELS, ALPHA, {"seed": 1}, warnings=["w"])
    assert picture.size == (7, 5)
    assert picture.pixels.dtype == np.float32
    np.testing.assert_array_equal(picture.pixels, PIXELS)
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.alpha, ALPHA)
    assert picture.recipe == {"seed": 1}
    assert picture.warnings == ("w",)
    plain = Picture(PIXELS)
    assert plain.alpha is None
    assert plain.recipe is None
    assert plain.warnings == ()


def test_nothing_in_it_can_be_changed() -> None:
    pixels, alpha, recipe = PIXELS.copy(), ALPHA.copy(), {"layers": ["relu1_1"]}
    picture = Picture(pixels, alpha, recipe)
    pixels[:] = 0
    alpha[:] = 0
    recipe["layers"].append("relu2_1")
    assert picture == Picture(PIXELS, ALPHA, {"layers": ["relu1_1"]})
    copied = picture.recipe
    assert copied is not None
    copied["layers"].clear()
    assert picture.recipe == {"layers": ["relu1_1"]}
    assert picture.alpha is not None
    for array in (picture.pixels, picture.alpha, np.asarray(picture)):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 0
    for name in ("pixels", "alpha", "recipe", "size", "anything"):
        with pytest.raises(AttributeError):
            setattr(picture, name, None)


def test_a_read_only_view_of_somebody_elses_array_is_copied() -> None:
    owner = PIXELS.copy()
    view = owner[:]
    view.flags.writeable = False
    picture = Picture(view)
    owner[:] = 0
    np.testing.assert_array_equal(picture.pixels, PIXELS)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((4, 4), np.float32), "must be floating point"),
        (np.zeros((4, 4, 4), np.float32), "must be floating point"),
        (np.zeros((1, 3, 4, 4), np.float32), "from_nchw"),
        (np.zeros((4, 4, 3), np.uint8), "from_array"),
        (np.zeros((0, 4, 3), np.float32), "empty"),
        (np.full((4, 4, 3), np.nan, np.float32), "NaN"),
        (np.full((4, 4, 3), np.inf, np.float32), "NaN or infinite"),
        (np.full((4, 4, 3), 200, np.float32), "divide by the largest"),
        (np.full((4, 4, 3), -0.5, np.float32), r"from -0.5 to"),
    ],
)
def test_pixels_that_are_refused(pixels: Any, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        Picture(pixels)


@pytest.mark.parametrize(
    "alpha",
    [np.zeros((7, 5), np.float32), np.zeros((5, 7), np.uint8), np.full((5, 7), 2.0), np.full((5, 7), np.nan)],
)
def test_alpha_that_is_refused(alpha: Any) -> None:
    with pytest.raises(ImageError, match="alpha"):
        Picture(PIXELS, alpha)


@pytest.mark.parametrize("recipe", [["a list"], {"x": float("nan")}, {"x": object()}, {1: 2, "a": 3}, {"x": "\ud800"}])
def test_recipes_that_are_refused(recipe: Any) -> None:
    with pytest.raises(SettingsError, match="recipe"):
        Picture(PIXELS, recipe=recipe)


def test_rounding_noise_is_clipped() -> None:
    noisy = np.array([[[-0.001, 0.5, 1.001]]])
    np.testing.assert_array_equal(Picture(noisy).pixels, np.array([[[0, 0.5, 1]]], np.float32))


def test_equality() -> None:
    picture = Picture(PIXELS, ALPHA, {"a": 1, "b": 2})
    assert picture == Picture(PIXELS, ALPHA, {"b": 2, "a": 1}, warnings=["not part of it"])
    assert picture != Picture(1 - PIXELS, ALPHA, {"a": 1, "b": 2})
    assert picture != Picture(PIXELS, 1 - ALPHA, {"a": 1, "b": 2})
    assert picture != Picture(PIXELS, None, {"a": 1, "b": 2})
    assert picture != Picture(PIXELS, ALPHA)
    assert picture != Picture(PIXELS[:4], ALPHA[:4], {"a": 1, "b": 2})
    assert picture != "a picture"
    with pytest.raises(TypeError):
        hash(picture)


def test_repr() -> None:
    assert repr(Picture(PIXELS)) == "<Picture 7 x 5, RGB>"
    assert repr(Picture(PIXELS, ALPHA, {}, warnings=["no profile"])) == (
        "<Picture 7 x 5, RGBA, with recipe, warning: no profile>"
    )


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
def test_copies_and_pickles(clone: Any) -> None:
    picture = Picture(PIXELS, ALPHA, {"a": 1}, warnings=["w"])
    other = clone(picture)
    assert other == picture
    assert other.warnings == ("w",)
    assert not other.pixels.flags.writeable


def test_to_pil_rounds_half_up_and_keeps_every_8_bit_value() -> None:
    levels = np.arange(256, dtype=np.uint8)
    all_levels = np.repeat(levels.reshape(16, 16, 1), 3, axis=2)
    np.testing.assert_array_equal(np.asarray(Picture.from_array(all_levels).to_pil()), all_levels)
    halves = np.array([0.5, 1.5, 2.5, 253.5, 254.5]) / 255  # banker's rounding would give 0, 2, 2, 254, 254
    samples = np.nextafter(halves.astype(np.float32), np.float32(1))[None, :, None].repeat(3, axis=2)
    assert np.asarray(Picture(samples).to_pil())[0, :, 0].tolist() == [1, 2, 3, 254, 255]


def test_to_pil_modes() -> None:
    assert Picture(PIXELS).to_pil().mode == "RGB"
    image = Picture(PIXELS, ALPHA).to_pil()
    assert image.mode == "RGBA"
    np.testing.assert_array_equal(np.asarray(image)[..., 3], np.floor(ALPHA * 255 + 0.5).astype(np.uint8))


def test_nchw_round_trip() -> None:
    array = Picture(PIXELS).to_nchw()
    assert array.shape == (1, 3, 5, 7)
    assert array.dtype == np.float32
    assert array.flags.c_contiguous
    assert array.flags.writeable
    np.testing.assert_array_equal(array[0, 2], PIXELS[..., 2])
    assert Picture.from_nchw(array, ALPHA, {"a": 1}) == Picture(PIXELS, ALPHA, {"a": 1})


def test_from_nchw_clips_but_refuses_what_is_not_a_number() -> None:
    array = np.array([-3, 0.25, 7], np.float32).reshape(1, 3, 1, 1)
    assert Picture.from_nchw(array).pixels.ravel().tolist() == [0, 0.25, 1]
    for bad in (np.nan, np.inf):
        with pytest.raises(ImageError, match="NaN or infinite"):
            Picture.from_nchw(np.full((1, 3, 2, 2), bad, np.float32))
    for shape in ((3, 2, 2), (2, 3, 2, 2), (1, 4, 2, 2)):
        with pytest.raises(ImageError, match=r"\[1, 3, H, W\]"):
            Picture.from_nchw(np.zeros(shape, np.float32))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_from_array_scales_integers_by_their_largest_value(dtype: Any) -> None:
    top = np.iinfo(dtype).max
    samples = np.array([[[0, top // 2, top]]], dtype)
    np.testing.assert_array_equal(Picture.from_array(samples).pixels, (samples / np.float64(top)).astype(np.float32))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_from_array_takes_floats_as_they_are(dtype: Any) -> None:
    samples = PIXELS.astype(dtype)
    np.testing.assert_array_equal(Picture.from_array(samples).pixels, samples.astype(np.float32))


def test_from_array_layouts() -> None:
    grey = gradient(bands=1)
    expected = np.repeat(grey, 3, axis=2) / np.float32(255)
    for array in (grey, grey[..., 0]):
        picture = Picture.from_array(array)
        np.testing.assert_array_equal(picture.pixels, expected)
        assert picture.alpha is None
    rgba = gradient(bands=4)
    picture = Picture.from_array(rgba)
    np.testing.assert_array_equal(picture.pixels, rgba[..., :3] / np.float32(255))
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.alpha, rgba[..., 3] / np.float32(255))
    assert Picture.from_array(np.array([[True, False]])).pixels[0, :, 0].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 4, 2), np.uint8), r"\[H, W, 4\]"),
        (np.zeros(4, np.uint8), r"shape \[4\]"),
        (np.zeros((3, 8, 8), np.uint8), "transpose"),
        (np.zeros((1, 3, 8, 8), np.float32), "from_nchw"),
        (np.zeros((0, 8, 3), np.uint8), "empty"),
        (np.zeros((8, 8), np.int64), "int64"),
        (np.zeros((8, 8), np.complex64), "complex64"),
        (np.zeros((8, 8), object), "object"),
        (np.full((8, 8), np.nan), "NaN"),
        (np.full((8, 8), 255.0), r"must lie in \[0, 1\]"),
    ],
)
def test_arrays_that_are_refused(array: Any, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        Picture.from_array(array)


def test_array_protocol() -> None:
    picture = Picture(PIXELS)
    assert np.asarray(picture) is picture.pixels
    assert np.array(picture).flags.writeable
    assert np.asarray(picture, dtype=np.float64).dtype == np.float64
    if np.lib.NumpyVersion(np.__version__) >= "2.0.0":
        with pytest.raises(ValueError, match="copy"):
            np.asarray(picture, dtype=np.float64, copy=False)


def test_it_shows_itself_in_a_notebook_without_its_recipe() -> None:
    picture = Picture(PIXELS, ALPHA, {"secret": "sauce"})
    data = picture._repr_png_()
    assert b"sauce" not in data
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), np.asarray(picture.to_pil()))


def test_resized() -> None:
    picture = Picture(PIXELS, recipe={"a": 1}).resized(14, 3)
    assert picture.size == (14, 3)
    assert picture.recipe is None
    assert picture.pixels.min() >= 0
    assert picture.pixels.max() <= 1
    with pytest.raises(SettingsError, match="at least 1"):
        picture.resized(0, 3)


def test_resizing_does_not_let_hidden_colour_bleed() -> None:
    pixels = np.zeros((32, 32, 3), np.float32)
    pixels[:, :16] = (1, 0, 0)  # opaque red beside hidden black
    alpha = np.zeros((32, 32), np.float32)
    alpha[:, :16] = 1
    small = Picture(pixels, alpha).resized(7, 7)
    assert small.alpha is not None
    visible = small.alpha > 0.05
    assert visible.any()
    assert not visible.all()
    np.testing.assert_allclose(small.pixels[visible], [[1, 0, 0]] * visible.sum(), atol=0.02)


def test_flattened_lies_on_white() -> None:
    picture = Picture(np.zeros((1, 3, 3)), np.array([[0, 0.25, 1]]), {"a": 1}).flattened()
    assert picture.alpha is None
    assert picture.recipe == {"a": 1}
    assert picture.pixels[0, :, 0].tolist() == [1, 0.75, 0]
    plain = Picture(PIXELS)
    assert plain.flattened() is plain


def test_integers_of_8_bits_and_of_16() -> None:
    """Only what is no file can have 8 bits: a file of 16 that is dark stays so."""
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    found = Picture.from_pil(Image.fromarray(grey).convert("I")).pixels
    np.testing.assert_allclose(found[..., 0], grey / 255, rtol=1e-6)
    bright = Image.fromarray(grey.astype(np.int32) * 257)
    np.testing.assert_allclose(Picture.from_pil(bright).pixels[..., 0], grey / 255, rtol=1e-6)
    for mode in ("I", "I;16"):
        dark = Image.fromarray(grey.astype(np.int32 if mode == "I" else np.uint16))
        assert dark.mode == mode
        dark.format = "PNG"  # as older versions of Pillow open one of 16 bits
        np.testing.assert_allclose(Picture.from_pil(dark).pixels[..., 0], grey / 65535, rtol=1e-6)


def test_from_pil_leaves_the_image_as_it_was() -> None:
    image = Image.fromarray(gradient(bands=4))
    image.info["note"] = "mine"
    before = image.tobytes()
    picture = Picture.from_pil(image)
    assert image.tobytes() == before
    assert image.info == {"note": "mine"}
    assert picture == read_image(image)
    assert picture.to_pil().tobytes() == before
