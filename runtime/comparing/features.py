"""Features of a network's layers, one image at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from pixelgrad.errors import SettingsError
from pixelgrad.runtime.artifact import Artifact
from pixelgrad.runtime.images import Picture

__all__ = ["Features", "open_features"]

Array = np.ndarray[Any, Any]
_KIND = "features"


@dataclass(frozen=True)
class Features:
    """An artifact of kind ``features``, opened. size: (height, width) of the images that it is given."""

    artifact: Artifact
    size: tuple[int, int]

    @property
    def name(self) -> str:
        return str(self.artifact.manifest["network"]["name"])

    @property
    def layers(self) -> list[str]:
        """Tensor names, in the order in which they were asked for."""
        return [str(term.layer) for term in self.artifact.terms]

    def __call__(self, image: Array) -> dict[str, Array]:
        """By layer, float32 [1, C, h, w] or [1, C], from an image [1, 3, *size] in [0, 1]."""
        found = self.artifact.targets(image)
        return {str(term.layer): found[str(term.target)] for term in self.artifact.terms}

    def fitted(self, picture: Picture) -> Array:
        """The middle of a picture, as large as goes, at the size that is looked at: [1, 3, *size]."""
        height, width = self.size
        flat = _middle(picture.flattened(), width / height)
        scale = max(width / flat.size[0], height / flat.size[1])
        whole = (max(width, round(flat.size[0] * scale)), max(height, round(flat.size[1] * scale)))
        pixels = (flat if whole == flat.size else flat.resized(*whole)).to_nchw()
        top, left = (whole[1] - height) // 2, (whole[0] - width) // 2
        return np.ascontiguousarray(pixels[:, :, top : top + height, left : left + width])


def _middle(picture: Picture, proportion: float) -> Picture:
    """A picture less what is far from its middle: of one of 1 x 20000 pixels, nobody enlarges all."""
    (width, height), pixels = picture.size, picture.pixels
    left = max(0, width // 2 - math.ceil(height * proportion))
    top = max(0, height // 2 - math.ceil(width / proportion))
    return Picture(pixels[top : height - top, left : width - left]) if left or top else picture


def open_features(artifact: Artifact, size: int) -> Features:
    """``artifact`` at ``size`` pixels along both edges, or at the only size that its network takes.

    Raises :class:`SettingsError` for an artifact of another kind, :class:`ImageError` for a size that is too small.
    """
    if artifact.manifest["objective"]["kind"] != _KIND:
        raise SettingsError(f"the artifact is for {artifact.manifest['objective']['kind']}, not for {_KIND}")
    taken = artifact.fixed_size or (size, size)
    artifact.check_size(np.broadcast_to(np.float32(0), (1, 3, *taken)))
    return Features(artifact, taken)
