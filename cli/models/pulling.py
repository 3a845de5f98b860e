"""``pixelgrad models pull``, and how a download is shown."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bar

from pixelgrad.cli import options
from pixelgrad.cli.console import fail, note, print_json, reports_errors, say
from pixelgrad.errors import SettingsError
from pixelgrad.models import BUNDLED, CATALOGUE, close_names, plain_name
from pixelgrad.networks import Progress, pull, pulled, records

_SECONDS_BETWEEN_LINES = 5.0

Offline = Annotated[bool, typer.Option("--offline", help="Fetch nothing; PIXELGRAD_OFFLINE=1 does the same.")]


@reports_errors
def pull_command(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Networks of the catalogue.")],
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="URL|FOLDER", help="Take the files from a mirror, or from a folder."),
    ] = None,
    offline: Offline = False,
    force: Annotated[bool, typer.Option("--force", "-f", help="Fetch again what is here already.")] = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Fetch networks from their publishers, and verify them.

    An interrupted download goes on where it broke off when the command is run again.

    Example: pixelgrad models pull vgg19
    """
    chosen = [_known(name) for name in names]
    rows = []
    for name in chosen:
        record = None if force else pulled(name)
        if record is not None:
            note(f"{name} is here already: {record.path}", quiet=quiet)
        else:
            try:
                with _shown(quiet=quiet) as report:
                    record = pull(name, source=source, offline=offline, force=force, on_progress=report)
            except KeyboardInterrupt:
                fail(f"interrupted; what had come of {name} is kept, and the same command goes on from there")
                raise typer.Exit(130) from None
            note(f"{name} is in {record.path}; it is licensed as: {CATALOGUE[name].licence}", quiet=quiet)
        rows.append({"name": name, "path": str(record.path), "size": record.size, "sha256": record.files[0].sha256})
    if json:
        print_json({"networks": rows})


def _known(name: str) -> str:
    if plain_name(name) == plain_name(BUNDLED):
        raise SettingsError(f"{BUNDLED} comes with pixelgrad; there is nothing to pull")
    found = next((known for known in CATALOGUE if plain_name(known) == plain_name(name)), None)
    if found is not None:
        return found
    if name in records():
        raise SettingsError(f"{name} was added by you and has no publisher; there is nothing to pull")
    close = close_names(name, (row.name for row in CATALOGUE.values() if row.files))
    hint = f"did you mean {', '.join(close)}? " if close else ""
    raise SettingsError(f"the catalogue has no network {name!r}; {hint}pixelgrad models list shows what there is")


@contextmanager
def _shown(*, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """What to call with each :class:`Progress`: a bar on a terminal, a line now and then elsewhere."""
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        with _bar() as bar:
            tasks: dict[str, int] = {}

            def update(progress: Progress) -> None:
                if progress.file not in tasks:
                    tasks[progress.file] = bar.add_task(progress.file, total=None)
                task = tasks[progress.file]
                bar.update(task, completed=progress.done, total=progress.total, description=_words(progress))  # type: ignore[arg-type]

            yield update
    else:
        yield _lines()


def _bar() -> Bar:
    return Bar(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


def _lines() -> Callable[[Progress], None]:
    last, state = 0.0, ""

    def show(progress: Progress) -> None:
        nonlocal last, state
        finished = progress.total is not None and progress.done >= progress.total
        now = time.monotonic()
        if progress.state in ("downloading", "copying") and not finished and now - last < _SECONDS_BETWEEN_LINES:
            return
        line = _words(progress)
        if progress.total:
            line += (
                f": {progress.done / 1e6:.1f} of {progress.total / 1e6:.1f} MB ({progress.done / progress.total:.0%})"
            )
        if line != state:
            say(line)
        last, state = now, line

    return show


def _words(progress: Progress) -> str:
    if progress.state == "waiting":
        return f"waiting for another pixelgrad, which is fetching {progress.file}"
    return f"{progress.state} {progress.file}"
