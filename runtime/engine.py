"""The step loop that every task shares: ask for a gradient, check it, let the optimiser move, say so."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from pixelgrad.errors import DivergedError
from pixelgrad.runtime.artifact import Evaluation
from pixelgrad.runtime.events import StepEvent
from pixelgrad.runtime.failures import failures
from pixelgrad.runtime.images import Picture, resize
from pixelgrad.runtime.optimizers import Stepper

__all__ = ["ADVICE", "Evaluator", "Finish", "Plan", "descend"]

Array = np.ndarray[Any, Any]


#: What to try where the loss stops being a number, by optimiser: L-BFGS has no learning rate.
ADVICE = {
    "adam": "try a lower --learning-rate, other layers, or another network",
    "lbfgs": "try other layers, or another network",
}


class Plan:
    """What a run is going to do, and how much of it is done: makes the events.

    scales: (width, height, steps) of each size in turn. A step's share of the work is its number of pixels.
    """

    def __init__(self, scales: Sequence[tuple[int, int, int]]) -> None:
        self.scales = tuple(scales)
        self.steps = sum(steps for _, _, steps in self.scales)
        self._work = sum(width * height * steps for width, height, steps in self.scales)
        self._done = 0
        self._step = 0
        self._began = time.perf_counter()

    @property
    def step(self) -> int:
        """How many steps are done."""
        return self._step

    def did(self, scale: int, evaluation: Evaluation, picture: Callable[[], Picture]) -> StepEvent:
        """Count a step at ``scale`` (from 1) and tell of it."""
        width, height, _ = self.scales[scale - 1]
        self._step += 1
        self._done += width * height
        return StepEvent(
            scale=scale,
            scales=len(self.scales),
            width=width,
            height=height,
            step=self._step,
            steps=self.steps,
            loss=evaluation.loss,
            losses=evaluation.losses,
            seconds=time.perf_counter() - self._began,
            progress=self._done / self._work,
            picture=picture,
        )


@dataclass(frozen=True)
class Finish:
    """Turns the pixels of a step into its picture: lays an alpha channel back on and writes the recipe in.

    colour: a last change of the colours, of pixels [H, W, 3]; what it puts outside of [0, 1] is clipped.
    """

    recipe: dict[str, Any]
    alpha: Array | None = None
    colour: Callable[[Array], Array] | None = None

    def __call__(self, image: Array) -> Picture:
        """image: float32 [1, 3, H, W] in [0, 1]; the alpha channel is fitted to it."""
        height, width = image.shape[2:]
        alpha = None if self.alpha is None else resize(self.alpha, (width, height), clip=True)
        if self.colour is not None:
            image = self.colour(image[0].transpose(1, 2, 0)).transpose(2, 0, 1)[None]
        return Picture.from_nchw(image, alpha, self.recipe)


class Evaluator(Protocol):
    """What a gradient is asked of: an :class:`Artifact`, or something that looks at the picture through one."""

    @property
    def precision(self) -> str:
        """``fp32`` or ``fp16``, what the network runs in."""

    def evaluate(
        self, image: Array, targets: Mapping[str, Array], weights: Mapping[str, float] | None = None
    ) -> Evaluation: ...


def descend(
    evaluator: Evaluator,
    optimizer: Stepper,
    plan: Plan,
    scale: int,
    finish: Callable[[Array], Picture],
    targets: Mapping[str, Array],
    weights: Mapping[str, float] | None = None,
    *,
    advice: str = ADVICE["lbfgs"],
) -> Iterator[StepEvent]:
    """Take the steps that ``plan`` has for ``scale`` (from 1), and tell of each.

    The optimiser's image may be larger than the scale; what is beyond it, on the right and below, is not shown.

    Raises :class:`DivergedError`, with the last good image and with ``advice``, where the loss or the gradient stops
    being a number, and :class:`DeviceError` where the memory does not suffice.
    """
    width, height, steps = plan.scales[scale - 1]

    def shown(image: Array) -> Array:
        return np.asarray(image)[:, :, :height, :width]  # from the device, where it was

    for _ in range(steps):
        before = optimizer.result
        evaluation = evaluator.evaluate(optimizer.image, targets, weights)
        if not evaluation.finite:
            if evaluator.precision == "fp16":
                advice += ", or --precision fp32: float16 ends at 65504"
            raise DivergedError(
                f"the loss stopped being a number at step {plan.step + 1} of {plan.steps} ({width}x{height}); {advice}",
                shown(before),
            )
        with failures():
            optimizer.update(evaluation.loss, evaluation.gradient)
        result = optimizer.result
        yield plan.did(scale, evaluation, lambda result=result: finish(shown(result)))  # type: ignore[misc]
