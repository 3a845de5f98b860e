"""MACO: only the phase is free, the magnitude of every frequency is nature's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pixelgrad.runtime.parameters.colour import BASE, from_axes, to_axes
from pixelgrad.runtime.parameters.nature import CONTRAST, natural_magnitude
from pixelgrad.runtime.parameters.pixels import sigmoid
from pixelgrad.runtime.parameters.spectrum import embedded, image_of, spectrum_of

__all__ = ["Phase"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Phase:
    """x = sigmoid(base + A F'(m e^{i v})) for phases v [N, 3, height, width // 2 + 1], in radians (Fel et al. 2023).

    The magnitude m is that of natural photographs: 1 / f^e with an exponent e for each decorrelated colour, scaled so
    that the pixels' logits have a standard deviation of ``contrast`` along each. The paper averages the spectra of
    ImageNet; a fitted law needs no data, and serves every size.

    decay: multiplies the exponents; 1 is nature's own.
    """

    height: int
    width: int
    decay: float = 1.0
    contrast: float = CONTRAST

    @cached_property
    def _magnitude(self) -> Array:
        """[3, H, W // 2 + 1]"""
        return natural_magnitude(self.height, self.width, decay=self.decay, contrast=self.contrast)

    def start(self, count: int, rng: np.random.Generator) -> Array:
        """Random phases: the clouds of 1 / f noise."""
        return rng.uniform(-np.pi, np.pi, (count, *self._magnitude.shape)).astype(np.float32)

    def resized(self, values: Array, rest: Array, height: int, width: int) -> Array:
        """The phases of a larger picture. rest: for the frequencies that are new."""
        return embedded(values, rest, (self.width, width))

    def spread(self, moments: Array, rest: Array, height: int, width: int) -> Array:
        return embedded(moments, rest, (self.width, width))

    def held(self, values: Array) -> Array:
        return values

    def image(self, values: Array) -> Array:
        return sigmoid(from_axes(self.logits(values)) + BASE)

    def logits(self, values: Array) -> Array:
        """The pixels along the colour axes, before they are mixed and squeezed into [0, 1]: [N, 3, H, W]."""
        return image_of(self._spectrum(values), self.height, self.width)

    def gradient(self, values: Array, image: Array, cotangent: Array) -> Array:
        received = spectrum_of(to_axes(cotangent * image * (1 - image)))
        # d(m e^{iv}) / dv = i m e^{iv}; the inner product of the two as pairs of reals.
        turned = 1j * self._spectrum(values)
        result: Array = turned.real * received.real + turned.imag * received.imag
        return result.astype(np.float32)

    def _spectrum(self, values: Array) -> Array:
        spectrum: Array = self._magnitude * np.exp(1j * values)
        return spectrum.astype(np.complex64)
