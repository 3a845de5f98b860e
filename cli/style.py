"""``pixelgrad style``: a photo in the style of a painting."""

from __future__ import annotations

from typing import Annotated

import typer

from pixelgrad.cli import options
from pixelgrad.cli.console import reports_errors
from pixelgrad.cli.running import check_streams, open_artifact, read_pictures, run_to_file
from pixelgrad.runtime import StyleSettings, choose_device, read_image, style
from pixelgrad.runtime.images import check_output
from pixelgrad.tasks import style_artifact

_DEFAULTS = StyleSettings()


@reports_errors
def style_command(
    content: Annotated[str, typer.Argument(metavar="PHOTO", help="The picture to stylise; - is stdin.")],
    styles: Annotated[
        list[str], typer.Argument(metavar="PAINTING...", help="One or more pictures to take style from.")
    ],
    output: options.Output,
    model: options.Model = None,
    size: options.Size = _DEFAULTS.size,
    steps: options.Steps = _DEFAULTS.steps,
    style_weights: Annotated[
        str | None, typer.Option("--style-weights", metavar="W,W,...", help="How much of each painting.")
    ] = None,
    style_masks: Annotated[
        list[str] | None,
        typer.Option("--style-mask", metavar="FILE", help="Where a painting's style is wanted: white; one for each."),
    ] = None,
    loss: options.StyleLoss = "moments",
    style_scale: Annotated[
        float,
        typer.Option("--style-scale", help="Size of the paintings relative to --size: less is finer texture."),
    ] = _DEFAULTS.style_scale,
    content_weight: Annotated[
        float | None, typer.Option("--content-weight", help="Weight of the content; the default is 0.05.")
    ] = None,
    style_weight: Annotated[
        float | None, typer.Option("--style-weight", help="Weight of the style; the default is 1.")
    ] = None,
    tv_weight: Annotated[
        float | None, typer.Option("--tv-weight", help="Weight of the smoothness; the default is 0.2.")
    ] = None,
    keep_color: Annotated[
        str | None,
        typer.Option("--keep-color", metavar="luminance|histogram", help="Keep the photo's colours, and how."),
    ] = None,
    match_histogram: options.MatchHistogram = False,
    content_layers: options.ContentLayers = None,
    style_layers: options.StyleLayers = None,
    pool: options.Pool = "avg",
    preprocess: options.Preprocess = None,
    prototxt: options.Prototxt = None,
    precision: options.Precision = "fp32",
    init: Annotated[str, typer.Option("--init", metavar="content|noise|FILE", help="What to start from.")] = "content",
    optimizer: options.Optimizer = _DEFAULTS.optimizer,
    learning_rate: options.LearningRate = _DEFAULTS.learning_rate,
    seed: options.Seed = _DEFAULTS.seed,
    device: options.Device = "auto",
    force: options.Force = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Give a photo the style of one or more paintings.

    Example: pixelgrad style photo.jpg painting.jpg -o out.png
    """
    masks = style_masks or []
    check_streams(output, [content, *styles, *masks], json=json)
    settings = StyleSettings(
        size=size,
        steps=steps,
        seed=seed,
        init=init if init in ("content", "noise") else read_image(init),
        optimizer=optimizer,
        learning_rate=learning_rate,
        style_weights=options.parse_numbers(style_weights, "--style-weights"),
        style_scale=style_scale,
        keep_color=keep_color,
        match_histogram=match_histogram,
        content_weight=content_weight,
        style_weight=style_weight,
        tv_weight=tv_weight,
    )
    settings.check(len(styles))
    chosen = choose_device(device)
    check_output(output, force=force)
    pictures = read_pictures([content, *styles], quiet=quiet)
    places = read_pictures(masks, quiet=quiet)
    folder = style_artifact(
        model,
        loss=loss,
        masks=len(places),
        content_layers=options.parse_layers(content_layers, "--content-layers"),
        style_layers=options.parse_layers(style_layers, "--style-layers"),
        pool=pool,
        preprocess=preprocess,
        prototxt=prototxt,
        precision=precision,
        device=chosen,
    )
    artifact = open_artifact(folder, chosen, quiet=quiet)
    events = style(artifact, pictures[0], pictures[1:], settings, masks=places)
    run_to_file(events, output, chosen.name, force=force, quiet=quiet, json=json)
