"""The endless zoom: dream, go a little closer, dream on."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, takewhile
from typing import Any

import numpy as np
from PIL import Image

from pixelgrad.errors import SettingsError
from pixelgrad.runtime.artifact import Artifact
from pixelgrad.runtime.engine import Finish, Plan
from pixelgrad.runtime.events import FrameEvent
from pixelgrad.runtime.images import Picture, resize
from pixelgrad.runtime.recipe import make_recipe
from pixelgrad.runtime.settings import check_number, check_whole, is_number
from pixelgrad.runtime.tasks.dream import (
    DreamSettings,
    check_dream,
    chosen_channels,
    dream_size,
    dream_sizes,
    octaves,
    references,
    start,
)
from pixelgrad.runtime.tasks.keeping import Keeper

__all__ = ["ZoomSettings", "zoom", "zoom_recipe"]

Array = np.ndarray[Any, Any]
# What a frame needs less of than a picture, since every frame goes on from the one before.
_STEPS, _OCTAVES, _LARGEST, _STRENGTH = 4, 3, 512, 0.75


@dataclass(frozen=True)
class ZoomSettings:
    """How to zoom.

    frames: how many; ``None`` for no end.
    growth: how many times larger each frame shows the one before; below 1 it draws back.
    rotate: degrees per frame, counter-clockwise.
    drift: how far the middle of the frame moves per frame, to the right and down, in percent of its width and height.
    contrast: how many times as strong as in photographs an octave of waves may be in a frame, in each of the colours
        along which those vary; where it is stronger in the picture itself, as strong as there. The mean colour keeps
        near to the picture's. 0 for no such limits: then frames grow harsher and harsher.
    dream: how each frame is dreamed; ``steps`` is 4, ``octaves`` 3, ``strength`` 0.75 and ``size`` the picture's own,
        but at most 512, where it says nothing. Its seed is that of the zoom.
    """

    frames: int | None = 60
    growth: float = 1.04
    rotate: float = 0.0
    drift: tuple[float, float] = (0.0, 0.0)
    contrast: float = 1.25
    dream: DreamSettings = field(default_factory=DreamSettings)

    def check(self) -> None:
        """Raise :class:`SettingsError` for a value that cannot be."""
        if self.frames is not None:
            check_whole(self, 1, "frames")
        check_number(self, "contrast")
        self.dream.check()
        check_number(self, "growth", least=0.5, most=2)
        check_number(self, "rotate", least=-180, most=180, unit="degrees")
        parts = self.drift if isinstance(self.drift, list | tuple) else ()
        if len(parts) != 2 or not all(is_number(part, -50, 50) for part in parts):
            raise SettingsError(f"drift is {self.drift}; it must be two numbers of percent from -50 to 50")

    def filled(self, picture: Picture | None) -> ZoomSettings:
        """With a value for all that was ``None``."""
        dream = replace(
            self.dream,
            steps=self.dream.steps or _STEPS,
            octaves=self.dream.octaves or _OCTAVES,
            strength=self.dream.strength or _STRENGTH,
        )
        size = self.dream.size or min(_LARGEST, max(picture.size) if picture is not None else _LARGEST)
        # Noise is dreamed of like a picture: what holds it together comes with the frames.
        return replace(self, dream=replace(dream, size=size).filled(picture or _grey()))


def zoom(
    artifact: Artifact,
    picture: Picture | None,
    settings: ZoomSettings | None = None,
    *,
    channels: Sequence[int] | None = None,
    guide: Picture | None = None,
    after: tuple[int, Picture] | None = None,
) -> Iterator[FrameEvent]:
    """Dream of ``picture``, then of the dream seen a little closer, and so on; yields an event after every frame.

    artifact, picture, channels, guide: as of :func:`dream`. Width and height are rounded down to even numbers, which
        is what video formats take.
    after: the number of the last frame that is there already, and that frame, to go on from. A frame depends on
        nothing but the one before, in 8 bits, and its own number; so a zoom that is broken off and taken up again is
        the same as one that is not.

    Raises as :func:`dream` does.
    """
    settings = settings or ZoomSettings()
    settings.check()
    settings = settings.filled(picture)
    directions = check_dream(artifact, picture, channels, guide)
    size = _even(dream_size(picture, settings.dream))
    sizes = dream_sizes(artifact, size, settings.dream)
    if after is not None and after[1].size != size:
        raise SettingsError(f"the frame to go on from is {after[1].size}; this zoom is of {size} pixels")
    recipe = _recipe(artifact, picture, guide, settings, directions)
    return _run(artifact, picture, guide, settings, sizes, directions, recipe, after)


def zoom_recipe(
    artifact: Artifact,
    picture: Picture | None,
    settings: ZoomSettings,
    *,
    channels: Sequence[int] | None = None,
    guide: Picture | None = None,
) -> dict[str, Any]:
    """All that the frames depend on: equal for two zooms of which one can go on from the other's frames."""
    settings.check()
    return _recipe(artifact, picture, guide, settings.filled(picture), check_dream(artifact, picture, channels, guide))


def _recipe(
    artifact: Artifact,
    picture: Picture | None,
    guide: Picture | None,
    settings: ZoomSettings,
    directions: dict[str, Array],
) -> dict[str, Any]:
    size = _even(dream_size(picture, settings.dream))
    recipe = make_recipe("zoom", artifact, settings, size, {"picture": picture, "guide": guide})
    recipe["channels"] = chosen_channels(directions)
    del recipe["settings"]["frames"]
    return recipe


def _run(
    artifact: Artifact,
    picture: Picture | None,
    guide: Picture | None,
    settings: ZoomSettings,
    sizes: Sequence[tuple[int, int]],
    directions: dict[str, Array],
    recipe: dict[str, Any],
    after: tuple[int, Picture] | None,
) -> Iterator[FrameEvent]:
    began = time.perf_counter()
    first = _fit(start(picture, sizes[-1], _random(settings, 0)), sizes[-1])
    targets = {**directions, **references(artifact, first, sizes[0], guide)}
    keep = Keeper(first, settings.contrast) if settings.contrast else None
    done, before = after or (0, None)
    last_frame = math.inf if settings.frames is None else settings.frames
    for frame in takewhile(lambda number: number <= last_frame, count(done + 1)):
        source = first if before is None else _closer(before.to_nchw(), settings)
        plan = Plan([(*size, settings.dream.steps or 1) for size in sizes])
        finish = Finish({**recipe, "frame": frame})
        for event in octaves(artifact, source, settings.dream, plan, finish, targets, _random(settings, frame)):
            last = event
        shown = last.picture()
        if keep is not None:
            shown = Picture.from_nchw(keep(shown.to_nchw()), None, shown.recipe)
        # What the next frame starts from is what a file of this one holds.
        before = Picture.from_pil(shown.to_pil())
        yield FrameEvent(
            frame=frame,
            frames=settings.frames,
            made=frame - done,
            width=last.width,
            height=last.height,
            loss=last.loss,
            losses=last.losses,
            seconds=time.perf_counter() - began,
            progress=frame / last_frame,
            picture=Picture(before.pixels, None, shown.recipe),
        )


def _random(settings: ZoomSettings, frame: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([settings.dream.seed, frame]))


def _fit(image: Array, size: tuple[int, int]) -> Array:
    return image if image.shape[:1:-1] == size else resize(image, size, clip=True)


def _even(size: tuple[int, int]) -> tuple[int, int]:
    return size[0] // 2 * 2, size[1] // 2 * 2


def _grey() -> Picture:
    return Picture(np.full((1, 1, 3), 0.5, np.float32))


def _closer(image: Array, settings: ZoomSettings) -> Array:
    """``image`` enlarged about its middle, turned and moved; what lies beyond its edge is its mirror image."""
    height, width = image.shape[2:]
    angle = math.radians(settings.rotate)
    cosine, sine = math.cos(angle) / settings.growth, math.sin(angle) / settings.growth
    across, down = (part / 100 * size for part, size in zip(settings.drift, (width, height), strict=True))
    middle = (width / 2, height / 2)
    margin = _margin(width, height, cosine, sine, abs(across), abs(down))
    # Where each pixel of the result lies in the padded image: Pillow counts from the corner of the first pixel.
    matrix = (
        cosine,
        -sine,
        middle[0] - cosine * middle[0] + sine * middle[1] + across + margin,
        sine,
        cosine,
        middle[1] - sine * middle[0] - cosine * middle[1] + down + margin,
    )
    padded = np.pad(image, ((0, 0), (0, 0), (margin, margin), (margin, margin)), mode="symmetric")
    moved = np.empty_like(image)
    for channel in range(3):
        plane = Image.fromarray(padded[0, channel])
        moved[0, channel] = plane.transform(
            (width, height), Image.Transform.AFFINE, matrix, resample=Image.Resampling.BICUBIC
        )
    return np.clip(moved, 0.0, 1.0, out=moved)


def _margin(width: int, height: int, cosine: float, sine: float, across: float, down: float) -> int:
    """How far beyond the image's edge its pixels may come from, and two pixels more for the filter."""
    reach_x = (abs(cosine) * width + abs(sine) * height) / 2 + across - width / 2
    reach_y = (abs(sine) * width + abs(cosine) * height) / 2 + down - height / 2
    return max(0, math.ceil(max(reach_x, reach_y))) + 3
