"""Steps of one size: the gradient divided by its own magnitude."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from pixelgrad.runtime.images import resize
from pixelgrad.runtime.parameters.colour import from_axes, to_axes

__all__ = ["Conditioning", "NormalizedGradient"]

Array = np.ndarray[Any, Any]
_TINY = 1e-20


@dataclass(frozen=True)
class Conditioning:
    """What is done to a gradient before the step.

    bands: with more than 1, the gradient is split into a Laplacian pyramid (Burt & Adelson 1983) of so many bands of
        an octave each, every one of them is divided by its own magnitude, and they are added up again. A gradient
        favours fine structure; this evens coarse and fine out.
    natural_color: how far, from 0 to 1, the step follows the colours of natural pictures: it moves along each of the
        axes in which those vary as far as they do, brightness most and green against magenta least.
    momentum: the share of the step before, from 0 to 1, that goes on in this one.
    blur: the standard deviation in pixels of a Gaussian blur of the image after the step.
    """

    bands: int = 1
    natural_color: float = 0.0
    momentum: float = 0.0
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
        self._direction: Array | None = None
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
        bands = _pyramid(gradient, how.bands) if how.bands > 1 else [gradient]
        step = functools.reduce(np.add, (_unit(_coloured(band, how.natural_color)) for band in bands))
        if how.momentum and self._direction is not None:
            share = np.float32(how.momentum)
            step = share * self._direction + (1 - share) * step
        self._direction = step
        image = np.clip(self._image - np.float32(self.rate) * _unit(step), 0.0, 1.0)
        self._image = _blurred(image, how.blur) if how.blur else image

    def resized(self, width: int, height: int) -> NormalizedGradient:
        image = np.clip(resize(self._image, (width, height), "bicubic"), 0.0, 1.0)
        return NormalizedGradient(image, self.rate, self.conditioning)


def _unit(gradient: Array) -> Array:
    """``gradient`` scaled to a mean magnitude of 1; zero stays zero."""
    return gradient / np.float32(max(float(np.abs(gradient).mean(dtype=np.float64)), _TINY))


def _coloured(gradient: Array, share: float) -> Array:
    """``gradient`` with so large a share of it even along the axes of natural colours, of which :data:`AXES` says how
    far each goes."""
    if not share:
        return gradient
    along = to_axes(gradient)
    sizes = np.abs(along).mean(axis=(2, 3), keepdims=True, dtype=np.float64).astype(np.float32)
    natural = from_axes(along / np.maximum(sizes, np.float32(_TINY)))
    return np.float32(share) * _unit(natural) + np.float32(1 - share) * _unit(gradient)


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
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(deviation, 0.01)) ** 2)  # 0.01 is no blur at all
    kernel = (kernel / kernel.sum()).astype(np.float32)
    for axis in (2, 3):
        pads = [(0, 0)] * 4
        pads[axis] = (reach, reach)
        padded, size = np.pad(image, pads, mode="edge"), image.shape[axis]
        image = np.zeros_like(image)
        for offset, weight in enumerate(kernel):
            image += weight * padded.take(range(offset, offset + size), axis=axis)
    return image
