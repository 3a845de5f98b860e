"""``pixelgrad texture``: more of the same texture."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer

from pixelgrad.cli import groups, options
from pixelgrad.cli.command import Group, command
from pixelgrad.cli.running import check_streams, open_artifact, open_artifacts, read_pictures, run_to_file
from pixelgrad.runtime import TextureSettings, choose_device, texture, texture_row
from pixelgrad.runtime.images import check_output
from pixelgrad.tasks import memory_limit, texture_artifact, texture_artifacts

_Settings = Annotated[
    TextureSettings,
    Group(
        TextureSettings(),
        source_size=Annotated[
            int | None,
            typer.Option(
                "--source-size",
                metavar="PIXELS",
                help="Long edge that the texture is used at; its own, up to 512, by default.",
            ),
        ],
        steps=options.Steps,
        tileable=Annotated[bool, typer.Option("--tileable", help="Make the edges fit each other.")],
        match_histogram=options.MatchHistogram,
        coarsest=Annotated[int, typer.Option("--coarsest", metavar="PIXELS", help="Long edge of the first scale.")],
        optimizer=options.Optimizer,
        learning_rate=options.LearningRate,
        seed=options.Seed,
    ),
]


@command
def texture_command(
    *,
    source: Annotated[str, typer.Argument(metavar="IMAGE", help="The texture to make more of; - is stdin.")],
    output: options.Output,
    size: options.Area = None,
    settings: _Settings,
    loss: options.StyleLoss = "moments",
    layers: options.TextureLayers = None,
    upto: Annotated[
        str | None,
        typer.Option("--upto", metavar="LAYER", help="Make a row of textures from more and more layers, up to this."),
    ] = None,
    grain_weight: options.GrainWeight = None,
    tv_weight: options.Smoothness = 0.0,
    max_memory: options.MaxMemory = None,
    network: groups.Network = groups.POOLED,
    run: groups.RunOptions,
) -> None:
    """Make more of a texture, in any size, from noise.

    Example: pixelgrad texture gravel.png -o out.png --size 640x480 --tileable
    """
    check_streams(output, [source], run)
    if size is not None:
        height, width = options.parse_size(size, "--size")
        settings = replace(settings, size=(width, height))
    settings = replace(settings, max_memory=options.parse_memory(max_memory))
    settings.check()
    choice = choose_device(run.device)
    check_output(output, force=run.force)
    (picture,) = read_pictures([source], run)
    chosen = options.parse_layers(layers, "--layers")
    settings = replace(settings, max_memory=memory_limit(settings, choice))
    given: dict[str, Any] = {
        "loss": loss,
        "layers": chosen,
        "grain_weight": grain_weight,
        "tv_weight": tv_weight,
        "tileable": settings.tileable,
        "tiles": settings.max_memory is not None,
        "device": choice,
    }
    if upto is None:
        artifact = open_artifact(texture_artifact(network, **given), choice, quiet=run.quiet)
        events = texture(artifact, picture, settings)
    else:
        artifacts = open_artifacts(texture_artifacts(upto, network, **given), choice, run)
        events = texture_row(artifacts, picture, settings)
    run_to_file(events, output, choice, run)
