"""The mask of MACO."""

from __future__ import annotations

import numpy as np

from pixelgrad.runtime.tasks.fading import fade


def test_what_mattered_is_solid_and_what_did_not_is_clear() -> None:
    importance = np.zeros((80, 100), np.float32)
    importance[20:60, 40:90] = 3.0
    alpha = fade(importance)
    assert alpha.shape == (80, 100)
    assert alpha.dtype == np.float32
    assert alpha[40, 65] == 1
    assert alpha[5, 5] < 1e-6
    assert alpha[75, 10] < 1e-6
    assert 0.2 < alpha[40, 40] < 0.8
    np.testing.assert_allclose(fade(importance * 1e-6), alpha, atol=1e-5)


def test_a_picture_that_mattered_everywhere_alike_stays() -> None:
    np.testing.assert_array_equal(fade(np.full((16, 24), 0.3, np.float32)), 1)
    np.testing.assert_array_equal(fade(np.zeros((16, 24), np.float32)), 1)
