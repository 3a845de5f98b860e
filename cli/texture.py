"""``pixelgrad texture``: more of the same texture."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pixelgrad.cli import options
from pixelgrad.cli.console import reports_errors
from pixelgrad.cli.running import check_streams, open_artifact, read_pictures, run_to_file
from pixelgrad.runtime import TextureSettings, choose_device, texture, texture_row
from pixelgrad.runtime.images import check_output
from pixelgrad.tasks import texture_artifact, texture_artifacts

_DEFAULTS = TextureSettings()


@reports_errors
def texture_command(
    source: Annotated[str, typer.Argument(metavar="IMAGE", help="The texture to make more of; - is stdin.")],
    output: options.Output,
    model: options.Model = None,
    size: options.Area = None,
    source_size: Annotated[
        int | None,
        typer.Option(
            "--source-size",
            metavar="PIXELS",
            help="Long edge that the texture is used at; its own, up to 512, by default.",
        ),
    ] = None,
    steps: options.Steps = _DEFAULTS.steps,
    layers: options.TextureLayers = None,
    upto: Annotated[
        str | None,
        typer.Option("--upto", metavar="LAYER", help="Make a row of textures from more and more layers, up to this."),
    ] = None,
    tileable: Annotated[bool, typer.Option("--tileable", help="Make the edges fit each other.")] = False,
    match_histogram: options.MatchHistogram = False,
    tv_weight: Annotated[float, typer.Option("--tv-weight", help="Weight of the smoothness.")] = 0.0,
    coarsest: Annotated[
        int, typer.Option("--coarsest", metavar="PIXELS", help="Long edge of the first scale.")
    ] = _DEFAULTS.coarsest,
    pool: options.Pool = "avg",
    preprocess: options.Preprocess = None,
    prototxt: options.Prototxt = None,
    precision: options.Precision = "fp32",
    optimizer: options.Optimizer = _DEFAULTS.optimizer,
    learning_rate: options.LearningRate = _DEFAULTS.learning_rate,
    seed: options.Seed = _DEFAULTS.seed,
    device: options.Device = "auto",
    force: options.Force = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Make more of a texture, in any size, from noise.

    Example: pixelgrad texture gravel.png -o out.png --size 640x480 --tileable
    """
    check_streams(output, [source], json=json)
    settings = TextureSettings(
        size=options.parse_size(size, "--size")[::-1] if size is not None else None,
        source_size=source_size,
        steps=steps,
        seed=seed,
        tileable=tileable,
        match_histogram=match_histogram,
        optimizer=optimizer,
        learning_rate=learning_rate,
        coarsest=coarsest,
    )
    settings.check()
    chosen = choose_device(device)
    check_output(output, force=force)
    (picture,) = read_pictures([source], quiet=quiet)
    exported: dict[str, Any] = {
        "layers": options.parse_layers(layers, "--layers"),
        "tv_weight": tv_weight,
        "pool": pool,
        "preprocess": preprocess,
        "prototxt": prototxt,
        "precision": precision,
        "device": chosen,
    }
    if upto is None:
        folder = texture_artifact(model, **exported)
        events = texture(open_artifact(folder, chosen, quiet=quiet), picture, settings)
    else:
        folders = texture_artifacts(upto, model, **exported)
        artifacts = {
            caption: open_artifact(folder, chosen, quiet=quiet or number > 0)
            for number, (caption, folder) in enumerate(folders.items())
        }
        events = texture_row(artifacts, picture, settings)
    run_to_file(events, output, chosen.name, force=force, quiet=quiet, json=json)
