"""A picture grown from noise: its parameters moved from coarse to fine, every gradient taken at another view of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pixelgrad.runtime.engine import Evaluator, Plan, descend
from pixelgrad.runtime.events import StepEvent
from pixelgrad.runtime.images import Picture
from pixelgrad.runtime.optimizers.reparameterized import Reparameterized, settling
from pixelgrad.runtime.parameters import Parameters
from pixelgrad.runtime.transforms import Robustness

__all__ = ["Growth", "grow"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Growth:
    """How pictures grow.

    parameters: what a picture of a (height, width) is made from. robustness: how far the views of a picture that is a
    given share of its final width differ from it. learning_rate: of Adam. views: how many it averages for a step.
    """

    parameters: Callable[[int, int], Parameters]
    robustness: Callable[[float], Robustness]
    learning_rate: float = 0.1
    views: int = 1


def grow(
    evaluator: Evaluator,
    plan: Plan,
    scales: range,
    growth: Growth,
    noise: Sequence[np.random.Generator],
    views: np.random.Generator,
    finish: Callable[[Array], Picture],
    targets: Mapping[str, Array],
    weights: Mapping[str, float] | None = None,
    *,
    advice: str,
) -> Iterator[tuple[StepEvent, Reparameterized]]:
    """Grow a batch of pictures through the ``scales`` (from 1) of ``plan``; yields after every step, with them.

    noise: of each picture, to begin with, for what a scale adds, and where it has no gradient. views: draws these. The
    rest as of :func:`descend`, which also says what is raised.
    """
    sizes = [plan.scales[scale - 1] for scale in scales]
    rates = settling(growth.learning_rate, max(1, sum(steps for _, _, steps in sizes) // growth.views))
    grown: Reparameterized | None = None
    for scale, (width, height, _) in zip(scales, sizes, strict=True):
        parameters = growth.parameters(height, width)
        start = np.concatenate([parameters.start(1, rng) for rng in noise])
        if grown is None:
            grown = Reparameterized(parameters, start, views, rates, growth.views, noise)
        else:
            grown.grow(parameters, start)
        grown.look(growth.robustness(width / sizes[-1][0]))
        for event in descend(evaluator, grown, plan, scale, finish, targets, weights, advice=advice):
            yield event, grown
