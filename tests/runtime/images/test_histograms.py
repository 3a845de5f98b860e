"""Histogram matching."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pixelgrad.runtime.images import match_histogram

Array = np.ndarray[Any, Any]
pictures = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 8), st.integers(1, 8), st.just(2)), elements=st.floats(0, 1, width=32)
)


def test_the_histogram_is_that_of_the_reference() -> None:
    rng = np.random.default_rng(0)
    pixels, reference = rng.random((60, 50, 3)), rng.beta(2, 5, (37, 91, 3))
    found = match_histogram(pixels, reference)
    for channel in range(3):
        for share in (5, 25, 50, 75, 95):
            a, b = np.percentile(found[..., channel], share), np.percentile(reference[..., channel], share)
            assert abs(a - b) < 5e-3


def test_a_picture_keeps_its_own_histogram() -> None:
    pixels = np.random.default_rng(1).random((20, 30, 3), dtype=np.float32)
    np.testing.assert_allclose(match_histogram(pixels, pixels), pixels, atol=1e-6)


@given(pictures, pictures)
@settings(max_examples=50)
def test_order_and_range(pixels: Array, reference: Array) -> None:
    """Brighter stays brighter, equal stays equal, and no value is invented beyond the reference's."""
    found = match_histogram(pixels, reference)
    assert found.dtype == np.float32
    assert found.shape == pixels.shape
    for channel in range(2):
        before, after, wanted = pixels[..., channel], found[..., channel], reference[..., channel]
        assert after.min() >= wanted.min() - 1e-6
        assert after.max() <= wanted.max() + 1e-6
        order = np.argsort(before, axis=None, kind="stable")
        assert (np.diff(after.ravel()[order]) >= 0).all()
        same = np.diff(before.ravel()[order]) == 0
        assert (np.diff(after.ravel()[order])[same] == 0).all()
