"""``pixelgrad invert``: a picture from what a layer knows of it."""

from __future__ import annotations

from typing import Annotated

import typer

from pixelgrad.cli import groups, options
from pixelgrad.cli.command import Group, command
from pixelgrad.cli.running import check_streams, open_artifact, open_artifacts, read_pictures, run_to_file
from pixelgrad.runtime import InversionSettings, choose_device, invert, invert_depth
from pixelgrad.runtime.images import check_output
from pixelgrad.tasks import inversion_artifact, inversion_artifacts, memory_limit

_Settings = Annotated[
    InversionSettings,
    Group(
        InversionSettings(),
        size=options.Size,
        steps=options.Steps,
        alpha_weight=Annotated[
            float | None,
            typer.Option("--alpha-weight", help="Weight of the alpha-norm; by layer and photo, 0.001 at most."),
        ],
        tv_weight=Annotated[
            float | None,
            typer.Option("--tv-weight", help="Weight of the smoothness, by default by the layer's stride."),
        ],
        jitter=Annotated[
            int | None,
            typer.Option(
                "--jitter",
                metavar="PIXELS",
                help="Largest random shift of the picture before each step; by the stride.",
            ),
        ],
        learning_rate=Annotated[
            float, typer.Option("--learning-rate", help="Step of Adam, on the waves of the picture.")
        ],
        seed=options.Seed,
    ),
]


@command
def invert_command(
    *,
    picture: Annotated[str, typer.Argument(metavar="IMAGE", help="The picture to reconstruct; - is stdin.")],
    layer: Annotated[
        str,
        typer.Option("--layer", "-l", metavar="LAYER|A,B,...|all", help="The layer; several, or all, make a strip."),
    ],
    output: options.Output,
    settings: _Settings,
    alpha: options.Alpha = 6.0,
    beta: options.Beta = 2.0,
    network: groups.Network,
    run: groups.RunOptions,
) -> None:
    """Reconstruct a picture from what a layer of a network knows of it, and say how near its features come.

    Example: pixelgrad invert photo.jpg --model googlenet.onnx --layer mixed4a -o out.png
    """
    check_streams(output, [picture], run)
    settings.check()
    choice = choose_device(run.device)
    check_output(output, force=run.force)
    (original,) = read_pictures([picture], run)
    limit = memory_limit(settings, choice)
    layers = None if layer == "all" else options.parse_names(layer, "--layer")
    if layers is not None and len(layers) == 1:
        folder = inversion_artifact(layers[0], network, alpha=alpha, beta=beta, device=choice)
        events = invert(open_artifact(folder, choice, quiet=run.quiet), original, settings, max_memory=limit)
    else:
        folders = inversion_artifacts(layers, network, alpha=alpha, beta=beta, device=choice)
        events = invert_depth(open_artifacts(folders, choice, run), original, settings, max_memory=limit)
    run_to_file(events, output, choice, run)
