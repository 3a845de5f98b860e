"""``pixelgrad compare``: networks side by side."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from pixelgrad.cli import groups, options
from pixelgrad.cli.command import Group, command
from pixelgrad.cli.console import note, print_json
from pixelgrad.cli.progress import COMPARISONS, shown
from pixelgrad.cli.running import check_streams, save
from pixelgrad.runtime import CompareEvent, CompareSettings, choose_device, compare
from pixelgrad.runtime.images import check_output
from pixelgrad.tasks import Comparison, comparison_pictures, comparison_subject
from pixelgrad.tasks.compare import comparison_recipe, layers_of_each

_Settings = Annotated[
    CompareSettings,
    Group(
        CompareSettings(),
        channels=Annotated[
            int, typer.Option("--channels", metavar="N", help="How many of the strongest channels are shown.")
        ],
        size=Annotated[
            int, typer.Option("--size", metavar="PIXELS", help="Edge of the images that the networks are given.")
        ],
        pictures=Annotated[
            int, typer.Option("--pictures", metavar="N", help="How many of the images the curves are measured on.")
        ],
        steps=Annotated[int, typer.Option("--steps", metavar="N", help="Gradient steps for each channel's picture.")],
        seed=options.Seed,
    ),
]


@command
def compare_command(
    *,
    networks: Annotated[
        list[str],
        typer.Argument(metavar="NETWORK...", help="Network files, or names of known ones; one alone is described."),
    ],
    output: options.Output,
    images: Annotated[
        str | None, typer.Option("--images", metavar="DIR", help="Pictures to compare on; built-in samples by default.")
    ] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option("--layer", "-l", metavar="NAME", help="Whose channels are shown: once, or for each network."),
    ] = None,
    settings: _Settings,
    reading: groups.Networks,
    run: groups.RunOptions,
) -> None:
    """Compare networks: first filters, aliasing, dead units, strongest channels, invariance.

    Example: pixelgrad compare googlenet.onnx squeezenet1_1.onnx --images photos -o comparison.png
    """
    check_streams(output, [], run)
    settings.check()
    of_each = layers_of_each(len(networks), layer or ())
    choice = choose_device(run.device)
    check_output(output, force=run.force)
    pictures = comparison_pictures(images, lambda message: note(f"skipped: {message}", quiet=run.quiet))
    subjects = [
        comparison_subject(replace(reading, model=model), settings, layer=name, device=choice)
        for model, name in zip(networks, of_each, strict=True)
    ]
    note(f"{', '.join(s.name for s in subjects)} on {choice.name}, {len(pictures)} pictures", quiet=run.quiet)
    event: CompareEvent | None = None
    for event in shown(compare(subjects, pictures, settings), quiet=run.quiet, style=COMPARISONS):  # noqa: B007
        pass
    assert event is not None
    comparison = Comparison(event.found, comparison_recipe(subjects, pictures, settings))
    save(comparison.sheet, output, force=run.force)
    if run.json:
        found = {"pictures": len(pictures), "networks": comparison.facts()}
        print_json({"output": output, "device": choice.name, **found})
    elif output != "-":
        note(f"wrote {output} in {event.seconds:.1f} s", quiet=run.quiet)
