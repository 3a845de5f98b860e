"""Steps of one size: the gradient divided by its own magnitude."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from pixelgrad.runtime.images import resize

__all__ = ["Conditioning", "NormalizedGradient"]

Array = np.ndarray[Any, Any]
_TINY = 1e-20

# The covariance of the colours of natural pictures, up to scale: the square of the matrix by which lucid (Olah,
# Mordvintsev & Schubert 2017) correlates colours. A step along it changes brightness most and red against green least.
_COLOURS = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]], np.float32)
_COVARIANCE = _COLOURS @ _COLOURS.T
_COVARIANCE *= np.float32(3) / np.trace(_COVARIANCE)


@dataclass(frozen=True)
class Conditioning:
    """What is done to a gradient before the step.

    bands: with more than 1, the gradient is split into a Laplacian pyramid (Burt & Adelson 1983) of so many bands of
        an octave each, every one of them is divided by its own magnitude, and they are added up again. A gradient
        favours fine structure; this evens coarse and fine out.
    natural_color: how far, from 0 to 1, the step follows the colour statistics of natural pictures.
    blur: the standard deviation in pixels of a Gaussian blur of the image after the step.
    """

    bands: int = 1
    natural_color: float = 0.0
    blur: float = 0.0


class NormalizedGradient:
    """Steepest descent whose every step moves the average pixel by ``rate`` (Mordvintsev, Olah & Tyka 2015).

    rate: in pixel values of [0, 1]. The image is clamped to [0, 1]. ``rate`` and ``conditioning`` may be changed
    between steps.
    """

    def __init__(self, image: Array, rate: float, conditioning: Conditioning | None = None) -> None:
        self._image = image
        self.rate = rate
        self.conditioning = conditioning or Conditioning()
        self.followed = False  # whether the last gradient was anything but zero

    @property
    def image(self) -> Array:
        return self._image

    @property
    def result(self) -> Array:
        return self._image

    def update(self, loss: float, gradient: Array) -> None:
        how = self.conditioning
        self.followed = bool(gradient.any())
        if how.natural_color:
            mix = how.natural_color * _COVARIANCE + (1 - how.natural_color) * np.eye(3, dtype=np.float32)
            gradient = np.einsum("ij,njhw->nihw", mix.astype(np.float32), gradient)
        if how.bands > 1:
            gradient = functools.reduce(np.add, (_unit(band) for band in _pyramid(gradient, how.bands)))
        image = np.clip(self._image - np.float32(self.rate) * _unit(gradient), 0.0, 1.0)
        self._image = _blurred(image, how.blur) if how.blur else image

    def resized(self, width: int, height: int) -> NormalizedGradient:
        image = np.clip(resize(self._image, (width, height), "bicubic"), 0.0, 1.0)
        return NormalizedGradient(image, self.rate, self.conditioning)


def _unit(gradient: Array) -> Array:
    """``gradient`` scaled to a mean magnitude of 1; zero stays zero."""
    return gradient / np.float32(max(float(np.abs(gradient).mean(dtype=np.float64)), _TINY))


def _pyramid(gradient: Array, bands: int) -> list[Array]:
    """``gradient`` as a sum of ``bands`` parts of its own size, from fine to coarse."""
    height, width = gradient.shape[2:]
    parts = []
    rest = gradient
    for level in range(1, bands):
        size = max(1, width >> level), max(1, height >> level)
        coarse = resize(resize(rest, size, "bilinear"), (width, height), "bicubic")
        parts.append(rest - coarse)
        rest = coarse
    return [*parts, rest]


def _blurred(image: Array, deviation: float) -> Array:
    """A Gaussian blur of [1, C, H, W], the edge continued."""
    reach = max(1, round(3 * deviation))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    kernel = (kernel / kernel.sum()).astype(np.float32)
    for axis in (2, 3):
        pads = [(0, 0)] * 4
        pads[axis] = (reach, reach)
        padded, size = np.pad(image, pads, mode="edge"), image.shape[axis]
        image = np.zeros_like(image)
        for offset, weight in enumerate(kernel):
            image += weight * padded.take(range(offset, offset + size), axis=axis)
    return image
