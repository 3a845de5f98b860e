"""Running a task for a person: which device, how far, and the picture saved whatever happens."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import typer

from pixelgrad.cli.console import fail, note, print_json, reason
from pixelgrad.cli.groups import Run
from pixelgrad.cli.memory import hold_memory, release_memory
from pixelgrad.cli.progress import shown
from pixelgrad.cli.report import run_report
from pixelgrad.errors import DivergedError, OutputError, PixelgradError, SettingsError
from pixelgrad.runtime import DEVICES, Artifact, Choice, Picture, Projector, StepEvent, read_image, write_image
from pixelgrad.runtime.images.encoding import format_of

__all__ = [
    "check_streams",
    "open_artifact",
    "open_artifacts",
    "open_projector",
    "read_pictures",
    "run_to_file",
    "save",
    "say_device",
]


def check_streams(output: str, sources: Iterable[str], run: Run) -> None:
    """Raise :class:`SettingsError` where two things want stdin or stdout."""
    if run.json and output == "-":
        raise SettingsError("--json and -o - both want stdout; give -o a file name")
    if list(sources).count("-") > 1:
        raise SettingsError("only one picture can come from stdin")


def check_place(place: Path | None, option: str) -> None:
    """Raise :class:`SettingsError` for ``-`` where a folder or a file that grows is wanted."""
    if place is not None and str(place) == "-":
        raise SettingsError(f"{option} is '-', and what is written there is no stream; give it a name")


def read_pictures(sources: Iterable[str], run: Run) -> list[Picture]:
    """The pictures, and on stderr what was odd about them."""
    pictures = [read_image(source) for source in sources]
    for picture in pictures:
        for warning in picture.warnings:
            note(warning, quiet=run.quiet)
    return pictures


def open_artifact(folder: Path, choice: Choice, *, quiet: bool) -> Artifact:
    """The artifact, having said on which device it runs and why not on a better one."""
    artifact = Artifact(folder, device=choice)
    say_device(artifact, quiet=quiet)
    return artifact


def open_artifacts(folders: Mapping[str, Path], choice: Choice, run: Run) -> dict[str, Artifact]:
    """:func:`open_artifact` for several that make one picture: what there is to say is said once."""
    return {
        name: open_artifact(folder, choice, quiet=run.quiet or number > 0)
        for number, (name, folder) in enumerate(folders.items())
    }


def open_projector(folder: Path, choice: Choice, *, quiet: bool) -> Projector:
    """:func:`open_artifact` for a projection."""
    projector = Projector(folder, device=choice)
    say_device(projector, quiet=quiet)
    return projector


def say_device(artifact: Artifact, *, quiet: bool) -> None:
    """Say on which device an artifact runs, and why not on a better one."""
    choice = artifact.choice
    # What exists on other systems only is no choice here. How to install a device is for pixelgrad devices to say.
    here = {name: why for name, why in choice.rejected.items() if not DEVICES[name].elsewhere}
    reasons = "; ".join(f"{name}: {why.partition(' (pip')[0]}" for name, why in here.items())
    passed_over = f" ({reasons}; pixelgrad devices says more)" if reasons else ""
    note(f"{artifact.manifest['network']['name']} on {choice.name}{passed_over}", quiet=quiet)
    logging.getLogger("pixelgrad").setLevel(logging.ERROR if quiet else logging.WARNING)
    if choice.device.name == "cpu":
        hold_memory()
    else:
        artifact.open()  # now, so that what a device leaves to the CPU is said before the progress bar


def run_to_file(events: Iterable[StepEvent], output: str, choice: Choice, run: Run) -> None:
    """Run a task to its end and write its picture to ``output`` (``-`` is stdout).

    Ctrl-C saves the picture so far and ends with exit code 130. So does an error, such as too little memory for a
    finer scale, with exit code 1; a loss that stops being a number saves the last good one.
    """
    first, last = _run(events, output, run)
    picture = last.picture()
    save(picture, output, force=run.force)
    if picture.alpha is not None and output != "-" and not format_of(Path(output)).alpha:
        note(f"{output} holds no transparency, so white is behind the picture; .png keeps it", quiet=run.quiet)
    if run.json:
        print_json(run_report(output, picture, choice.name, first, last))
        return
    for name, value in last.measures.items():
        what, _, layer = name.partition(".")  # not first: "pixelgrad: error" is how a failure begins
        note(f"{layer}: feature {what} {value:.4g}" if layer else f"{what} {value:.4g}", quiet=run.quiet)
    if output != "-":
        note(f"wrote {output} ({picture.size[0]}x{picture.size[1]}) in {last.seconds:.1f} s", quiet=run.quiet)


def say_written(output: str, *, quiet: bool) -> None:
    """Say where the picture is, unless it went to stdout."""
    if output != "-":
        note(f"wrote {output}", quiet=quiet)


def _run(events: Iterable[StepEvent], output: str, run: Run) -> tuple[StepEvent, StepEvent]:
    """The first and the last event. What there is of the picture is saved if the run is broken off."""
    first: StepEvent | None = None
    last: StepEvent | None = None
    try:
        for event in shown(events, quiet=run.quiet):
            first, last = first or event, event
    except KeyboardInterrupt:
        if last is None:
            raise
        save(last.picture(), output, force=run.force)
        fail(f"interrupted at step {last.step} of {last.steps}; the picture so far is in {_place(output)}")
        raise typer.Exit(130) from None
    except DivergedError as error:
        if error.image is None:
            raise
        save(Picture.from_nchw(error.image), output, force=run.force)
        raise DivergedError(f"{error}. The last good image is in {_place(output)}") from error
    except (PixelgradError, MemoryError) as error:
        if last is None:
            raise
        release_memory()  # for the picture, of a scale that did fit
        save(last.picture(), output, force=run.force)
        raise PixelgradError(
            f"{reason(error)}. The picture so far, of step {last.step}, is in {_place(output)}"
        ) from error
    assert first is not None
    assert last is not None
    return first, last


def _place(output: str) -> str:
    return "stdout" if output == "-" else output


def save(picture: Picture, output: str, *, force: bool) -> None:
    """Write the picture; where its place has been lost meanwhile, beside the temporary files, so that nothing is."""
    try:
        write_image(picture, output, force=force)
    except OutputError as error:
        rescued = _rescue(picture)
        raise OutputError(f"{error}. The picture is in {rescued}" if rescued else str(error)) from error


def _rescue(picture: Picture) -> str | None:
    descriptor, name = tempfile.mkstemp(prefix="pixelgrad-", suffix=".png")
    os.close(descriptor)
    try:
        write_image(picture, name, force=True)
    except OutputError:
        return None
    return name
