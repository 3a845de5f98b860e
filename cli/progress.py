"""Showing a stream of events: a bar on a terminal, plain lines elsewhere, nothing when asked to be quiet."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from pixelgrad.runtime import StepEvent

# Without a terminal: a line at every scale, and at most every so many seconds between.
_SECONDS_BETWEEN_LINES = 10.0


def shown(events: Iterable[StepEvent], *, quiet: bool) -> Iterator[StepEvent]:
    """``events``, shown on stderr as they pass."""
    if quiet:
        yield from events
    elif sys.stderr.isatty():
        yield from _bar(events)
    else:
        yield from _lines(events)


def _facts(event: StepEvent) -> str:
    rate = event.step / max(event.seconds, 1e-9)
    left = event.seconds * (1 - event.progress) / max(event.progress, 1e-9)
    return (
        f"scale {event.scale}/{event.scales} {event.width}x{event.height}  step {event.step}/{event.steps}  "
        f"loss {event.loss:.4g}  {rate:.1f} it/s  ETA {_clock(left)}"
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _bar(events: Iterable[StepEvent]) -> Iterator[StepEvent]:
    columns = (BarColumn(bar_width=24), TextColumn("{task.description}", markup=False))
    with ExitStack() as stack:
        bar = stack.enter_context(Progress(*columns, console=Console(stderr=True)))
        task = bar.add_task("starting", total=1.0)
        for event in events:
            bar.update(task, completed=event.progress, description=_facts(event))
            yield event


def _lines(events: Iterable[StepEvent]) -> Iterator[StepEvent]:
    scale, last = 0, 0.0
    for event in events:
        if event.scale != scale or event.step == event.steps or event.seconds - last >= _SECONDS_BETWEEN_LINES:
            print(_facts(event), file=sys.stderr, flush=True)
            scale, last = event.scale, event.seconds
        yield event
