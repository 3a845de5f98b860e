"""``pixelgrad mistakes``: what a classifier gets wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pixelgrad.cli import groups, options
from pixelgrad.cli.command import Group, command
from pixelgrad.cli.console import note, print_json
from pixelgrad.cli.deconv import report_unreadable
from pixelgrad.cli.progress import SCANS, shown
from pixelgrad.cli.running import check_place, check_streams, open_projector, save, say_written
from pixelgrad.models import class_name
from pixelgrad.runtime import MistakesEvent, MistakesResult, MistakesSettings, choose_device, mistakes
from pixelgrad.runtime.images import check_output
from pixelgrad.tasks import projection_artifact, scan_index
from pixelgrad.tasks.mistakes import class_pictures, labelled_images

_Settings = Annotated[
    MistakesSettings,
    Group(
        MistakesSettings(),
        most=Annotated[int, typer.Option("--most", metavar="N", help="How many errors to show.")],
        size=options.ScanSize,
        batch=options.Batch,
    ),
]


@command
def mistakes_command(
    *,
    output: options.Output,
    images: Annotated[
        Path | None,
        typer.Option("--images", metavar="DIR", help="A folder with a folder for each class."),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", metavar="FILE.csv", help="Rows of path,class, relative to --images."),
    ] = None,
    believe: Annotated[
        bool,
        typer.Option(
            "--believe/--no-believe", help="Make pictures of what the network believes the classes to be (minutes)."
        ),
    ] = True,
    layer: Annotated[
        str | None, typer.Option("--layer", metavar="LAYER", help="What scores the classes; found by itself.")
    ] = None,
    rule: options.Rule = "deconvnet",
    settings: _Settings,
    index: options.Index = None,
    seed: options.Seed = 0,
    network: groups.Network,
    run: groups.RunOptions,
) -> None:
    """Show a classifier's most confident errors, and what in the images spoke for them.

    Example: pixelgrad mistakes --model googlenet.onnx --images photos-by-class -o mistakes.png
    """
    check_streams(output, [], run)
    check_place(index, "--index")
    settings.check()
    choice = choose_device(run.device)
    check_output(output, force=run.force)
    loaded = network.load()
    given = labelled_images(loaded, images, labels)
    projector = open_projector(projection_artifact(network, layer=layer, rule=rule), choice, quiet=run.quiet)
    place = index or scan_index(projector, settings)
    makes = class_pictures(network, device=choice, seed=seed) if believe else None
    events = mistakes(projector, given, place, settings, names=lambda one: class_name(loaded, one), believe=makes)
    result: MistakesResult | None = None
    for event in shown(events, quiet=run.quiet, style=SCANS):
        if isinstance(event, MistakesEvent):
            result = event.result
    assert result is not None
    report_unreadable(result, quiet=run.quiet)
    note(result.summary, quiet=run.quiet)
    picture = result.picture()
    if picture is None:
        note(f"there is no mistake to show, so {output} is not written", quiet=run.quiet)
    else:
        save(picture, output, force=run.force)
        if not run.json:
            say_written(output, quiet=run.quiet)
    if run.json:
        written = None if picture is None else output
        print_json({"output": written, "device": choice.name, "index": str(place), **result.facts()})
