"""Adam and L-BFGS on the parameters of pictures."""

from __future__ import annotations

import numpy as np

from pixelgrad.runtime.optimizers.reparameterized import Reparameterized, Settled
from pixelgrad.runtime.parameters import Fourier, Pixels


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


def test_settled_finds_a_picture_and_keeps_the_best() -> None:
    """From grey to a picture of few waves, by its squared distance; values are free to leave [0, 1]."""
    parameters = Fourier(16, 12)
    rng = np.random.default_rng(0)
    wanted = parameters.image(100 * parameters.start(1, rng))
    optimizer = Settled(parameters, parameters.start(1, rng))
    best = float("inf")
    for _ in range(60):
        away = optimizer.image - wanted
        loss = float((away**2).sum())
        best = min(best, loss)
        optimizer.update(loss, 2 * away)
        assert float(((optimizer.result - wanted) ** 2).sum()) <= best * (1 + 1e-5)
    assert best < 1e-2 * float(((parameters.image(parameters.start(1, rng)) - wanted) ** 2).sum())
