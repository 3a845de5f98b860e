"""``pixelgrad style``: a photo in the style of a painting."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from pixelgrad.cli import groups, options
from pixelgrad.cli.command import Group, command
from pixelgrad.cli.running import check_streams, open_artifact, read_pictures, run_to_file
from pixelgrad.errors import ImageError
from pixelgrad.runtime import Picture, StyleSettings, choose_device, read_image, style
from pixelgrad.runtime.images import check_output
from pixelgrad.runtime.tasks import INITS
from pixelgrad.tasks import memory_limit, style_artifact

_Settings = Annotated[
    StyleSettings,
    Group(
        StyleSettings(),
        size=options.Size,
        steps=options.Steps,
        style_scale=Annotated[
            float,
            typer.Option("--style-scale", help="Size of the paintings relative to --size: less is finer texture."),
        ],
        content_weight=options.ContentWeight,
        style_weight=Annotated[
            float | None, typer.Option("--style-weight", help="Weight of the style; the default is 1.")
        ],
        tv_weight=Annotated[
            float | None, typer.Option("--tv-weight", help="Weight of the smoothness; the default is 0.2.")
        ],
        keep_color=Annotated[
            str | None,
            typer.Option("--keep-color", metavar="luminance|histogram", help="Keep the photo's colours, and how."),
        ],
        match_histogram=options.MatchHistogram,
        optimizer=options.Optimizer,
        learning_rate=options.LearningRate,
        seed=options.Seed,
    ),
]


@command
def style_command(
    *,
    content: Annotated[str, typer.Argument(metavar="PHOTO", help="The picture to stylise; - is stdin.")],
    styles: Annotated[
        list[str], typer.Argument(metavar="PAINTING...", help="One or more pictures to take style from.")
    ],
    output: options.Output,
    settings: _Settings,
    style_weights: Annotated[
        str | None, typer.Option("--style-weights", metavar="W,W,...", help="How much of each painting.")
    ] = None,
    style_masks: Annotated[
        list[str] | None,
        typer.Option("--style-mask", metavar="FILE", help="Where a painting's style is wanted: white; one for each."),
    ] = None,
    init: Annotated[str, typer.Option("--init", metavar="content|noise|FILE", help="What to start from.")] = "content",
    loss: options.StyleLoss = "moments",
    content_layers: options.ContentLayers = None,
    style_layers: options.StyleLayers = None,
    max_memory: options.MaxMemory = None,
    network: groups.Network = groups.POOLED,
    run: groups.RunOptions,
) -> None:
    """Give a photo the style of one or more paintings.

    Example: pixelgrad style photo.jpg painting.jpg -o out.png
    """
    masks = style_masks or []
    check_streams(output, [content, *styles, *masks], run)
    settings = replace(
        settings,
        init=_start(init),
        style_weights=options.parse_numbers(style_weights, "--style-weights"),
        max_memory=options.parse_memory(max_memory),
    )
    settings.check(len(styles))
    choice = choose_device(run.device)
    settings = replace(settings, max_memory=memory_limit(settings, choice))
    check_output(output, force=run.force)
    pictures = read_pictures([content, *styles], run)
    places = read_pictures(masks, run)
    folder = style_artifact(
        network,
        loss=loss,
        masks=len(places),
        content_layers=options.parse_layers(content_layers, "--content-layers"),
        style_layers=options.parse_layers(style_layers, "--style-layers"),
        tiles=settings.max_memory is not None,
        device=choice,
    )
    artifact = open_artifact(folder, choice, quiet=run.quiet)
    run_to_file(style(artifact, pictures[0], pictures[1:], settings, masks=places), output, choice, run)


def _start(init: str) -> str | Picture:
    """What ``--init`` says to start from."""
    if init in INITS:
        return init
    try:
        return read_image(init)
    except ImageError as error:
        raise ImageError(f"{error} (--init takes content, noise or a picture)") from error
