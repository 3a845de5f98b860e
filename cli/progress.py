"""Showing a stream of events: a bar on a terminal, plain lines elsewhere, nothing when asked to be quiet."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from pixelgrad.runtime import FrameEvent, StepEvent

# Without a terminal: a line at every scale, and at most every so many seconds between.
_SECONDS_BETWEEN_LINES = 10.0
E = TypeVar("E", StepEvent, FrameEvent)


def shown(events: Iterable[E], *, quiet: bool) -> Iterator[E]:
    """``events``, shown on stderr as they pass."""
    if quiet:
        yield from events
    elif sys.stderr.isatty():
        yield from _bar(events)
    else:
        yield from _lines(events)


def _facts(event: StepEvent | FrameEvent) -> str:
    if isinstance(event, FrameEvent):
        each = event.seconds / event.made
        return (
            f"frame {event.frame}/{event.frames} {event.width}x{event.height}  loss {event.loss:.4g}  "
            f"{each:.1f} s/frame  ETA {_clock(each * (event.frames - event.frame))}"
        )
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


def _bar(events: Iterable[E]) -> Iterator[E]:
    columns = (BarColumn(bar_width=24), TextColumn("{task.description}", markup=False))
    with ExitStack() as stack:
        bar = stack.enter_context(Progress(*columns, console=Console(stderr=True)))
        task = bar.add_task("starting", total=1.0)
        for event in events:
            bar.update(task, completed=event.progress, description=_facts(event))
            yield event


def _lines(events: Iterable[E]) -> Iterator[E]:
    place, last = 0, 0.0
    for event in events:
        here = event.scale if isinstance(event, StepEvent) else 1
        if here != place or event.progress > 1 - 1e-9 or event.seconds - last >= _SECONDS_BETWEEN_LINES:
            print(_facts(event), file=sys.stderr, flush=True)
            place, last = here, event.seconds
        yield event
