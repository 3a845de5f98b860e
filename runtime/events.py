"""What a task reports while it runs: one stream for a progress bar, a notebook, a server and the tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pixelgrad.runtime.images import Picture

__all__ = ["FrameEvent", "StepEvent"]


@dataclass(frozen=True)
class StepEvent:
    """One step is done.

    scale, scales: which of how many sizes, from 1. width, height: that size.
    step, steps: which of how many steps in all, from 1.
    loss, losses: the weighted sum and each term's own value, at the image before this step.
    seconds: since the task began.
    progress: the share of all the work that is done, from 0 to 1; a step at a large size is more work.
    picture: makes the picture as it is now; costs nothing until it is called, or the event goes to another process.
    measures: what else a task has to report of its picture, by name; most have nothing before their last step.
    """

    scale: int
    scales: int
    width: int
    height: int
    step: int
    steps: int
    loss: float
    losses: Mapping[str, float]
    seconds: float
    progress: float
    picture: Callable[[], Picture] = field(repr=False)
    measures: Mapping[str, float] = field(default_factory=dict)

    def __getstate__(self) -> dict[str, Any]:
        """For a pickle: with the picture, not with what would make it, which may be anything, and of a device."""
        return {**vars(self), "picture": partial(_itself, self.picture())}


def _itself(picture: Picture) -> Picture:
    return picture


@dataclass(frozen=True)
class FrameEvent:
    """One frame of a moving picture is done.

    frame, frames: which of how many, from 1; ``frames`` is ``None`` where there is no end. width, height: its size.
    made: how many of them this run has made, where it went on from another.
    loss, losses: as of :class:`StepEvent`, at its last step.
    seconds: since the task began. progress: the share of the frames that are done, from 0 to 1; 0 of an endless zoom.
    picture: the frame.
    """

    frame: int
    frames: int | None
    made: int
    width: int
    height: int
    loss: float
    losses: Mapping[str, float]
    seconds: float
    progress: float
    picture: Picture
