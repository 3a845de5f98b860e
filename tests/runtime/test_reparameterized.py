"""Adam on the parameters of pictures."""

from __future__ import annotations

import numpy as np

from pixelgrad.runtime.optimizers.reparameterized import Reparameterized
from pixelgrad.runtime.parameters import Pixels


def test_a_picture_without_gradient_is_stirred_and_only_that() -> None:
    start = np.zeros((2, 3, 8, 8), np.float32)
    optimizer = Reparameterized(Pixels(8, 8), start, np.random.default_rng(0), [0.1] * 4)
    gradient = np.zeros_like(start)
    gradient[1, 0, 0, 0] = 1.0
    optimizer.update(0.0, gradient)
    assert optimizer.result[0].std() > 0.03
    assert np.count_nonzero(optimizer.result[1] != 0.5) == 1
    assert optimizer.result[1, 0, 0, 0] < 0.5


def test_a_picture_that_stays_without_gradient_does_not_drift_to_black_and_white() -> None:
    """As much noise after 300 steps as an untouched picture has at most: not the sum of 300 noises."""
    start = np.zeros((1, 3, 16, 16), np.float32)
    optimizer = Reparameterized(Pixels(16, 16), start, np.random.default_rng(0), [0.1] * 300)
    for _ in range(300):
        optimizer.update(0.0, np.zeros_like(start))
    assert 0.1 < optimizer.result.std() < 0.3
