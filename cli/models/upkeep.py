"""``pixelgrad models rm``, ``verify`` and ``path``."""

from __future__ import annotations

from typing import Annotated

import typer

from pixelgrad.cli import options
from pixelgrad.cli.console import fail, note, print_json, reports_errors, tell
from pixelgrad.cli.models.tables import megabytes
from pixelgrad.errors import NetworkError
from pixelgrad.models import BUNDLED, close_names, plain_name
from pixelgrad.networks import Record, find_network, leftovers, records, remove, verify


@reports_errors
def rm_command(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Networks that were pulled or added.")],
    quiet: options.Quiet = False,
) -> None:
    """Remove networks from this computer, and what is left of a pull that was interrupted.

    Files that were added with --link stay where they are.
    """
    for name in [_left_over(name) or _here(name).name for name in names]:
        freed = remove(name)
        note(f"removed {name}, {megabytes(freed)}", quiet=quiet)


@reports_errors
def verify_command(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...]", help="Networks; all that are here if none is named.")
    ] = None,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Check that the files of networks are what they were, and what their publishers say they are."""
    chosen = [_here(name) for name in names] if names else list(records().values())
    rows = []
    for record in chosen:
        for check in verify(record):
            rows.append({"network": record.name, "file": check.file, "passed": check.passed, "detail": check.detail})
            if not quiet and not json:
                tell(f"{'ok    ' if check.passed else 'FAILED'} {record.name} {check.file}: {check.detail}")
    failed = sorted({str(row["network"]) for row in rows if not row["passed"]})
    if json:
        print_json({"passed": not failed, "files": rows})
    elif failed:
        fail("; ".join(_advice(record) for record in chosen if record.name in failed))
    elif not rows:
        note("there is no network to verify: none was pulled or added", quiet=quiet)
    if failed:
        raise typer.Exit(1)


def _advice(record: Record) -> str:
    if record.kind == "pulled":
        return f"{record.name}: not what it should be; pixelgrad models pull --force {record.name} fetches it again"
    return (
        f"{record.name}: not what was added, in {str(record.folder)!r}; put the file back, or pixelgrad models rm "
        f"{record.name} and add it again"
    )


@reports_errors
def path_command(model: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A network.")]) -> None:
    """Print where the file of a network is."""
    tell(str(find_network(model)))


def _left_over(name: str) -> str | None:
    return next((left for left in leftovers() if plain_name(left) == plain_name(name)), None)


def _here(name: str) -> Record:
    here = records()
    found = next((record for record in here.values() if plain_name(record.name) == plain_name(name)), None)
    if found is not None:
        return found
    if plain_name(name) == plain_name(BUNDLED):
        raise NetworkError(f"{BUNDLED} is part of pixelgrad and was neither pulled nor added")
    close = close_names(name, here)
    hint = f"did you mean {', '.join(close)}?" if close else f"here are {', '.join(here) or 'none'}"
    raise NetworkError(f"there is no network {name!r} on this computer; {hint}")
