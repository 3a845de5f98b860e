"""Fourier pixels in decorrelated colour: what makes feature visualisations look like pictures at all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from pixelgrad.runtime.parameters.colour import BASE, from_axes, to_axes
from pixelgrad.runtime.parameters.nature import natural_magnitude
from pixelgrad.runtime.parameters.pixels import sigmoid
from pixelgrad.runtime.parameters.spectrum import embedded, frequencies, image_of, spectrum_of

__all__ = ["Fourier"]

Array = np.ndarray[Any, Any]

# How far a coefficient of 1 at one cycle per pixel moves a pixel's logit; as in lucid, whose step of 0.05 it suits.
_GAIN = 0.25


@dataclass(frozen=True)
class Fourier:
    """x = sigmoid(base + A F'(s v)) for complex coefficients v, as pairs of reals [N, 3, height, width // 2 + 1, 2].

    F' is the inverse Fourier transform, s = 1 / f^decay the spectrum of natural images, A the colour axes. A step of
    equal length along every v is then a step of natural proportions among the frequencies and colours (Olah,
    Mordvintsev & Schubert 2017, "The Enemy of Feature Visualization" and "Preconditioning").

    decay: 1 is nature's own; more is smoother. decorrelate: without, the axes are R, G and B.
    cut: cycles per pixel from which s falls off steeply (as 1 / f^4 more): waves of few pixels are what a network
        mistakes for a thing, not what shows it. 0 keeps them.
    contrast: how many times stronger than in natural photographs (:func:`natural_magnitude`) an octave of frequencies
        may be along any of the axes: a score can be raised by glaring contrast and colour as well, without end. 0 sets
        no limit; nor is there one for R, G and B.
    """

    height: int
    width: int
    decay: float = 1.0
    decorrelate: bool = True
    cut: float = 0.25
    contrast: float = 0.0

    @cached_property
    def _scale(self) -> Array:
        f = frequencies(self.height, self.width)
        scale: Array = _GAIN / f ** np.float32(self.decay)
        return scale / (1 + (f / np.float32(self.cut)) ** 4) if self.cut else scale

    @cached_property
    def _octaves(self) -> tuple[Array, Array]:
        """Which octave each frequency is in, as columns of 0 and 1, and the energy of each in photographs, by axis:
        [H * (W // 2 + 1), octaves] and [3, octaves]."""
        f = frequencies(self.height, self.width)
        octave = np.floor(np.log2(f * max(self.height, self.width)).clip(0)).astype(int).ravel()
        members = np.eye(octave.max() + 1, dtype=np.float32)[octave]
        energy: Array = (natural_magnitude(self.height, self.width) ** 2).reshape(3, -1) @ members
        return members, energy

    def start(self, count: int, rng: np.random.Generator) -> Array:
        """Noise so faint that it is grey to the eye."""
        return 0.01 * rng.standard_normal((count, 3, *self._scale.shape, 2), dtype=np.float32)

    def resized(self, values: Array, rest: Array, height: int, width: int) -> Array:
        """The same picture's values at a larger size. rest: for the frequencies that are new."""
        larger = replace(self, height=height, width=width)
        scale = embedded(self._scale, larger._scale, (self.width, width))
        factor = scale / larger._scale * np.float32(np.sqrt((height * width) / (self.height * self.width)))
        kept = embedded(values, np.full_like(rest, np.nan), (self.width, width))
        return np.where(np.isnan(kept), rest, kept * factor[..., None])

    def spread(self, moments: Array, rest: Array, height: int, width: int) -> Array:
        return embedded(moments, rest, (self.width, width))

    def held(self, values: Array) -> Array:
        if not (self.decorrelate and self.contrast):
            return values
        members, energy = self._octaves
        power = (np.square(values).sum(-1) * np.square(self._scale)).reshape(*values.shape[:2], -1)
        most = np.float32(self.contrast) * np.sqrt(energy / np.maximum(power @ members, np.float32(1e-20)))
        factors = np.minimum(most, 1) @ members.T
        held: Array = values * factors.reshape(*values.shape[:-1], 1)
        return held

    def image(self, values: Array) -> Array:
        spectrum = values.view(np.complex64)[..., 0] * self._scale
        pixels = image_of(spectrum, self.height, self.width)
        return sigmoid((from_axes(pixels) if self.decorrelate else pixels) + BASE)

    def gradient(self, values: Array, image: Array, cotangent: Array) -> Array:
        pixels = cotangent * image * (1 - image)
        spectrum = spectrum_of(to_axes(pixels) if self.decorrelate else pixels) * self._scale
        return spectrum[..., None].view(np.float32)
