"""Reading a projection artifact: what a layer's channels see in images, and the way back to the pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pixelgrad.errors import ArtifactError, DivergedError
from pixelgrad.runtime.artifact import Artifact
from pixelgrad.runtime.devices import Choice
from pixelgrad.runtime.failures import failures, silent

__all__ = ["Box", "Projector"]

Array = np.ndarray[Any, Any]
# How often, and how much smaller each time, the cotangent of a projection in float16 is tried.
_ATTEMPTS, _SMALLER = 4, 1024.0


@dataclass(frozen=True)
class Box:
    """A part of an image: the rows from ``top`` to before ``bottom``, the columns from ``left`` to before ``right``."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.right - self.left, self.bottom - self.top

    def inside(self, size: tuple[int, int]) -> Box:
        """Moved, and where it is larger cut, to lie inside an image of ``size`` (width, height)."""
        top, bottom = _shifted(self.top, self.bottom, size[1])
        left, right = _shifted(self.left, self.right, size[0])
        return Box(top, left, bottom, right)

    def cut(self, image: Array) -> Array:
        """That part of an image [H, W, ...]; the box must lie inside it."""
        return image[self.top : self.bottom, self.left : self.right]


def _shifted(start: int, end: int, length: int) -> tuple[int, int]:
    extent = min(end - start, length)
    start = min(max(start, 0), length - extent)
    return start, start + extent


class Projector(Artifact):
    """A projection artifact, opened on a device (see :class:`Artifact` for what is raised).

    >>> projector = Projector("relu3_1.pixelgrad", device="cpu")
    >>> values, positions = projector.strongest(images)
    >>> projector.project(images[:1], projector.cotangent((224, 224), channel=5, position=positions[0, 5]))

    Images are float32 [N, 3, H, W], RGB in [0, 1].
    """

    def __init__(self, path: str | Path, *, device: str | Choice = "auto") -> None:
        super().__init__(path, device=device)
        facts = self.manifest.get("projection")
        if not isinstance(facts, dict):
            raise ArtifactError(
                f"the artifact {str(path)!r} is of kind {self.manifest['objective']['kind']!r}, not a projection; "
                "pixelgrad export deconv makes one"
            )
        self.layer: str = facts["layer"]
        self.rule: str = facts["rule"]
        self.channels: int = facts["channels"]
        self.watched: tuple[str, ...] = tuple(facts["watched"])
        self._fields = facts["fields"]
        self._most = self.manifest["image"]["batch"]
        self._grids: dict[tuple[int, int], tuple[int, int]] = {}

    def at_once(self, wanted: int) -> int:
        """How many images to give it at a time: ``wanted``, or 1 where the network takes no more."""
        return wanted if self._most is None else min(wanted, int(self._most))

    def strongest(self, images: Array) -> tuple[Array, Array]:
        """Each channel's largest activation, float32 [N, C], and where it is in the channel's map, int64 [N, C].

        Raises :class:`DivergedError` where one is beyond float16 in which the network runs.
        """
        with failures():
            values, positions = self.evaluation.run(["maxima", "positions"], {"image": images}, silent())
        if self.precision == "fp16" and not np.isfinite(values).all():
            raise DivergedError(f"activations of {self.layer!r} are beyond float16, 65504; use --precision fp32")
        return values, positions

    def features(self, images: Array, layers: tuple[str, ...] | None = None) -> list[Array]:
        """The features of watched layers, or of ``layer`` alone by default."""
        names = ["features"] if layers is None else [f"features.{name}" for name in layers]
        with failures():
            result: list[Array] = self.evaluation.run(names, {"image": images}, silent())
        return result

    def project(self, images: Array, cotangent: Array) -> Array:
        """``cotangent`` (shape of the features of ``images``) carried down to the pixels, [N, 3, H, W].

        In float16 a projection that overflows is made again from a smaller cotangent: all rules are homogeneous, so
        the result is the same but for its scale. Raises :class:`DivergedError` where that does not help.
        """
        scale = 1.0
        for _ in range(_ATTEMPTS if self.precision == "fp16" else 1):
            feeds = {"image": images, "cotangent": cotangent * np.float32(scale)}
            with failures():
                (projection,) = self.training.run(["projection"], feeds, silent())
            result: Array = projection * np.float32(1 / scale)
            if np.isfinite(result).all():
                return result
            scale /= _SMALLER
        raise DivergedError(
            f"the projection from {self.layer!r} is not finite"
            + (": float16 ends at 65504; use --precision fp32" if self.precision == "fp16" else "")
        )

    def project_one(self, image: Array, channel: int, position: int, value: float = 1.0) -> Array:
        """``image`` [1, 3, H, W]: one activation of one channel, all others zeroed, as [1, 3, H, W]."""
        grid = self.grid(image.shape[2:])
        cotangent = np.zeros((1, self.channels, math.prod(grid)), np.float32)
        cotangent[0, channel, position] = value
        return self.project(image, cotangent.reshape(1, self.channels, *(grid if self.spatial else ())))

    @cached_property
    def spatial(self) -> bool:
        """Whether the layer's channels are maps."""
        shape = next(value.shape for value in self.evaluation.get_outputs() if value.name == "features")
        return len(shape) == 4

    def grid(self, size: tuple[int, ...]) -> tuple[int, int]:
        """(height, width) of the layer's maps for images of ``size`` (height, width); (1, 1) for a layer of classes."""
        if not self.spatial:
            return 1, 1
        key = (size[0], size[1])
        if key not in self._grids:
            (features,) = self.features(np.zeros((1, 3, *key), np.float32))
            self._grids[key] = features.shape[2], features.shape[3]
        return self._grids[key]

    def field(self, row: int, column: int, size: tuple[int, int]) -> Box:
        """The receptive field of a position in an image of ``size`` (height, width); it may reach over the edge."""
        if self._fields is None:
            return Box(0, 0, *size)
        (top, bottom), (left, right) = (
            _interval(self._fields[axis], index) for axis, index in (("height", row), ("width", column))
        )
        return Box(top, left, bottom, right)


def _interval(span: dict[str, float], index: int) -> tuple[int, int]:
    start = span["start"] + index * span["stride"]
    return math.floor(start), math.ceil(start + span["slack"] + span["size"])
