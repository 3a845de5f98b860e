"""``pixelgrad evolve``: how features came about in training."""

from __future__ import annotations

from typing import Annotated

import typer

from pixelgrad.cli import options
from pixelgrad.cli.console import print_json, reports_errors
from pixelgrad.cli.deconv import report_unreadable
from pixelgrad.cli.progress import EVOLUTIONS, shown
from pixelgrad.cli.running import check_streams, save, say_device
from pixelgrad.runtime import EvolveResult, EvolveSettings, choose_device, evolve
from pixelgrad.runtime.images import check_output
from pixelgrad.tasks.evolve import open_snapshots

_DEFAULTS = EvolveSettings()


@reports_errors
def evolve_command(
    checkpoints: Annotated[
        list[str], typer.Argument(metavar="CHECKPOINT...", help="Snapshots of one network, in any order.")
    ],
    layer: options.Layer,
    images: options.Images,
    output: options.Output,
    channels: options.Channels = None,
    layers: Annotated[
        str | None,
        typer.Option("--layers", metavar="A,B,...", help="Layers to follow in the curve; up to seven by default."),
    ] = None,
    compared: Annotated[
        int, typer.Option("--compared", metavar="N", help="How many images tell how far features moved.")
    ] = _DEFAULTS.compared,
    rule: options.Rule = "deconvnet",
    size: options.ScanSize = _DEFAULTS.size,
    batch: options.Batch = _DEFAULTS.batch,
    crop: options.Crop = _DEFAULTS.crop,
    pool: options.Pool = "max",
    preprocess: options.Preprocess = None,
    prototxt: options.Prototxt = None,
    device: options.Device = "auto",
    force: options.Force = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Show how channels of a layer came about over training snapshots, and which layers settled first.

    Example: pixelgrad evolve net_iter_*.onnx --layer relu2 --images photos -o evolution.png
    """
    check_streams(output, [], json=json)
    settings = EvolveSettings(options.parse_channels(channels), size, batch, crop, compared)
    settings.check()
    chosen = choose_device(device)
    check_output(output, force=force)
    followed = list(options.parse_layers(layers, "--layers") or ()) or None
    snapshots = open_snapshots(
        checkpoints,
        settings,
        layer=layer,
        layers=followed,
        rule=rule,
        device=chosen,
        pool=pool,
        preprocess=preprocess,
        prototxt=prototxt,
    )
    say_device(snapshots[-1].projector, quiet=quiet)
    result: EvolveResult | None = None
    for event in shown(evolve(snapshots, images, settings), quiet=quiet, style=EVOLUTIONS):
        result = event.result
    assert result is not None
    report_unreadable(result, quiet=quiet)
    save(result.picture(), output, force=force)
    if json:
        print_json({"output": output, "device": chosen.name, **result.facts()})
