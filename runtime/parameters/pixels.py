"""Plain pixels: every value its own parameter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pixelgrad.runtime.images import resize

__all__ = ["Pixels"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Pixels:
    """x = sigmoid(v) for values v [N, 3, height, width]."""

    height: int
    width: int

    def start(self, count: int, rng: np.random.Generator) -> Array:
        """Grey, with a little noise."""
        return 0.1 * rng.standard_normal((count, 3, self.height, self.width), dtype=np.float32)

    def resized(self, values: Array, rest: Array, height: int, width: int) -> Array:
        """The values of a larger picture; there is nothing new in it to take from ``rest``."""
        return np.concatenate([resize(picture[None], (width, height), "bicubic") for picture in values])

    def spread(self, moments: Array, rest: Array, height: int, width: int) -> Array:
        return self.resized(moments, rest, height, width)

    def held(self, values: Array) -> Array:
        return values

    def image(self, values: Array) -> Array:
        return sigmoid(values)

    def gradient(self, values: Array, image: Array, cotangent: Array) -> Array:
        result: Array = cotangent * image * (1 - image)
        return result


def sigmoid(values: Array) -> Array:
    """1 / (1 + exp(-v)), in a form that does not overflow."""
    result: Array = 0.5 * (1 + np.tanh(0.5 * values))
    return result
