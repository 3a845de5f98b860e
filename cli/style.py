"""``pixelgrad style``: a photo in the style of a painting."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from typing import Annotated

import typer

from pixelgrad.cli import options
from pixelgrad.cli.console import fail, note, print_json, reports_errors
from pixelgrad.cli.progress import shown
from pixelgrad.cli.report import run_report
from pixelgrad.errors import DivergedError, OutputError, SettingsError
from pixelgrad.runtime import (
    Artifact,
    Picture,
    StepEvent,
    StyleSettings,
    choose_device,
    read_image,
    style,
    write_image,
)
from pixelgrad.runtime.images import check_output
from pixelgrad.tasks import style_artifact

_DEFAULTS = StyleSettings()


@reports_errors
def style_command(
    content: Annotated[str, typer.Argument(metavar="PHOTO", help="The picture to stylise; - is stdin.")],
    styles: Annotated[
        list[str], typer.Argument(metavar="PAINTING...", help="One or more pictures to take style from.")
    ],
    output: options.Output,
    model: options.Model = None,
    size: options.Size = _DEFAULTS.size,
    steps: options.Steps = _DEFAULTS.steps,
    style_weights: Annotated[
        str | None, typer.Option("--style-weights", metavar="W,W,...", help="How much of each painting.")
    ] = None,
    style_scale: Annotated[
        float,
        typer.Option("--style-scale", help="Size of the paintings relative to --size: less is finer texture."),
    ] = _DEFAULTS.style_scale,
    content_weight: Annotated[
        float | None, typer.Option("--content-weight", help="Weight of the content; the default is 0.1.")
    ] = None,
    style_weight: Annotated[
        float | None, typer.Option("--style-weight", help="Weight of the style; the default is 1.")
    ] = None,
    tv_weight: Annotated[
        float | None, typer.Option("--tv-weight", help="Weight of the smoothness; the default is 2.")
    ] = None,
    content_layers: options.ContentLayers = None,
    style_layers: options.StyleLayers = None,
    pool: options.Pool = "max",
    preprocess: options.Preprocess = None,
    init: Annotated[str, typer.Option("--init", metavar="content|noise|FILE", help="What to start from.")] = "content",
    optimizer: Annotated[
        str, typer.Option("--optimizer", metavar="adam|lbfgs", help="How to move the pixels.")
    ] = _DEFAULTS.optimizer,
    learning_rate: Annotated[
        float, typer.Option("--learning-rate", help="Step of Adam, in pixel values of 0 to 1.")
    ] = _DEFAULTS.learning_rate,
    seed: options.Seed = _DEFAULTS.seed,
    device: options.Device = "auto",
    force: options.Force = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Give a photo the style of one or more paintings.

    Example: pixelgrad style photo.jpg painting.jpg -o out.png
    """
    if json and output == "-":
        raise SettingsError("--json and -o - both want stdout; give -o a file name")
    if [content, *styles].count("-") > 1:
        raise SettingsError("only one picture can come from stdin")
    settings = StyleSettings(
        size=size,
        steps=steps,
        seed=seed,
        init=init if init in ("content", "noise") else read_image(init),
        optimizer=optimizer,
        learning_rate=learning_rate,
        style_weights=options.parse_numbers(style_weights, "--style-weights"),
        style_scale=style_scale,
        content_weight=content_weight,
        style_weight=style_weight,
        tv_weight=tv_weight,
    )
    settings.check(len(styles))
    chosen = choose_device(device)
    check_output(output, force=force)
    pictures = [read_image(source) for source in (content, *styles)]
    for picture in pictures:
        for warning in picture.warnings:
            note(warning, quiet=quiet)
    folder = style_artifact(
        model,
        content_layers=options.parse_layers(content_layers, "--content-layers"),
        style_layers=options.parse_layers(style_layers, "--style-layers"),
        pool=pool,
        preprocess=preprocess,
    )
    artifact = Artifact(folder, device=chosen)
    network = artifact.manifest["network"]["name"]
    note(f"{network} on {chosen.name}{_passed_over(chosen.rejected)}", quiet=quiet)
    events = style(artifact, pictures[0], pictures[1:], settings)
    first, last = _run(events, output, force=force, quiet=quiet)
    picture = last.picture()
    _save(picture, output, force=force)
    if json:
        print_json(run_report(output, picture, chosen.name, first, last))
    elif output != "-":
        note(f"wrote {output} ({picture.size[0]}x{picture.size[1]}) in {last.seconds:.1f} s", quiet=quiet)


def _passed_over(rejected: object) -> str:
    reasons = "; ".join(f"{name}: {why}" for name, why in dict(rejected).items())  # type: ignore[call-overload]
    return f" ({reasons})" if reasons else ""


def _run(events: Iterable[StepEvent], output: str, *, force: bool, quiet: bool) -> tuple[StepEvent, StepEvent]:
    """The first and the last event. What there is of the picture is saved if the run is broken off."""
    first: StepEvent | None = None
    last: StepEvent | None = None
    try:
        for event in shown(events, quiet=quiet):
            first, last = first or event, event
    except KeyboardInterrupt:
        if last is None:
            raise
        _save(last.picture(), output, force=force)
        fail(f"interrupted at step {last.step} of {last.steps}; the picture so far is in {_place(output)}")
        raise typer.Exit(130) from None
    except DivergedError as error:
        if error.image is None:
            raise
        _save(Picture.from_nchw(error.image), output, force=force)
        raise DivergedError(f"{error}. The last good image is in {_place(output)}") from error
    assert first is not None
    assert last is not None
    return first, last


def _place(output: str) -> str:
    return "stdout" if output == "-" else output


def _save(picture: Picture, output: str, *, force: bool) -> None:
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
