"""A picture that is to be laid in tiles: what is at one edge goes on at the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pixelgrad.runtime.artifact import Artifact, Evaluation
from pixelgrad.runtime.engine import Evaluator

__all__ = ["Wrapped", "border"]

Array = np.ndarray[Any, Any]
_WIDEST = 128


def border(artifact: Artifact) -> int:
    """By how many pixels a picture is continued on each side, at least."""
    fields = [row["receptive_field"] for row in artifact.manifest["layers"].values()]
    reach = max((field for field in fields if field is not None), default=1) / 2
    step = int(artifact.manifest["image"]["alignment"])
    return int(min(_WIDEST, -(-reach // step) * step))


class Wrapped:
    """Looks at a picture as it will look amid copies of itself.

    The picture is continued on all sides by its own other edge, as far as the receptive field of the layers reaches
    (128 pixels at most), so that the losses see what lies across a seam; the gradient of the copies is added to that
    of the originals. Where the artifact's terms have a mask, the original alone counts. Else the copies do as well, out
    to their own edges, which networks pad with zeros: what those lead to shows amid the picture, as straight lines.
    """

    def __init__(self, artifact: Artifact, view: Evaluator | None = None) -> None:
        """view: what evaluates the continued picture in place of ``artifact`` itself."""
        self._view = view or artifact
        self._masks = {term.mask for term in artifact.terms if term.mask is not None}
        self._mask: tuple[tuple[int, ...], Array] = ((), np.zeros(0))
        self._step = int(artifact.manifest["image"]["alignment"])
        self._border = border(artifact)

    @property
    def precision(self) -> str:
        """As of :attr:`Artifact.precision`."""
        return self._view.precision

    def evaluate(
        self, image: Array, targets: Mapping[str, Array], weights: Mapping[str, float] | None = None
    ) -> Evaluation:
        """As of :meth:`Artifact.evaluate`."""
        rows, columns = (self._places(size) for size in image.shape[2:])
        seen = np.ascontiguousarray(image[:, :, rows[:, None], columns])
        if self._masks and self._mask[0] != image.shape:
            mask = np.zeros((1, 1, *seen.shape[2:]), np.float32)
            top_left = self._border
            mask[:, :, top_left : top_left + image.shape[2], top_left : top_left + image.shape[3]] = 1
            self._mask = image.shape, mask  # the same array each time: it is brought to a device once
        masks = dict.fromkeys(self._masks, self._mask[1])
        found = self._view.evaluate(seen, {**targets, **masks}, weights)
        gradient = self._folded(self._folded(found.gradient, 2, image.shape[2]), 3, image.shape[3])
        return Evaluation(found.loss, found.losses, gradient)

    def _places(self, size: int) -> Array:
        """For each pixel of the continued picture, which pixel of the picture it is; a multiple of the stride."""
        length = size + 2 * self._border
        length += -length % self._step
        return np.arange(-self._border, length - self._border) % size

    def _folded(self, gradient: Array, axis: int, size: int) -> Array:
        """Along ``axis``, the sum over all the places where each of ``size`` pixels is shown."""
        front = -self._border % size
        pads = [(0, 0)] * gradient.ndim
        pads[axis] = (front, -(front + gradient.shape[axis]) % size)
        periods = np.pad(gradient, pads)
        shape = [*gradient.shape[:axis], -1, size, *gradient.shape[axis + 1 :]]
        total: Array = periods.reshape(shape).sum(axis=axis)
        return total
