"""The spectrum of a first layer: what its filters pass, and what its stride then folds back (aliasing).

A layer that takes every s-th position cannot hold waves of more than 1 / (2 s) cycles per pixel along an axis: what its
filters pass of those turns up as something else, the patterns that Zeiler & Fergus 2014 found in a stride of 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pixelgrad.runtime.images import Picture

__all__ = ["Spectrum", "aliased_share", "filter_spectrum", "filters_picture"]

Array = np.ndarray[Any, Any]
_RINGS = 16
_POWER_OF_PICTURE = 64


@dataclass(frozen=True)
class Spectrum:
    """Power by |frequency|, as shares of the whole. frequency: the middles of the rings, in cycles per pixel."""

    frequency: list[float]
    power: list[float]

    @classmethod
    def of(cls, power: Array) -> Spectrum:
        """From power [n, m] over ``fftfreq(n)`` by ``fftfreq(m)``, without its constant part; up to 1/2."""
        power = power.copy()
        power[0, 0] = 0
        distance = np.hypot(np.fft.fftfreq(power.shape[0])[:, None], np.fft.fftfreq(power.shape[1])[None])
        ring = np.minimum((distance * 2 * _RINGS).astype(int), _RINGS)
        total = np.bincount(ring.ravel(), power.ravel(), _RINGS + 1)[:_RINGS]
        middles = (np.arange(_RINGS) + 0.5) / (2 * _RINGS)
        return cls(middles.tolist(), (total / max(total.sum(), 1e-30)).tolist())


def filter_spectrum(filters: Array, size: int = _POWER_OF_PICTURE) -> Array:
    """Mean power of filters [K, 3, h, w] over filters and colours: [size, size], over ``fftfreq(size)``."""
    power: Array = (np.abs(np.fft.fft2(filters.astype(np.float64), s=(size, size))) ** 2).mean((0, 1))
    return power


def response_spectrum(filters: Array, images: Sequence[Array]) -> Array:
    """Power of what filters [K, 3, h, w] answer to images [1, 3, H, W], before any stride: [H, W].

    Each filter's, relative to its whole, in the mean over filters and images. The images are windowed, so that their
    edges do not count as waves.
    """
    height, width = images[0].shape[2:]
    window = np.hanning(height)[:, None] * np.hanning(width)[None]
    total = np.zeros((height, width))
    # A filter over three colours: the spectra add up before they are squared.
    passed = np.fft.fft2(filters.astype(np.float64), s=(height, width))
    for image in images:
        centred = image[0].astype(np.float64) - image[0].mean((1, 2), keepdims=True)
        answer = np.einsum("kcyx,cyx->kyx", passed, np.fft.fft2(centred * window))
        power = np.abs(answer) ** 2
        power[:, 0, 0] = 0
        total += (power / np.maximum(power.sum((1, 2), keepdims=True), 1e-30)).mean(0) / len(images)
    return total


def aliased_share(power: Array, stride: int) -> float:
    """The share of ``power``, its constant part left out, that a stride folds back.

    power: [n, m] over ``fftfreq``. What lies above 1 / (2 stride) cycles per pixel along either axis.
    """
    vertical = np.abs(np.fft.fftfreq(power.shape[0]))[:, None] > 1 / (2 * stride)
    horizontal = np.abs(np.fft.fftfreq(power.shape[1]))[None] > 1 / (2 * stride)
    power = power.copy()
    power[0, 0] = 0
    return float(power[vertical | horizontal].sum() / max(power.sum(), 1e-30))


def filters_picture(filters: Array, edge: int) -> Picture:
    """Filters [K, 3, h, w] as tiles in a square of about ``edge`` pixels; grey is zero, each as strong as goes."""
    count, _, height, width = filters.shape
    across = int(np.ceil(np.sqrt(count)))
    down = -(-count // across)
    times = max(1, (edge // across - 1) // max(height, width))
    tile_height, tile_width = height * times + 1, width * times + 1
    canvas = np.ones((down * tile_height + 1, across * tile_width + 1, 3), np.float32)
    strongest = np.abs(filters).max((1, 2, 3), keepdims=True)
    shown = 0.5 + 0.5 * filters / np.maximum(strongest, 1e-12)
    for number, tile in enumerate(shown.transpose(0, 2, 3, 1)):
        top, left = number // across * tile_height + 1, number % across * tile_width + 1
        large = tile.repeat(times, 0).repeat(times, 1)
        canvas[top : top + height * times, left : left + width * times] = large
    return Picture(canvas, None, None)
