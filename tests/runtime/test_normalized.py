"""Steps of one size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixelgrad.runtime.optimizers import Conditioning, NormalizedGradient
from pixelgrad.runtime.optimizers.normalized import _pyramid
from pixelgrad.runtime.parameters.colour import AXES

Array = np.ndarray[Any, Any]


def grey(height: int = 24, width: int = 40) -> Array:
    return np.full((1, 3, height, width), 0.5, np.float32)


def noise(height: int = 24, width: int = 40, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal((1, 3, height, width)).astype(np.float32)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("bands", [1, 4])
def test_a_step_moves_the_average_pixel_by_the_rate(scale: float, bands: int) -> None:
    optimizer = NormalizedGradient(grey(), 0.01, Conditioning(bands))
    optimizer.update(0.0, noise() * np.float32(scale))
    moved = optimizer.result - grey()
    assert np.abs(moved).mean() == pytest.approx(0.01, rel=1e-3)
    assert float((moved * noise()).sum()) < 0  # downhill


def test_nothing_to_follow_is_no_step() -> None:
    optimizer = NormalizedGradient(grey(), 0.01, Conditioning(3))
    optimizer.update(0.0, np.zeros_like(grey()))
    np.testing.assert_array_equal(optimizer.result, grey())


def test_the_image_stays_in_its_range() -> None:
    optimizer = NormalizedGradient(grey(), 2.0)
    optimizer.update(0.0, noise())
    assert (optimizer.result.min(), optimizer.result.max()) == (0.0, 1.0)


@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 6))
def test_the_bands_sum_to_the_gradient(height: int, width: int, bands: int) -> None:
    gradient = noise(height, width)
    parts = _pyramid(gradient, bands)
    assert len(parts) == bands
    np.testing.assert_allclose(sum(parts), gradient, atol=1e-5)


def test_bands_even_out_coarse_and_fine() -> None:
    """A gradient of fine noise and a slope a hundred times weaker: the slope comes through."""
    slope = np.broadcast_to(np.linspace(-1, 1, 64, dtype=np.float32), (1, 3, 64, 64))
    gradient = noise(64, 64) + 0.01 * slope

    def share(bands: int) -> float:
        optimizer = NormalizedGradient(grey(64, 64), 0.01, Conditioning(bands))
        optimizer.update(0.0, gradient)
        moved = optimizer.result - grey(64, 64)
        return -float(np.corrcoef(moved.ravel(), slope.ravel())[0, 1])

    assert share(5) > 4 * share(1)


def test_natural_colours_are_mostly_brightness() -> None:
    """Independent noise in each channel becomes correlated, as the channels of photographs are."""

    def correlation(mix: float) -> float:
        optimizer = NormalizedGradient(grey(), 0.01, Conditioning(natural_color=mix))
        optimizer.update(0.0, noise())
        red, green, _ = (optimizer.result - grey())[0].reshape(3, -1)
        return float(np.corrcoef(red, green)[0, 1])

    assert abs(correlation(0.0)) < 0.1
    assert correlation(1.0) > 0.9


@pytest.mark.parametrize("gradient", [noise(), noise() * np.array([1, 1e-3, 1e-3], np.float32)[:, None, None]])
def test_every_axis_of_natural_colour_goes_its_own_length(gradient: Array) -> None:
    """Whatever the gradient's own colour: a network for which blue and yellow hardly count moves them all the same."""
    optimizer = NormalizedGradient(grey(), 0.01, Conditioning(natural_color=1.0))
    optimizer.update(0.0, gradient)
    along = np.linalg.inv(AXES) @ (optimizer.result - grey())[0].reshape(3, -1)
    sizes = np.abs(along).mean(axis=1)
    np.testing.assert_allclose(sizes / sizes[0], 1, rtol=1e-2)


def test_momentum_goes_on_in_the_next_step() -> None:
    def moved(momentum: float) -> Array:
        optimizer = NormalizedGradient(grey(), 0.01, Conditioning(momentum=momentum))
        optimizer.update(0.0, noise(seed=1))
        before = optimizer.result
        optimizer.update(0.0, noise(seed=2))
        return before - optimizer.result

    np.testing.assert_allclose(np.abs(moved(0.8)).mean(), 0.01, rtol=1e-3)
    for momentum, share in ((0.0, 0.0), (0.5, 1 / np.sqrt(2)), (0.8, 0.8 / np.hypot(0.8, 0.2))):
        found = np.corrcoef(moved(momentum).ravel(), noise(seed=1).ravel())[0, 1]
        assert found == pytest.approx(share, abs=0.05)


@pytest.mark.parametrize("deviation", [0.3, 0.8, 2.5])
def test_the_blur_is_gaussian(deviation: float) -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    image = np.random.default_rng(1).random((1, 3, 30, 26), dtype=np.float32)
    optimizer = NormalizedGradient(image, 0.0, Conditioning(blur=deviation))
    optimizer.update(0.0, np.zeros_like(image))
    radius = max(1, round(3 * deviation))
    expected = ndimage.gaussian_filter(
        image, (0, 0, deviation, deviation), mode="nearest", radius=(0, 0, radius, radius)
    )
    np.testing.assert_allclose(optimizer.result, expected, atol=1e-5)


def test_resized_goes_on_from_the_result() -> None:
    optimizer = NormalizedGradient(grey(), 0.1, Conditioning(2)).resized(20, 12)
    assert optimizer.image.shape == (1, 3, 12, 20)
    assert optimizer.rate == 0.1
    assert optimizer.conditioning.bands == 2
