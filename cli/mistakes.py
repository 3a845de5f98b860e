"""``pixelgrad mistakes``: what a classifier gets wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pixelgrad.cli import options
from pixelgrad.cli.console import note, print_json, reports_errors
from pixelgrad.cli.deconv import report_unreadable
from pixelgrad.cli.progress import SCANS, shown
from pixelgrad.cli.running import check_streams, open_projector, save
from pixelgrad.models import class_name
from pixelgrad.networks import load_network
from pixelgrad.runtime import MistakesEvent, MistakesResult, MistakesSettings, choose_device, mistakes
from pixelgrad.runtime.images import check_output
from pixelgrad.tasks import projection_artifact, scan_index
from pixelgrad.tasks.mistakes import class_pictures, labelled_images

_DEFAULTS = MistakesSettings()


@reports_errors
def mistakes_command(
    output: options.Output,
    images: Annotated[
        Path | None,
        typer.Option("--images", metavar="DIR", help="A folder with a folder for each class."),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", metavar="FILE.csv", help="Rows of path,class, relative to --images."),
    ] = None,
    most: Annotated[int, typer.Option("--most", metavar="N", help="How many errors to show.")] = _DEFAULTS.most,
    believe: Annotated[
        bool,
        typer.Option(
            "--believe/--no-believe", help="Make pictures of what the network believes the classes to be (minutes)."
        ),
    ] = True,
    layer: Annotated[
        str | None, typer.Option("--layer", metavar="LAYER", help="What scores the classes; found by itself.")
    ] = None,
    rule: options.Rule = "deconvnet",
    model: options.Model = None,
    size: options.ScanSize = _DEFAULTS.size,
    batch: options.Batch = _DEFAULTS.batch,
    index: options.Index = None,
    preprocess: options.Preprocess = None,
    prototxt: options.Prototxt = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    force: options.Force = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Show a classifier's most confident errors, and what in the images spoke for them.

    Example: pixelgrad mistakes --model googlenet.onnx --images photos-by-class -o mistakes.png
    """
    check_streams(output, [], json=json)
    settings = MistakesSettings(most, size, batch)
    settings.check()
    chosen = choose_device(device)
    check_output(output, force=force)
    network = load_network(model, preprocess=preprocess, prototxt=prototxt)
    given = labelled_images(network, images, labels)
    folder = projection_artifact(model, layer=layer, rule=rule, preprocess=preprocess, prototxt=prototxt)
    projector = open_projector(folder, chosen, quiet=quiet)
    place = index or scan_index(projector, settings)
    makes = (
        class_pictures(model, device=chosen, preprocess=preprocess, prototxt=prototxt, seed=seed) if believe else None
    )
    events = mistakes(projector, given, place, settings, names=lambda one: class_name(network, one), believe=makes)
    result: MistakesResult | None = None
    for event in shown(events, quiet=quiet, style=SCANS):
        if isinstance(event, MistakesEvent):
            result = event.result
    assert result is not None
    report_unreadable(result, quiet=quiet)
    note(result.summary, quiet=quiet)
    picture = result.picture()
    if picture is None:
        note(f"there is no mistake to show, so {output} is not written", quiet=quiet)
    else:
        save(picture, output, force=force)
    if json:
        written = None if picture is None else output
        print_json({"output": written, "device": chosen.name, "index": str(place), **result.facts()})
