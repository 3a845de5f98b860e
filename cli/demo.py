"""``pixelgrad demo``: a first result without a file of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from pixelgrad.cli import groups, options
from pixelgrad.cli.command import command
from pixelgrad.cli.console import fail, note, print_json
from pixelgrad.cli.progress import shown
from pixelgrad.cli.running import open_artifact, save
from pixelgrad.errors import OutputError
from pixelgrad.runtime import Artifact, Choice, Picture, StepEvent, StyleSettings, choose_device, style
from pixelgrad.runtime.images import check_output, sheet
from pixelgrad.runtime.samples import SAMPLES
from pixelgrad.runtime.samples.drawing import check
from pixelgrad.tasks import style_artifact

_CONTENT, *_STYLES = SAMPLES
_SHEET = "sheet"
_DEFAULTS = StyleSettings()
_STYLIZED = {name: f"{_CONTENT}-{name}" for name in _STYLES}


@command
def demo_command(
    *,
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="DIR|FILE", help="Folder for all pictures, or a file for one sheet."),
    ] = "pixelgrad-demo",
    size: options.Size = 512,
    steps: options.Steps = _DEFAULTS.steps,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Another number draws another scene.")] = 0,
    model: options.Model = None,
    run: groups.RunOptions,
) -> None:
    """Draw a landscape and two styles, and give the one the others: no files needed.

    Example: pixelgrad demo -o demo
    """
    settings = StyleSettings(size=size, steps=steps, seed=seed)
    settings.check(styles=1)
    width, height = size, round(size * 2 / 3)
    check(width, height, seed)
    choice = choose_device(run.device)
    places = _places(output, force=run.force)
    note(f"drawing {_CONTENT}, {' and '.join(_STYLES)} ({width}x{height})", quiet=run.quiet)
    pictures = {name: Picture(draw(width, height, seed)) for name, draw in SAMPLES.items()}
    for name in SAMPLES.keys() & places.keys():
        save(pictures[name], str(places[name]), force=run.force)
    artifact = open_artifact(style_artifact(model, device=choice), choice, quiet=run.quiet)
    interrupted = False
    for name, result in _STYLIZED.items():
        note(f"{_CONTENT} in the style of {name}", quiet=run.quiet)
        styled, interrupted = _stylized(artifact, pictures[_CONTENT], pictures[name], settings, quiet=run.quiet)
        pictures[result] = styled
        if result in places:
            save(styled, str(places[result]), force=run.force)
        if interrupted:
            break
    save(_overview(pictures), str(places[_SHEET]), force=run.force)
    if interrupted:
        fail(f"interrupted; the pictures so far are in {output}")
        raise typer.Exit(130)
    if run.json:
        print_json(_report(places, choice, settings))
    else:
        note(f"wrote {', '.join(str(place) for place in places.values())}", quiet=run.quiet)


def _places(output: str, *, force: bool) -> dict[str, Path]:
    """Where each picture goes: all into a folder, which is made, or the sheet alone into a file."""
    if not output:
        raise OutputError("the name of the output is empty; name a folder, or a file such as demo.png")
    target = Path(output)
    if target.suffix and not target.is_dir():
        check_output(target, force=force)
        return {_SHEET: target}
    new = [folder for folder in (target, *target.parents) if not folder.exists()]
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{output}: the folder cannot be made ({error.strerror}); choose another with -o DIR"
        ) from None
    places = {name: target / f"{name}.png" for name in (*SAMPLES, *_STYLIZED.values(), _SHEET)}
    try:
        for place in places.values():
            check_output(place, force=force)
    except OutputError:
        for folder in new:  # on a disk that is full there is room for a folder
            with suppress(OSError):
                folder.rmdir()
        raise
    return places


def _stylized(
    artifact: Artifact, content: Picture, painting: Picture, settings: StyleSettings, *, quiet: bool
) -> tuple[Picture, bool]:
    """The picture, and whether Ctrl-C cut it short."""
    last: StepEvent | None = None
    try:
        for event in shown(style(artifact, content, [painting], settings), quiet=quiet):
            last = event
    except KeyboardInterrupt:
        if last is None:
            raise
        return last.picture(), True
    assert last is not None  # there is at least one step
    return last.picture(), False


def _overview(pictures: Mapping[str, Picture]) -> Picture:
    """The styles above, the landscape and what became of it below."""
    above = [None, *(pictures[name] for name in _STYLES)]
    below = [pictures[_CONTENT], *(pictures.get(result) for result in _STYLIZED.values())]
    captions: list[list[str | None]] = [[None, *_STYLES], [_CONTENT, *(f"{_CONTENT} as {name}" for name in _STYLES)]]
    return sheet([above, below], captions=captions)


def _report(places: Mapping[str, Path], device: Choice, settings: StyleSettings) -> dict[str, object]:
    outputs = {name: str(place) for name, place in places.items()}
    return {"outputs": outputs, "device": device.name, "size": settings.size, "steps": settings.steps}
