"""What keeps a chain of pictures, each made from the one before, from growing ever harsher."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from pixelgrad.runtime.parameters.colour import BASE, along_axes, from_axes
from pixelgrad.runtime.parameters.nature import mirrored, natural_magnitude
from pixelgrad.runtime.parameters.pixels import sigmoid
from pixelgrad.runtime.parameters.spectrum import frequencies

__all__ = ["Keeper"]

Array = np.ndarray[Any, Any]

# natural_magnitude() is of logits. So much of it is what Kodak's photographs have in pixels, along each axis (mean over
# the octaves at 256 pixels).
_SLOPES = np.array([0.2, 0.26, 0.28])[:, None, None]
# The share of the way back to the first picture's mean colour that every picture goes.
_PULL = 0.05
_MIDDLE = sigmoid(BASE)


class Keeper:
    """Holds pictures to the contrast of photographs, octave by octave and colour by colour, and near to one colour.

    A step of a dream makes everything that the network sees stronger, so pictures that go on from each other would
    end in glaring black, white and primary colours. Here an octave of waves along one of the decorrelated axes of
    colour that has more energy than it may is scaled down to that; the rest is left as it is. It is done to pixels, not
    to their logits: there the few that are black or white would use up what all others may have.

    first: the picture [1, 3, H, W] that the chain begins with. contrast: how many times as strong as in photographs
        (:func:`natural_magnitude`) an octave may be; where it is stronger in ``first``, as strong as there.
    """

    def __init__(self, first: Array, contrast: float) -> None:
        self._height, self._width = first.shape[2:]
        spectrum = self._spectrum(first)
        self._mean = spectrum[:, 0, 0].copy()
        natural = natural_magnitude(2 * self._height, 2 * self._width).astype(np.float64)
        # That is in orthonormal scaling; spectra here are scaled so that their squares add up to the mean square.
        most = self._energies(natural * (contrast * _SLOPES / np.sqrt(4 * self._height * self._width)))
        self._most: Array = np.maximum(most, self._energies(spectrum))

    def __call__(self, image: Array) -> Array:
        """``image`` [1, 3, H, W] as it may be: float32 in [0, 1]."""
        spectrum = self._spectrum(image)
        gains = np.minimum(1, np.sqrt(self._most / np.maximum(self._energies(spectrum), 1e-20)))
        held = spectrum * np.tensordot(gains, self._members, axes=(1, 2))
        held[:, 0, 0] = spectrum[:, 0, 0] + _PULL * (self._mean - spectrum[:, 0, 0])
        size = (2 * self._height, 2 * self._width)
        values = np.fft.irfft2(held, s=size, norm="forward")[:, : self._height, : self._width]
        result: Array = np.clip(from_axes(values[None].astype(np.float32)) + _MIDDLE, 0, 1)
        return result

    def _spectrum(self, image: Array) -> Array:
        """Of the values along the axes, continued by their mirror image, so that edges make no waves."""
        (values,) = along_axes(image - _MIDDLE)
        values = np.concatenate([values, values[:, ::-1]], axis=1)
        result: Array = np.fft.rfft2(np.concatenate([values, values[:, :, ::-1]], axis=2), norm="forward")
        return result

    def _energies(self, spectrum: Array) -> Array:
        """The mean square of each octave's waves: [3, octaves]."""
        power = np.square(np.abs(spectrum)) * mirrored(2 * self._width)
        result: Array = np.tensordot(power, self._members, axes=((1, 2), (0, 1)))
        return result

    @cached_property
    def _members(self) -> Array:
        """How far each frequency belongs to each octave, [2 H, W + 1, octaves]: it fades into the next, so that no
        ringing shows where the gains of the two differ. The mean belongs to none."""
        f = frequencies(2 * self._height, 2 * self._width)
        octave = np.log2(f * max(self._height, self._width)).clip(0)
        members: Array = np.maximum(0, 1 - np.abs(octave[..., None] - np.arange(int(np.ceil(octave.max())) + 1)))
        members[0, 0] = 0
        return members
