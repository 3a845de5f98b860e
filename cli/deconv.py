"""``pixelgrad deconv``: what channels of a layer look for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from pixelgrad.cli import groups, options
from pixelgrad.cli.command import Group, command
from pixelgrad.cli.console import note, print_json
from pixelgrad.cli.progress import SCANS, shown
from pixelgrad.cli.running import check_place, check_streams, open_projector, save, say_written
from pixelgrad.runtime import (
    DeconvResult,
    DeconvSettings,
    EvolveResult,
    MistakesResult,
    ProjectEvent,
    choose_device,
    deconv,
)
from pixelgrad.runtime.images import check_output
from pixelgrad.tasks import projection_artifact, scan_index

_Settings = Annotated[
    DeconvSettings,
    Group(
        DeconvSettings(),
        top=Annotated[int, typer.Option("--top", metavar="N", help="Strongest images for each channel.")],
        size=options.ScanSize,
        batch=options.Batch,
        crop=options.Crop,
    ),
]


@command
def deconv_command(
    *,
    layer: options.Layer,
    images: options.Images,
    output: options.Output,
    channels: options.Channels = None,
    rule: options.Rule = "deconvnet",
    settings: _Settings,
    index: options.Index = None,
    network: groups.Network,
    run: groups.RunOptions,
) -> None:
    """Show what channels of a layer answer to in a folder of images, projected back to the pixels.

    Example: pixelgrad deconv --layer relu3_1 --channel 5,17 --images photos -o relu3_1.png
    """
    check_streams(output, [], run)
    check_place(index, "--index")
    settings = replace(settings, channels=options.parse_channels(channels))
    settings.check()
    choice = choose_device(run.device)
    check_output(output, force=run.force)
    projector = open_projector(projection_artifact(network, layer=layer, rule=rule), choice, quiet=run.quiet)
    place = index or scan_index(projector, settings)
    result: DeconvResult | None = None
    for event in shown(deconv(projector, images, place, settings), quiet=run.quiet, style=SCANS):
        if isinstance(event, ProjectEvent):
            result = event.result
    assert result is not None
    report_unreadable(result, quiet=run.quiet)
    save(result.picture(), output, force=run.force)
    if run.json:
        print_json({"output": output, "device": choice.name, "index": str(place), **result.facts()})
    else:
        say_written(output, quiet=run.quiet)


def report_unreadable(result: DeconvResult | EvolveResult | MistakesResult, *, quiet: bool) -> None:
    """Say how many files were skipped, and why the first of them."""
    if result.unreadable:
        path, reason = result.failures[0]
        note(
            f"skipped {result.unreadable} of {result.images} files that are no readable images, such as "
            f"{Path(path).name}: {reason.removeprefix(f'{path}: ')}",
            quiet=quiet,
        )
