"""``pixelgrad compare``: networks side by side."""

from __future__ import annotations

from typing import Annotated

import typer

from pixelgrad.cli import options
from pixelgrad.cli.console import note, print_json, reports_errors
from pixelgrad.cli.progress import COMPARISONS, shown
from pixelgrad.cli.running import check_streams, save
from pixelgrad.runtime import CompareEvent, CompareSettings, choose_device, compare
from pixelgrad.runtime.images import check_output
from pixelgrad.tasks import Comparison, comparison_pictures, comparison_subject
from pixelgrad.tasks.compare import comparison_recipe, layers_of_each

_DEFAULTS = CompareSettings()


@reports_errors
def compare_command(
    networks: Annotated[
        list[str], typer.Argument(metavar="NETWORK...", help="Two or more network files, or names of known ones.")
    ],
    output: options.Output,
    images: Annotated[
        str | None, typer.Option("--images", metavar="DIR", help="Pictures to compare on; built-in samples by default.")
    ] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option("--layer", "-l", metavar="NAME", help="Whose channels are shown: once, or for each network."),
    ] = None,
    channels: Annotated[
        int, typer.Option("--channels", metavar="N", help="How many of the strongest channels are shown.")
    ] = _DEFAULTS.channels,
    size: Annotated[
        int, typer.Option("--size", metavar="PIXELS", help="Edge of the images that the networks are given.")
    ] = _DEFAULTS.size,
    pictures: Annotated[
        int, typer.Option("--pictures", metavar="N", help="How many of the images the curves are measured on.")
    ] = _DEFAULTS.pictures,
    steps: Annotated[
        int, typer.Option("--steps", metavar="N", help="Gradient steps for each channel's picture.")
    ] = _DEFAULTS.steps,
    preprocess: options.Preprocess = None,
    prototxt: options.Prototxt = None,
    seed: options.Seed = _DEFAULTS.seed,
    device: options.Device = "auto",
    force: options.Force = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Compare networks: first filters, aliasing, dead units, strongest channels, invariance.

    Example: pixelgrad compare googlenet.onnx squeezenet1_1.onnx --images photos -o comparison.png
    """
    check_streams(output, [], json=json)
    settings = CompareSettings(size=size, pictures=pictures, channels=channels, steps=steps, seed=seed)
    settings.check()
    of_each = layers_of_each(len(networks), layer or ())
    chosen = choose_device(device)
    check_output(output, force=force)
    pictures_shown = comparison_pictures(images, lambda message: note(f"skipped: {message}", quiet=quiet))
    subjects = [
        comparison_subject(model, settings, layer=name, device=chosen, preprocess=preprocess, prototxt=prototxt)
        for model, name in zip(networks, of_each, strict=True)
    ]
    note(f"{', '.join(s.name for s in subjects)} on {chosen.name}, {len(pictures_shown)} pictures", quiet=quiet)
    event: CompareEvent | None = None
    for event in shown(compare(subjects, pictures_shown, settings), quiet=quiet, style=COMPARISONS):  # noqa: B007
        pass
    assert event is not None
    comparison = Comparison(event.found, comparison_recipe(subjects, pictures_shown, settings))
    save(comparison.sheet, output, force=force)
    if json:
        print_json(
            {"output": output, "device": chosen.name, "pictures": len(pictures_shown), "networks": comparison.facts()}
        )
    elif output != "-":
        note(f"wrote {output} in {event.seconds:.1f} s", quiet=quiet)
