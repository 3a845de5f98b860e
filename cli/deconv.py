"""``pixelgrad deconv``: what channels of a layer look for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pixelgrad.cli import options
from pixelgrad.cli.console import note, print_json, reports_errors
from pixelgrad.cli.progress import SCANS, shown
from pixelgrad.cli.running import check_streams, open_projector, save
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

_DEFAULTS = DeconvSettings()


@reports_errors
def deconv_command(
    layer: options.Layer,
    images: options.Images,
    output: options.Output,
    channels: options.Channels = None,
    top: Annotated[int, typer.Option("--top", metavar="N", help="Strongest images for each channel.")] = _DEFAULTS.top,
    rule: options.Rule = "deconvnet",
    model: options.Model = None,
    size: options.ScanSize = _DEFAULTS.size,
    batch: options.Batch = _DEFAULTS.batch,
    crop: options.Crop = _DEFAULTS.crop,
    index: options.Index = None,
    pool: options.Pool = "max",
    preprocess: options.Preprocess = None,
    prototxt: options.Prototxt = None,
    device: options.Device = "auto",
    force: options.Force = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Show what channels of a layer answer to in a folder of images, projected back to the pixels.

    Example: pixelgrad deconv --layer relu3_1 --channel 5,17 --images photos -o relu3_1.png
    """
    check_streams(output, [], json=json)
    settings = DeconvSettings(options.parse_channels(channels), top, size, batch, crop)
    settings.check()
    chosen = choose_device(device)
    check_output(output, force=force)
    folder = projection_artifact(model, layer=layer, rule=rule, pool=pool, preprocess=preprocess, prototxt=prototxt)
    projector = open_projector(folder, chosen, quiet=quiet)
    place = index or scan_index(projector, settings)
    result: DeconvResult | None = None
    for event in shown(deconv(projector, images, place, settings), quiet=quiet, style=SCANS):
        if isinstance(event, ProjectEvent):
            result = event.result
    assert result is not None
    report_unreadable(result, quiet=quiet)
    save(result.picture(), output, force=force)
    if json:
        print_json({"output": output, "device": chosen.name, "index": str(place), **result.facts()})


def report_unreadable(result: DeconvResult | EvolveResult | MistakesResult, *, quiet: bool) -> None:
    """Say how many files were skipped, and why the first of them."""
    if result.unreadable:
        path, reason = result.failures[0]
        note(
            f"skipped {result.unreadable} of {result.images} files that are no readable images, such as "
            f"{Path(path).name}: {reason.removeprefix(f'{path}: ')}",
            quiet=quiet,
        )
