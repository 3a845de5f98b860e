"""``pixelgrad invert``: a picture from what a layer knows of it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pixelgrad.cli import options
from pixelgrad.cli.console import reports_errors
from pixelgrad.cli.running import check_streams, open_artifact, read_pictures, run_to_file
from pixelgrad.runtime import InversionSettings, choose_device, invert, invert_depth
from pixelgrad.runtime.images import check_output
from pixelgrad.tasks import inversion_artifact, inversion_artifacts

_DEFAULTS = InversionSettings()


@reports_errors
def invert_command(
    picture: Annotated[str, typer.Argument(metavar="IMAGE", help="The picture to reconstruct; - is stdin.")],
    layer: Annotated[
        str,
        typer.Option("--layer", "-l", metavar="LAYER|A,B,...|all", help="The layer; several, or all, make a strip."),
    ],
    output: options.Output,
    model: options.Model = None,
    size: options.Size = _DEFAULTS.size,
    steps: options.Steps = _DEFAULTS.steps,
    alpha: options.Alpha = 6.0,
    beta: options.Beta = 2.0,
    alpha_weight: Annotated[
        float | None, typer.Option("--alpha-weight", help="Weight of the alpha-norm; the default is 0.001.")
    ] = None,
    tv_weight: Annotated[
        float | None,
        typer.Option("--tv-weight", help="Weight of the smoothness, by default by the layer's stride."),
    ] = None,
    jitter: Annotated[
        int | None,
        typer.Option(
            "--jitter", metavar="PIXELS", help="Largest random shift of the picture before each step; by the stride."
        ),
    ] = None,
    pool: options.Pool = "max",
    preprocess: options.Preprocess = None,
    prototxt: options.Prototxt = None,
    precision: options.Precision = "fp32",
    learning_rate: Annotated[
        float, typer.Option("--learning-rate", help="Step of Adam, on the waves of the picture.")
    ] = _DEFAULTS.learning_rate,
    seed: options.Seed = _DEFAULTS.seed,
    device: options.Device = "auto",
    force: options.Force = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Reconstruct a picture from what a layer of a network knows of it, and say how near its features come.

    Example: pixelgrad invert photo.jpg --model googlenet.onnx --layer mixed4a -o out.png
    """
    check_streams(output, [picture], json=json)
    settings = InversionSettings(
        size=size,
        steps=steps,
        seed=seed,
        jitter=jitter,
        learning_rate=learning_rate,
        alpha_weight=alpha_weight,
        tv_weight=tv_weight,
    )
    settings.check()
    chosen = choose_device(device)
    check_output(output, force=force)
    (original,) = read_pictures([picture], quiet=quiet)
    layers = None if layer == "all" else options.parse_names(layer, "--layer")
    exported: dict[str, Any] = {
        "alpha": alpha,
        "beta": beta,
        "pool": pool,
        "preprocess": preprocess,
        "prototxt": prototxt,
        "precision": precision,
        "device": chosen,
    }
    if layers is not None and len(layers) == 1:
        folder = inversion_artifact(layers[0], model, **exported)
        events = invert(open_artifact(folder, chosen, quiet=quiet), original, settings)
    else:
        folders = inversion_artifacts(layers, model, **exported)
        artifacts = {
            name: open_artifact(folder, chosen, quiet=quiet or number > 0)
            for number, (name, folder) in enumerate(folders.items())
        }
        events = invert_depth(artifacts, original, settings)
    run_to_file(events, output, chosen.name, force=force, quiet=quiet, json=json)
