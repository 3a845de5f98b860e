"""Parameterisations: right pictures, and gradients that finite differences agree with."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from helpers.data import shared
from hypothesis import given, settings
from hypothesis import strategies as st

from pixelgrad.errors import SettingsError
from pixelgrad.runtime.images import read_image, resize
from pixelgrad.runtime.parameters import Fourier, Parameters, Phase, Pixels, make_parameters
from pixelgrad.runtime.parameters.colour import AXES, from_axes, to_axes
from pixelgrad.runtime.parameters.nature import CONTRAST, natural_magnitude
from pixelgrad.runtime.parameters.spectrum import frequencies, image_of, spectrum_of

SIZES = st.integers(2, 13)


def parameters(name: str, height: int, width: int) -> Parameters:
    return make_parameters(name, height, width)


@pytest.mark.parametrize("name", ["fourier", "maco", "pixels"])
@given(height=SIZES, width=SIZES, seed=st.integers(0, 99))
@settings(max_examples=25)
def test_the_gradient_is_that_of_finite_differences(name: str, height: int, width: int, seed: int) -> None:
    """Along a random direction, for the loss sum(cotangent * image): central differences in a wide enough step."""
    rng = np.random.default_rng(seed)
    made = parameters(name, height, width)
    start = made.start(2, rng)
    values = start + (0.3 * rng.standard_normal(start.shape)).astype(np.float32)
    direction = rng.standard_normal(values.shape).astype(np.float32)
    cotangent = rng.standard_normal((2, 3, height, width)).astype(np.float32)
    step = np.float32(2e-3)

    def loss(at: Any) -> float:
        return float((made.image(at).astype(np.float64) * cotangent).sum())

    expected = (loss(values + step * direction) - loss(values - step * direction)) / (2 * float(step))
    gradient = made.gradient(values, made.image(values), cotangent)
    assert gradient.shape == values.shape
    assert gradient.dtype == np.float32
    found = float((gradient.astype(np.float64) * direction).sum())
    size = float(np.linalg.norm(gradient) * np.linalg.norm(direction))
    assert found == pytest.approx(expected, abs=2e-3 * size + 1e-4)


@given(height=SIZES, width=SIZES, seed=st.integers(0, 99))
@settings(max_examples=25)
def test_the_transform_and_its_adjoint(height: int, width: int, seed: int) -> None:
    """<F'v, x> = <v, Fx> over real and imaginary parts, for even and odd sizes."""
    rng = np.random.default_rng(seed)
    shape = (3, height, width // 2 + 1)
    spectrum = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)
    pixels = rng.standard_normal((3, height, width)).astype(np.float32)
    received = spectrum_of(pixels)
    one = float((image_of(spectrum, height, width) * pixels).sum())
    other = float((spectrum.real * received.real + spectrum.imag * received.imag).sum())
    assert one == pytest.approx(other, abs=1e-4 * float(np.linalg.norm(spectrum) * np.linalg.norm(pixels)))


def test_colour_axes_and_their_adjoint() -> None:
    rng = np.random.default_rng(0)
    values, cotangent = rng.standard_normal((2, 2, 3, 4, 5)).astype(np.float32)
    assert float((from_axes(values) * cotangent).sum()) == pytest.approx(
        float((values * to_axes(cotangent)).sum()), rel=1e-4
    )
    # The first axis is brightness: about the same in red, green and blue. It varies most.
    assert np.ptp(AXES[:, 0]) < 0.05
    assert np.linalg.norm(AXES, axis=0).argmax() == 0
    assert np.linalg.norm(AXES, axis=0).max() == pytest.approx(1)


def test_the_start_is_the_mean_colour_of_natural_images() -> None:
    made = Fourier(32, 48)
    image = made.image(made.start(1, np.random.default_rng(0)))
    assert image.shape == (1, 3, 32, 48)
    assert image.dtype == np.float32
    np.testing.assert_allclose(image.mean((0, 2, 3)), [0.48, 0.46, 0.41], atol=0.02)


def test_fourier_moves_low_frequencies_further() -> None:
    """Of equal coefficients, one cycle per picture stands out 8 times as much as eight; and near the cut, more yet."""
    made = Fourier(64, 64, decorrelate=False, cut=0.0)
    spread = []
    for cycles in (1, 8):
        values = np.zeros((1, 3, 64, 33, 2), np.float32)
        values[0, 0, 0, cycles, 0] = 0.02
        spread.append(float(np.ptp(made.image(values)[0, 0])))
    assert spread[0] / spread[1] == pytest.approx(8, rel=0.02)


def test_the_cut_takes_out_fine_waves_only() -> None:
    values = np.zeros((1, 3, 64, 33, 2), np.float32)
    for cycles, kept in ((4, 1.0), (16, 0.5), (30, 1 / (1 + (30 / 16) ** 4))):
        values[:] = 0
        values[0, 0, 0, cycles, 0] = 0.02
        spread = [float(np.ptp(Fourier(64, 64, decorrelate=False, cut=cut).image(values)[0, 0])) for cut in (0.25, 0.0)]
        assert spread[0] / spread[1] == pytest.approx(kept, rel=0.02)


@pytest.mark.parametrize("name", ["fourier", "maco", "pixels"])
@pytest.mark.parametrize(("small", "large"), [(32, 45), (33, 48), (48, 67)])
def test_a_larger_size_shows_the_same_picture(name: str, small: int, large: int) -> None:
    rng = np.random.default_rng(0)
    coarse, fine = make_parameters(name, small, small), make_parameters(name, large, large)
    values = coarse.start(1, rng) * np.float32(20 if name == "fourier" else 1)
    grown = coarse.resized(values, np.zeros_like(fine.start(1, rng)), large, large)
    before = coarse.image(values)
    after = resize(fine.image(grown), (small, small), "bilinear")
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > (0.99 if name == "fourier" else 0.9)


def test_maco_keeps_the_magnitude_whatever_the_phase() -> None:
    """The logits' spectrum is the same before and after a change of phase, and falls as photographs' does."""
    made = Phase(32, 32)
    magnitudes = []
    for seed in (0, 1):
        logits = made.logits(made.start(1, np.random.default_rng(seed)))
        magnitudes.append(np.abs(np.fft.rfft2(logits, norm="ortho"))[0, :, :, 1:16])
        np.testing.assert_allclose(logits[0].std((1, 2)), 1.75, rtol=0.2)
    np.testing.assert_allclose(magnitudes[0], magnitudes[1], rtol=1e-3)
    for axis, exponent in enumerate((1.22, 1.35, 1.28)):
        ratio = magnitudes[0][axis] * frequencies(32, 32)[:, 1:16] ** exponent
        np.testing.assert_allclose(ratio, ratio.mean(), rtol=1e-3)


def test_the_magnitude_of_maco_falls_as_that_of_photographs() -> None:
    """The exponent of each colour, in the mean over photographs, is the law's to 0.12."""
    size = 224
    window = np.hanning(size)[:, None] * np.hanning(size)[None]
    f = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    edges = np.geomspace(2 / size, 0.5, 9)
    made = Phase(size, size)
    drawn = made.logits(made.start(1, np.random.default_rng(0)))[0]

    def slopes(planes: Any) -> Any:
        magnitude = np.abs(np.fft.rfft2((planes - planes.mean((1, 2), keepdims=True)) * window))
        rings = [(f >= low) & (f < high) for low, high in pairwise(edges)]
        levels = np.log([[plane[ring].mean() for plane in magnitude] for ring in rings])
        return np.polyfit(np.log([f[ring].mean() for ring in rings]), levels, 1)[0]

    found = []
    for name in ("photos/chelsea", "kodak/kodim05", "kodak/kodim13", "kodak/kodim15", "kodak/kodim23"):
        picture = read_image(shared(f"images/{name}.png"))
        edge = min(picture.size)
        square = np.ascontiguousarray(picture.pixels[:edge, :edge].transpose(2, 0, 1)[None])
        small = resize(square, (size, size), "lanczos")[0].clip(1 / 64, 63 / 64)
        found.append(slopes(np.einsum("ac,cyx->ayx", np.linalg.inv(AXES), np.log(small / (1 - small)))))
    np.testing.assert_allclose(slopes(drawn), np.mean(found, 0), atol=0.12)


def test_pixels_are_their_own_parameters() -> None:
    values = np.zeros((1, 3, 4, 4), np.float32)
    values[0, 0, 1, 2] = 50
    image = Pixels(4, 4).image(values)
    assert image[0, 0, 1, 2] == pytest.approx(1)
    assert np.count_nonzero(image != 0.5) == 1


def test_an_unknown_name() -> None:
    with pytest.raises(SettingsError, match="the parameters are 'wavelets'; they must be one of fourier, maco, pixels"):
        make_parameters("wavelets", 8, 8)


@given(height=st.integers(4, 40), width=st.integers(4, 40), seed=st.integers(0, 99))
@settings(max_examples=25)
def test_no_octave_is_held_stronger_than_in_photographs(height: int, width: int, seed: int) -> None:
    """Along each axis, its energy is that of photographs where it was more, and what it was where it was less."""
    rng = np.random.default_rng(seed)
    made = Fourier(height, width, contrast=0.5)
    values = made.start(2, rng) * rng.uniform(1, 3000, (2, 3, height, 1, 1)).astype(np.float32)
    held = made.held(values)
    octaves = np.floor(np.log2(np.maximum(frequencies(height, width) * max(height, width), 1))).astype(int)

    def energy(at: Any, octave: int) -> Any:
        spectrum = at.view(np.complex64)[..., 0] * made._scale
        return (np.abs(spectrum[..., octaves == octave].astype(np.complex128)) ** 2).sum(-1)

    natural = natural_magnitude(height, width, contrast=0.5 * CONTRAST).astype(np.float64) ** 2
    for octave in range(octaves.max() + 1):
        most = natural[:, octaves == octave].sum(-1)
        np.testing.assert_allclose(energy(held, octave), np.minimum(energy(values, octave), most), rtol=1e-3)
    np.testing.assert_allclose(made.held(held), held, rtol=1e-4)


def test_without_a_limit_values_stay_what_they_are() -> None:
    values = 1000 * Fourier(16, 12).start(1, np.random.default_rng(0))
    for made in (Fourier(16, 12), Fourier(16, 12, decorrelate=False, contrast=1.0)):
        np.testing.assert_array_equal(made.held(values), values)
    assert np.square(Fourier(16, 12, contrast=1.0).held(values)).sum() < 0.9 * np.square(values).sum()
