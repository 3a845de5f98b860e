"""What keeps pictures to the contrast of photographs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.data import shared
from hypothesis import given
from hypothesis import strategies as st

from pixelgrad.runtime import read_image
from pixelgrad.runtime.tasks.keeping import Keeper

GREY = 0.45


def grey(height: int, width: int) -> Any:
    return np.full((1, 3, height, width), GREY, np.float32)


def wave(period: float, amplitude: float, height: int = 64, width: int = 96) -> Any:
    """A grey cosine along the rows, on mid grey; it is even at both edges."""
    image = grey(height, width)
    image += np.float32(amplitude) * np.cos(2 * np.pi * (np.arange(width) + 0.5) / period).astype(np.float32)
    return image


@given(st.integers(8, 70), st.integers(8, 70), st.integers(0, 99), st.sampled_from([0.5, 1.25]))
def test_the_picture_itself_is_left_as_it_is(height: int, width: int, seed: int, contrast: float) -> None:
    """Whatever it is: noise of full contrast has far more than a photograph."""
    image = np.random.default_rng(seed).random((1, 3, height, width), dtype=np.float32)
    held = Keeper(image, contrast)(image)
    assert held.dtype == np.float32
    np.testing.assert_allclose(held, image, atol=2e-5)


@pytest.mark.parametrize("period", [4.8, 12.0, 48.0])
def test_a_wave_is_held_to_a_strength_that_does_not_depend_on_its_own(period: float) -> None:
    keep = Keeper(grey(64, 96), 0.5)
    weak, strong, glaring = (keep(wave(period, amplitude)) - GREY for amplitude in (0.001, 0.2, 0.5))
    np.testing.assert_allclose(weak, wave(period, 0.001) - GREY, atol=1e-5)
    assert strong.std() < 0.6 * (wave(period, 0.2) - GREY).std()
    assert glaring.std() == pytest.approx(strong.std(), rel=0.1)
    # Twice the contrast is twice the strength.
    assert (Keeper(grey(64, 96), 0.25)(wave(period, 0.2)) - GREY).std() == pytest.approx(strong.std() / 2, rel=0.1)


def test_one_octave_does_not_pay_for_another() -> None:
    keep, fine, coarse = Keeper(grey(64, 96), 0.5), wave(6.0, 0.005) - GREY, wave(48.0, 0.3)
    added = keep(coarse + fine) - keep(coarse)
    assert np.vdot(added, fine) / np.vdot(fine, fine) == pytest.approx(1, abs=0.1)


def test_edges_make_no_waves() -> None:
    """A ramp from dark to light would, if the picture were continued by itself."""
    ramp = grey(64, 96) + np.linspace(-0.05, 0.05, 96, dtype=np.float32)
    np.testing.assert_allclose(Keeper(grey(64, 96), 1.25)(ramp), ramp, atol=1e-3)


def test_the_mean_colour_is_drawn_to_the_first_pictures() -> None:
    keep, image = Keeper(grey(32, 48), 1.0), grey(32, 48) + np.float32(0.2)
    distances = []
    for _ in range(60):
        image = keep(image)
        distances.append(float(np.abs(image.mean((2, 3)) - GREY).max()))
    assert distances[0] == pytest.approx(0.19, abs=1e-3)
    assert distances[-1] < 0.2 * 0.96**60


def test_photographs_have_the_contrast_of_photographs() -> None:
    """Held to once their strength, Kodak's lose little."""
    left = []
    for number in range(1, 25, 4):
        image = read_image(shared(f"images/kodak/kodim{number:02}.png")).resized(192, 128).to_nchw()
        flat = np.broadcast_to(image.mean((2, 3), keepdims=True), image.shape)
        left.append(Keeper(flat, 1.0)(image).std() / image.std())
    assert 0.75 < np.mean(left) < 0.98
