"""From coarse to fine: the sizes to work at, and how many steps to spend at each."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pixelgrad.errors import SettingsError
from pixelgrad.runtime.images import Picture, fit_size

Array = np.ndarray[Any, Any]
COARSEST = 128


def scale_sizes(
    width: int, height: int, long_edge: int, *, coarsest: int = COARSEST, minimum: int = 1
) -> list[tuple[int, int]]:
    """(width, height) of each scale, growing by sqrt(2) up to ``long_edge``.

    width, height: the proportions. coarsest: no scale has a shorter long edge than this, except where the last
    one does. minimum: no scale has a shorter short edge than this (the last one may, which is for the caller to
    judge).
    """
    sizes = []
    halvings = 0
    while True:
        edge = round(long_edge / math.sqrt(2) ** halvings)
        size = fit_size(width, height, edge)
        if halvings and (edge < coarsest or min(size) < minimum):
            break
        sizes.append(size)
        halvings += 1
    return sizes[::-1]


def reference_size(width: int, height: int, long_edge: int, *, minimum: int = 1) -> tuple[int, int]:
    """(width, height) that a picture of a size is looked at in: at most ``long_edge`` along its longer edge.

    Never enlarged. A strip is made no thinner than ``minimum``, so that it may stay longer than that.
    """
    thin = math.ceil(max(width, height) * minimum / min(width, height))
    return fit_size(width, height, min(max(width, height), max(1, long_edge, thin)))


def share_steps(steps: int, scales: int) -> list[int]:
    """How many of ``steps`` each scale gets, from coarse to fine: the first twice as many as the others.

    The coarse scales decide where things go, and cost little. With fewer steps than scales the coarsest get none.
    """
    if steps < 1:
        raise SettingsError(f"steps is {steps}; it must be at least 1")
    if steps < scales:
        return [0] * (scales - steps) + [1] * steps
    each = steps / (scales + 1)
    ends = [round(each * (index + 1)) for index in range(1, scales)]
    shares = [end - start for start, end in zip([0, *ends], [*ends, steps], strict=True)]
    return shares


def octave_sizes(width: int, height: int, octaves: int, ratio: float, *, minimum: int = 1) -> list[tuple[int, int]]:
    """(width, height) of each octave from coarse to fine, growing by ``ratio`` up to the size given.

    Octaves whose shorter edge would be less than ``minimum`` are left out, but never the last one.
    """
    sizes = [(max(1, round(width / ratio**octave)), max(1, round(height / ratio**octave))) for octave in range(octaves)]
    return [sizes[0], *(size for size in sizes[1:] if min(size) >= minimum)][::-1]


def at_size(picture: Picture, width: int, height: int) -> Array:
    """A picture at a size, float32 [1, 3, height, width], what is transparent in it laid over white."""
    flat = picture.flattened()
    return (flat if flat.size == (width, height) else flat.resized(width, height)).to_nchw()
