"""How strong each frequency of a natural photograph is, in each of the colours along which photographs vary."""

from __future__ import annotations

from typing import Any

import numpy as np

from pixelgrad.runtime.parameters.spectrum import frequencies

__all__ = ["CONTRAST", "natural_magnitude"]

Array = np.ndarray[Any, Any]

# How steeply the magnitude falls in each decorrelated colour, and the standard deviation of the logits along them:
# fitted to Kodak's 24 photographs and three more at 224 pixels (under a Hann window, two to 112 cycles per picture).
# A law of 1 / f would leave three times as much power in waves of less than four pixels as a photograph has.
_EXPONENTS = (1.22, 1.35, 1.28)
CONTRAST = 1.75


def natural_magnitude(height: int, width: int, *, decay: float = 1.0, contrast: float = CONTRAST) -> Array:
    """|s| of each coefficient of ``rfft2`` in orthonormal scaling, of logits along the axes: [3, H, W // 2 + 1].

    decay: multiplies the exponents; 1 is nature's own. contrast: the standard deviation of the logits along each axis.
    The mean, which has no law, is left out.
    """
    f = frequencies(height, width).astype(np.float64)
    magnitude = np.stack([1 / f ** (decay * exponent) for exponent in _EXPONENTS])
    magnitude[:, 0, 0] = 0
    # Parseval: the mean square of the pixels is the mean of the squared magnitudes, mirror images counted.
    mean_square = (magnitude**2 * mirrored(width)).sum((1, 2), keepdims=True) / (height * width)
    scaled: Array = (magnitude * contrast / np.sqrt(mean_square)).astype(np.float32)
    return scaled


def mirrored(width: int) -> Array:
    """How many coefficients of the whole transform each column of ``rfft2`` stands for: [W // 2 + 1]."""
    twice: Array = np.full(width // 2 + 1, 2.0)
    twice[[0] if width % 2 else [0, -1]] = 1
    return twice
