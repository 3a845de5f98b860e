"""Working at sizes that a network's strides divide, where pictures of others are asked for.

Inside the graph an image is continued by its edge to a multiple of the coarsest stride. Up to so many copies of the
last row and column would count among the statistics of a picture, and show as a line of dots there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pixelgrad.runtime.artifact import Artifact
from pixelgrad.runtime.images.resizing import Filter, Resize, resize

__all__ = ["Canvas"]

Array = np.ndarray[Any, Any]
# Of a reference at least so many times the stride is left.
_LEAST = 4


@dataclass(frozen=True)
class Canvas:
    """step: what the edges of all images are to be multiples of."""

    step: int

    @classmethod
    def of(cls, artifact: Artifact) -> Canvas:
        return cls(1 if artifact.fixed_size is not None else int(artifact.manifest["image"]["alignment"]))

    def size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) to work at, for a picture of ``width`` x ``height``."""
        return width + -width % self.step, height + -height % self.step

    def nearest(self, width: int, height: int) -> tuple[int, int]:
        """The nearest (width, height) of multiples."""
        wide, high = (max(1, round(edge / self.step)) * self.step for edge in (width, height))
        return wide, high

    def extended(self, image: Array) -> Array:
        """[N, C, H, W], continued by reflection to the size to work at, on the right and below."""
        width, height = self.size(image.shape[3], image.shape[2])
        pads = [(0, 0), (0, 0), (0, height - image.shape[2]), (0, width - image.shape[3])]
        return np.ascontiguousarray(np.pad(image, pads, mode="symmetric"))

    def trimmed(self, image: Array) -> Array:
        """A reference [N, C, H, W], less what goes beyond a multiple, half of it at either edge."""
        for axis in (2, 3):
            size = image.shape[axis]
            beyond = size % self.step if size >= _LEAST * self.step else 0
            image = image.take(range(beyond // 2, size - beyond + beyond // 2), axis) if beyond else image
        return image

    def growing(self, before: tuple[int, int], after: tuple[int, int], *, wraps: bool = False) -> Resize:
        """What takes an image from a picture of one (width, height) to one of another, at the sizes to work at.

        wraps: the picture goes on at its other edge.
        """

        def grown(image: Array, _: tuple[int, int], filter: Filter) -> Array:
            picture = image[:, :, : before[1], : before[0]]
            return self.extended(resize(picture, after, filter, wraps=wraps))

        return grown
