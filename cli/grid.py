"""``pixelgrad grid``: what a network sees at each place of a picture."""

from __future__ import annotations

from typing import Annotated

import typer

from pixelgrad.cli import groups, options
from pixelgrad.cli.command import Group, command
from pixelgrad.cli.running import check_streams, open_artifact, read_pictures, run_to_file
from pixelgrad.runtime import Artifact, GridSettings, activation_grid, choose_device
from pixelgrad.runtime.images import check_output
from pixelgrad.tasks import grid_artifacts

_Settings = Annotated[
    GridSettings,
    Group(
        GridSettings(),
        cells=Annotated[int, typer.Option("--cells", metavar="N", help="Cells along the longer edge of the picture.")],
        size=Annotated[
            int | None, typer.Option("--size", metavar="PIXELS", help="Edge of the picture in each cell: 96.")
        ],
        steps=Annotated[int, typer.Option("--steps", metavar="N", help="Gradient steps for each cell.")],
        shown=Annotated[
            int,
            typer.Option("--shown", metavar="PIXELS", help="Shorter edge of the picture, as the network sees it."),
        ],
        alone=Annotated[bool, typer.Option("--alone/--beside", help="The grid without the picture beside it.")],
        seed=options.Seed,
    ),
]


@command
def grid_command(
    *,
    picture: Annotated[str, typer.Argument(metavar="IMAGE", help="The picture to look at; - is stdin.")],
    output: options.Output,
    layer: Annotated[
        str | None,
        typer.Option("--layer", "-l", metavar="NAME", help="The layer to look into; the one that dreams are of."),
    ] = None,
    settings: _Settings,
    network: groups.Network,
    run: groups.RunOptions,
) -> None:
    """Show what a network sees at each place of a picture, as pictures.

    Example: pixelgrad grid cat.jpg --model googlenet.onnx --layer inception_4d/output -o seen.png
    """
    check_streams(output, [picture], run)
    settings.check()
    choice = choose_device(run.device)
    check_output(output, force=run.force)
    (original,) = read_pictures([picture], run)
    directions, features = grid_artifacts(layer, network, cells=settings.cells, device=choice)
    artifact = open_artifact(directions, choice, quiet=run.quiet)
    events = activation_grid(artifact, Artifact(features, device=choice), original, settings)
    run_to_file(events, output, choice, run)
