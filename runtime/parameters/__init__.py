"""Ways to write an image as numbers that are better to optimise than its pixels, each with its exact adjoint."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from pixelgrad.errors import SettingsError
from pixelgrad.runtime.parameters.fourier import Fourier
from pixelgrad.runtime.parameters.phase import Phase
from pixelgrad.runtime.parameters.pixels import Pixels

__all__ = ["PARAMETERS", "Fourier", "Parameters", "Phase", "Pixels", "make_parameters"]

Array = np.ndarray[Any, Any]
PARAMETERS = ("fourier", "maco", "pixels")


class Parameters(Protocol):
    """An image of N pictures, float32 [N, 3, H, W] in [0, 1], as a function of real values [N, ...]."""

    def start(self, count: int, rng: np.random.Generator) -> Array:
        """Values to begin with."""

    def resized(self, values: Array, rest: Array, height: int, width: int) -> Array:
        """Values of the same pictures at a larger size; those that it adds come from ``rest``, values of that size."""

    def spread(self, moments: Array, rest: Array, height: int, width: int) -> Array:
        """What is known of each value's gradient, at the places that the values have at a larger size."""

    def held(self, values: Array) -> Array:
        """The nearest values that are allowed; after every step."""

    def image(self, values: Array) -> Array:
        """The pictures that the values stand for."""

    def gradient(self, values: Array, image: Array, cotangent: Array) -> Array:
        """The gradient along the values, from the one along the pixels of ``image``, theirs."""


def make_parameters(
    name: str,
    height: int,
    width: int,
    *,
    decay: float = 1.0,
    cut: float = 0.25,
    decorrelate: bool = True,
    contrast: float = 0.0,
) -> Parameters:
    """The parameterisation of that name, one of :data:`PARAMETERS`; the rest is of those that have it."""
    if name == "fourier":
        return Fourier(height, width, decay, decorrelate, cut, contrast)
    if name == "maco":
        return Phase(height, width, decay)
    if name == "pixels":
        return Pixels(height, width)
    raise SettingsError(f"the parameters are {name!r}; they must be one of {', '.join(PARAMETERS)}")
