"""``pixelgrad evolve``: how features came about in training."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from pixelgrad.cli import groups, options
from pixelgrad.cli.command import Group, command
from pixelgrad.cli.console import print_json
from pixelgrad.cli.deconv import report_unreadable
from pixelgrad.cli.progress import EVOLUTIONS, shown
from pixelgrad.cli.running import check_streams, save, say_device, say_written
from pixelgrad.runtime import EvolveResult, EvolveSettings, choose_device, evolve
from pixelgrad.runtime.images import check_output
from pixelgrad.tasks.evolve import open_snapshots

_Settings = Annotated[
    EvolveSettings,
    Group(
        EvolveSettings(),
        compared=Annotated[
            int, typer.Option("--compared", metavar="N", help="How many images tell how far features moved.")
        ],
        size=options.ScanSize,
        batch=options.Batch,
        crop=options.Crop,
    ),
]


@command
def evolve_command(
    *,
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
    rule: options.Rule = "deconvnet",
    settings: _Settings,
    reading: groups.Networks,
    run: groups.RunOptions,
) -> None:
    """Show how channels of a layer came about over training snapshots, and which layers settled first.

    Example: pixelgrad evolve net_iter_*.onnx --layer relu2 --images photos -o evolution.png
    """
    check_streams(output, [], run)
    settings = replace(settings, channels=options.parse_channels(channels))
    settings.check()
    choice = choose_device(run.device)
    check_output(output, force=run.force)
    snapshots = open_snapshots(
        [replace(reading, model=checkpoint) for checkpoint in checkpoints],
        settings,
        layer=layer,
        layers=list(options.parse_layers(layers, "--layers") or ()) or None,
        rule=rule,
        device=choice,
    )
    say_device(snapshots[-1].projector, quiet=run.quiet)
    result: EvolveResult | None = None
    for event in shown(evolve(snapshots, images, settings), quiet=run.quiet, style=EVOLUTIONS):
        result = event.result
    assert result is not None
    report_unreadable(result, quiet=run.quiet)
    save(result.picture(), output, force=run.force)
    if run.json:
        print_json({"output": output, "device": choice.name, **result.facts()})
    else:
        say_written(output, quiet=run.quiet)
