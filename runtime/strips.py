"""Several runs of a task, one after the other, shown side by side on one labelled sheet."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from pixelgrad.runtime.engine import Plan
from pixelgrad.runtime.events import StepEvent
from pixelgrad.runtime.images import Picture, sheet

__all__ = ["Run", "strip"]

_ACROSS = 6


class Run(Protocol):
    """A task that is checked and ready: its scales as (width, height, steps), its recipe, and its events.

    ``events(plan, before)``: before is how many scales of the plan are other runs'.
    """

    @property
    def scales(self) -> Sequence[tuple[int, int, int]]: ...

    @property
    def recipe(self) -> dict[str, Any]: ...

    def events(self, plan: Plan, before: int) -> Iterator[StepEvent]: ...


def strip(runs: Mapping[str, Run], first: tuple[str, Picture], *, across: int = _ACROSS) -> Iterator[StepEvent]:
    """The events of all runs; the picture of each is the sheet so far, the last one's the whole.

    runs: by caption; below it stand the run's measures. first: caption and picture to begin with, as what the others
    are to be compared with. across: how many pictures a row of the sheet has at most.
    """
    plan = Plan([scale for run in runs.values() for scale in run.scales])
    recipes = [run.recipe for run in runs.values()]
    recipe = {**recipes[-1], "strip": [one["objective"]["settings"] for one in recipes]}
    cells = [first]
    measures: dict[str, float] = {}
    before = 0
    for caption, run in runs.items():
        for event in run.events(plan, before):
            found = {**measures, **event.measures}

            def page(event: StepEvent = event, caption: str = caption, cells: Any = tuple(cells)) -> Picture:
                return _sheet([*cells, (_caption(caption, event), event.picture())], across, recipe)

            yield replace(event, picture=page, measures=found)
            last = event
        cells.append((_caption(caption, last), last.picture()))
        measures |= last.measures
        before += len(run.scales)


def _caption(caption: str, event: StepEvent) -> str:
    return "\n".join([caption, *(f"error {value:.3g}" for value in event.measures.values())])


def _sheet(cells: Sequence[tuple[str, Picture]], across: int, recipe: dict[str, Any]) -> Picture:
    across = math.ceil(len(cells) / math.ceil(len(cells) / across))  # no row of one below full ones
    rows = [cells[start : start + across] for start in range(0, len(cells), across)]
    return sheet(
        [[picture for _, picture in row] for row in rows],
        captions=[[caption for caption, _ in row] for row in rows],
        recipe=recipe,
    )
