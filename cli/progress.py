"""Showing a stream of events: a bar on a terminal, plain lines elsewhere, nothing when asked to be quiet."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from pixelgrad.cli.console import say
from pixelgrad.runtime import CompareEvent, EvolveEvent, FrameEvent, MistakesEvent, ProjectEvent, ScanEvent, StepEvent

E = TypeVar("E", bound=Any)

# Without a terminal: a line at every scale or phase, and at most every so many seconds between.
_SECONDS_BETWEEN_LINES = 10.0


@dataclass(frozen=True)
class Style:
    """How to show a kind of event, which has ``progress`` and ``seconds``.

    facts: a line about it. phase: what it belongs to; another phase is worth a line of its own.
    """

    facts: Callable[[Any], str]
    phase: Callable[[Any], object]


def shown(events: Iterable[E], *, quiet: bool, style: Style | None = None) -> Iterator[E]:
    """``events``, shown on stderr as they pass; steps by default."""
    style = style or STEPS
    if quiet:
        yield from events
    elif sys.stderr.isatty():
        yield from _bar(events, style)
    else:
        yield from _lines(events, style)


def _facts(event: StepEvent) -> str:
    rate = event.step / max(event.seconds, 1e-9)
    left = event.seconds * (1 - event.progress) / max(event.progress, 1e-9)
    return (
        f"scale {event.scale}/{event.scales} {event.width}x{event.height}  step {event.step}/{event.steps}  "
        f"loss {event.loss:.4g}  {rate:.1f} it/s  ETA {_clock(left)}"
    )


def _frame_facts(event: FrameEvent) -> str:
    each = event.seconds / event.made
    of, left = (
        ("", "")
        if event.frames is None
        else (f"/{event.frames}", f"  ETA {_clock(each * (event.frames - event.frame))}")
    )
    return f"frame {event.frame}{of} {event.width}x{event.height}  loss {event.loss:.4g}  {each:.1f} s/frame{left}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _scan_facts(event: ScanEvent | ProjectEvent | MistakesEvent) -> str:
    if isinstance(event, ProjectEvent):
        return f"projecting channel {event.done}/{event.total}"
    if isinstance(event, MistakesEvent):
        if event.stage == "believe":
            left = event.seconds * (1 - event.progress) / max(event.progress, 1e-9)
            return f"making a picture of class {event.done}/{event.total}  ETA {_clock(left)}"
        return f"looking into error {event.done}/{event.total}" if event.total else "no errors"
    if event.known == event.total:
        return f"all {event.total} images known"
    left = event.seconds * (1 - event.progress) / max(event.progress, 1e-9)
    speed = f"  {event.rate:.1f} images/s  ETA {_clock(left)}" if event.rate else ""
    skipped = f"  {event.unreadable} unreadable" if event.unreadable else ""
    return f"image {event.done}/{event.total}{skipped}{speed}"


def _evolve_facts(event: EvolveEvent) -> str:
    what = {"scan": "image", "project": "projecting channel", "compare": "comparing image"}[event.stage]
    of = f"{event.snapshot}: " if event.snapshot else ""
    left = event.seconds * (1 - event.progress) / max(event.progress, 1e-9)
    estimate = f"  ETA {_clock(left)}" if event.progress > 0.01 else ""
    return f"{of}{what} {event.done}/{event.total}{estimate}"


def _compare_facts(event: CompareEvent) -> str:
    left = event.seconds * (1 - event.progress) / max(event.progress, 1e-9)
    return f"{event.network}: {event.doing}" + (f"  ETA {_clock(left)}" if event.progress < 1 - 1e-9 else "")


def _bar(events: Iterable[E], style: Style) -> Iterator[E]:
    columns = (BarColumn(bar_width=24), TextColumn("{task.description}", markup=False))
    with ExitStack() as stack:
        bar = stack.enter_context(Progress(*columns, console=Console(stderr=True)))
        task = bar.add_task("starting", total=1.0)
        for event in events:
            bar.update(task, completed=event.progress, description=style.facts(event))
            yield event


def _lines(events: Iterable[E], style: Style) -> Iterator[E]:
    phase: object = None
    last = 0.0
    for event in events:
        is_last = event.progress > 1 - 1e-9
        if style.phase(event) != phase or is_last or event.seconds - last >= _SECONDS_BETWEEN_LINES:
            say(style.facts(event))
            phase, last = style.phase(event), event.seconds
        yield event


STEPS = Style(_facts, lambda event: event.scale)
FRAMES = Style(_frame_facts, lambda _: None)
SCANS = Style(_scan_facts, lambda event: getattr(event, "stage", type(event)))
COMPARISONS = Style(_compare_facts, lambda event: (event.network, event.doing.partition(" ")[0]))
EVOLUTIONS = Style(_evolve_facts, lambda event: (event.stage, event.snapshot))
