"""The gradient of a picture of any size, through windows that are shifted at random from step to step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from pixelgrad.runtime.artifact import Artifact, Evaluation

__all__ = ["Windows"]

Array = np.ndarray[Any, Any]


class Windows:
    """Looks at a picture as if it were on a torus, from another place at every step.

    The shift makes that no pixel keeps its place relative to the network's strides, which would else leave a grid in
    the picture. A picture larger than ``tile`` is looked at a window at a time, so that the window sets the memory;
    as their borders fall on another place at every step too, they leave no seams (Mordvintsev's TensorFlow notebook).
    Losses must be means over positions: that of the picture is their mean over the windows.

    jitter: the largest shift in pixels, along each axis; a picture in several windows is shifted by anything up to a
        window. A network that takes images of one size only gets windows of that size, whatever ``tile`` says; a
        picture smaller than that is continued by its mirror image.
    """

    def __init__(self, artifact: Artifact, rng: np.random.Generator, *, jitter: int, tile: int) -> None:
        self._artifact = artifact
        self._rng = rng
        self._jitter = jitter
        self._tile = tile

    @property
    def precision(self) -> str:
        """As of :attr:`Artifact.precision`."""
        return self._artifact.precision

    def evaluate(
        self, image: Array, targets: Mapping[str, Array], weights: Mapping[str, float] | None = None
    ) -> Evaluation:
        """As of :meth:`Artifact.evaluate`."""
        rows, columns = (self._cover(axis, image.shape[axis]) for axis in (2, 3))
        shift = [self._shift(size, starts) for size, starts in (rows, columns)]
        seen = np.roll(image, shift, axis=(2, 3))
        gradient = np.zeros_like(image)
        found: list[Evaluation] = []
        for top in rows[1]:
            for left in columns[1]:
                window = _cut(seen, top, left, rows[0], columns[0])
                part = self._artifact.evaluate(window, targets, weights)
                found.append(part)
                _add(gradient, part.gradient, top, left)
        gradient /= _coverage(image.shape[2], *rows)[:, None] * _coverage(image.shape[3], *columns)
        count = len(found)
        return Evaluation(
            sum(part.loss for part in found) / count,
            {name: sum(part.losses[name] for part in found) / count for name in found[0].losses},
            np.roll(gradient, [-s for s in shift], axis=(2, 3)),
        )

    def _cover(self, axis: int, size: int) -> tuple[int, list[int]]:
        """The length of a window along an axis, and where windows start, to cover ``size`` pixels evenly."""
        fixed = self._artifact.fixed_size
        if fixed is not None:
            length = fixed[axis - 2]
            count = max(1, math.ceil(size / length))
        else:
            # A whole number of the coarsest stride, which the graph would else make of it by padding; and no window so
            # small that the network could not take it.
            step = int(self._artifact.manifest["image"]["alignment"])
            most = max(step, self._tile // step * step) if size > self._tile else size
            count = max(1, min(math.ceil(size / most), size // self._artifact.minimum_size))
            if count == 1:
                return size, [0]
            length = math.ceil(math.ceil(size / count) / step) * step
        return length, [round(index * size / count) for index in range(count)]

    def _shift(self, length: int, starts: list[int]) -> int:
        reach = self._jitter if len(starts) == 1 else max(self._jitter, length // 2)
        return int(self._rng.integers(-reach, reach + 1))


def _cut(image: Array, top: int, left: int, height: int, width: int) -> Array:
    """A window of ``image``, which goes on beyond its end at its beginning, or as its mirror image if it is smaller."""
    for axis, start, length in ((2, top, height), (3, left, width)):
        size = image.shape[axis]
        if length > size:
            pads = [(0, 0)] * 4
            pads[axis] = (0, length - size)
            image = np.pad(image, pads, mode="symmetric")
        else:
            image = image.take(range(start, start + length), axis=axis, mode="wrap")
    return np.ascontiguousarray(image)


def _add(total: Array, part: Array, top: int, left: int) -> None:
    """Add a window's gradient at its place; what was cut beyond the end, at the beginning."""
    height, width = total.shape[2:]
    part = part[:, :, :height, :width]
    rows = np.arange(top, top + part.shape[2]) % height
    columns = np.arange(left, left + part.shape[3]) % width
    total[:, :, rows[:, None], columns] += part


def _coverage(size: int, length: int, starts: list[int]) -> Array:
    """How many windows see each pixel along an axis."""
    count = np.zeros(size, np.float32)
    for start in starts:
        count[np.arange(start, start + min(length, size)) % size] += 1
    return count
