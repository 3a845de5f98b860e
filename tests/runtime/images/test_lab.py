"""CIE L*a*b*."""

from __future__ import annotations

import numpy as np
import pytest

from pixelgrad.runtime.images import lab_from_srgb, srgb_from_lab

# Lindbloom's values for the sRGB primaries under D65.
KNOWN = {
    (1, 1, 1): (100, 0, 0),
    (0, 0, 0): (0, 0, 0),
    (1, 0, 0): (53.24, 80.09, 67.20),
    (0, 1, 0): (87.74, -86.18, 83.18),
    (0, 0, 1): (32.30, 79.19, -107.86),
    (0.5, 0.5, 0.5): (53.39, 0, 0),
}


@pytest.mark.parametrize("srgb", KNOWN)
def test_known_colours(srgb: tuple[float, float, float]) -> None:
    found = lab_from_srgb(np.array([[srgb]], np.float64))[0, 0]
    np.testing.assert_allclose(found, KNOWN[srgb], atol=0.05)


def test_there_and_back() -> None:
    pixels = np.random.default_rng(0).random((16, 16, 3))
    np.testing.assert_allclose(srgb_from_lab(lab_from_srgb(pixels)), pixels, atol=1e-5)


def test_colours_beyond_srgb_are_clipped() -> None:
    found = srgb_from_lab(np.array([[[50, 150, -150], [120, 0, 0], [-5, 0, 0]]], np.float64))
    assert np.isfinite(found).all()
    assert (found.min(), found.max()) == (0, 1)
