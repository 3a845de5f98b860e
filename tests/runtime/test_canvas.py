"""Sizes that strides divide."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pixelgrad.runtime.canvas import Canvas
from pixelgrad.runtime.images import resize

EDGES, STEPS = st.integers(1, 90), st.sampled_from([1, 2, 8, 16])


@given(width=EDGES, height=EDGES, step=STEPS)
def test_a_picture_is_continued_to_a_multiple_by_what_is_in_it(width: int, height: int, step: int) -> None:
    image = np.random.default_rng(width).random((1, 3, height, width))
    canvas = Canvas(step)
    found = canvas.extended(image)
    assert found.shape[3:1:-1] == canvas.size(width, height)
    assert all(0 <= more < step for more in (found.shape[2] - height, found.shape[3] - width))
    assert all(edge % step == 0 for edge in found.shape[2:])
    np.testing.assert_array_equal(found[:, :, :height, :width], image)
    for beyond in range(height, min(found.shape[2], 2 * height)):
        np.testing.assert_array_equal(found[:, :, beyond, :width], image[:, :, 2 * height - 1 - beyond])


@given(width=EDGES, height=EDGES, step=STEPS)
def test_a_reference_loses_less_than_a_step(width: int, height: int, step: int) -> None:
    """A small one loses nothing, since that would be much of it."""
    image = np.random.default_rng(height).random((1, 3, height, width))
    found = Canvas(step).trimmed(image)
    for before, after in zip(image.shape[2:], found.shape[2:], strict=True):
        assert after == (before if before < 4 * step else before // step * step)
    top, left = (height - found.shape[2]) // 2, (width - found.shape[3]) // 2
    np.testing.assert_array_equal(found, image[:, :, top : top + found.shape[2], left : left + found.shape[3]])


def test_growing_is_of_the_picture_alone() -> None:
    """What lies beyond it is made anew."""
    canvas, rng = Canvas(16), np.random.default_rng(0)
    picture = rng.random((1, 3, 20, 30), dtype=np.float32)
    worked = canvas.extended(picture)
    worked[:, :, 20:] = worked[:, :, :, 30:] = 7.0
    found = canvas.growing((30, 20), (45, 30))(worked, (48, 32), "bicubic")
    np.testing.assert_allclose(found, canvas.extended(resize(picture, (45, 30), "bicubic")))


def test_what_wraps_is_resampled_as_a_plane_of_it() -> None:
    rng = np.random.default_rng(1)
    picture = rng.random((1, 3, 12, 20), dtype=np.float32)
    plane = np.tile(picture, (1, 1, 3, 3))
    for size in ((30, 18), (16, 10)):
        expected = resize(plane, (3 * size[0], 3 * size[1]))[:, :, size[1] : 2 * size[1], size[0] : 2 * size[0]]
        np.testing.assert_allclose(resize(picture, size, wraps=True), expected, atol=1e-5)
        assert np.abs(resize(picture, size) - expected).max() > 0.01
