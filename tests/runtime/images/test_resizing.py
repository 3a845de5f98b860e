"""fit_size and resize."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pixelgrad.errors import SettingsError
from pixelgrad.runtime.images import fit_size, resize

EDGES = st.integers(1, 20_000)


@given(EDGES, EDGES, EDGES)
def test_fit_size_keeps_the_ratio_to_the_nearest_pixel(width: int, height: int, long_edge: int) -> None:
    fitted = fit_size(width, height, long_edge)
    assert max(fitted) == long_edge
    assert min(fitted) >= 1
    for edge, original in zip(fitted, (width, height), strict=True):
        exact = Fraction(original * long_edge, max(width, height))
        assert abs(edge - exact) <= Fraction(1, 2) or (edge == 1 and exact < 1)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((4000, 3000, 512), (512, 384)),
        ((3000, 4000, 512), (384, 512)),
        ((10, 5, 5), (5, 3)),  # 2.5 rounds up
        ((1000, 1, 10), (10, 1)),
        ((7, 7, 7), (7, 7)),
    ],
)
def test_fit_size_examples(arguments: tuple[int, int, int], expected: tuple[int, int]) -> None:
    assert fit_size(*arguments) == expected


@pytest.mark.parametrize("bad", [0, -1, 1.5, "8", None, True])
def test_sizes_are_whole_numbers_of_at_least_one(bad: Any) -> None:
    for arguments in ((bad, 8, 8), (8, bad, 8), (8, 8, bad)):
        with pytest.raises(SettingsError, match="at least 1"):
            fit_size(*arguments)
    for size in ((bad, 8), (8, bad)):
        with pytest.raises(SettingsError, match="at least 1"):
            resize(np.zeros((4, 4), np.float32), size)


@pytest.mark.parametrize("filter", ["lanczos", "bicubic", "bilinear"])
@pytest.mark.parametrize("size", [(3, 2), (31, 17), (8, 6)])
def test_all_layouts_agree_with_pillow_plane_by_plane(filter: Any, size: tuple[int, int]) -> None:
    array = np.random.default_rng(1).normal(size=(6, 8, 3)).astype(np.float32)
    method = getattr(Image.Resampling, filter.upper())
    planes = [np.asarray(Image.fromarray(array[..., c].copy()).resize(size, method)) for c in range(3)]
    expected = np.stack(planes, axis=-1)
    width, height = size
    np.testing.assert_array_equal(resize(array, size, filter), expected)
    np.testing.assert_array_equal(resize(array[..., 1], size, filter), expected[..., 1])
    nchw = resize(array.transpose(2, 0, 1)[None], size, filter)
    assert nchw.shape == (1, 3, height, width)
    assert nchw.dtype == np.float32
    np.testing.assert_array_equal(nchw[0].transpose(1, 2, 0), expected)


def test_shrinking_is_antialiased() -> None:
    checkerboard = (np.indices((64, 64)).sum(axis=0) % 2).astype(np.float32)
    shrunk = resize(checkerboard, (8, 8))
    assert np.abs(shrunk - 0.5).max() < 0.02  # picking samples would leave zeros and ones


def test_precision_is_beyond_8_bits() -> None:
    ramp = np.linspace(0.5, 0.501, 64, dtype=np.float32)[None].repeat(64, axis=0)
    assert len(np.unique(resize(ramp, (32, 32), "bilinear"))) >= 30


def test_clip_is_on_request_only() -> None:
    step = np.zeros((16, 16), np.float32)
    step[:, 8:] = 1
    free, clipped = resize(step, (33, 33)), resize(step, (33, 33), clip=True)
    assert free.min() < -0.01
    assert free.max() > 1.01
    np.testing.assert_array_equal(clipped, free.clip(0, 1))


def test_the_result_is_new_and_the_argument_untouched() -> None:
    array = np.random.default_rng(0).random((5, 5)).astype(np.float32)
    before = array.copy()
    result = resize(array, (5, 5))
    result[:] = 7
    np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 4), np.uint8), "uint8"),
        (np.zeros((2, 3, 4, 4), np.float32), r"\[2, 3, 4, 4\]"),
        (np.zeros(4, np.float32), r"\[4\]"),
        (np.zeros((0, 4), np.float32), "empty"),
    ],
)
def test_arrays_that_cannot_be_resized(array: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        resize(array, (2, 2))


def test_an_unknown_filter_lists_those_there_are() -> None:
    with pytest.raises(SettingsError, match="lanczos, bicubic, bilinear"):
        resize(np.zeros((4, 4), np.float32), (2, 2), "nearest")  # type: ignore[arg-type]
