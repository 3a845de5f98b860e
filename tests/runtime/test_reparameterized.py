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
