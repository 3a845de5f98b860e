"""``pixelgrad export``: artifacts for applications."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pixelgrad.cli import options
from pixelgrad.cli.console import note, print_json, reports_errors
from pixelgrad.errors import SettingsError
from pixelgrad.exporters import (
    Network,
    Objective,
    Projection,
    dream_objective,
    inversion_objective,
    style_objective,
    texture_objective,
    visualize_objective,
    write_artifact,
    write_projection,
)
from pixelgrad.exporters.artifact import check_directory
from pixelgrad.exporters.ort_training import write_ort_training_artifact
from pixelgrad.networks import load_network
from pixelgrad.runtime import Artifact

export_app = typer.Typer(no_args_is_help=True, help="Write an artifact: a folder that any ONNX Runtime can run.")


@export_app.callback()
def _export() -> None:
    """Write an artifact: a folder that any ONNX Runtime can run."""


@export_app.command("style")
@reports_errors
def export_style(
    output: options.Folder,
    model: options.Model = None,
    loss: options.StyleLoss = "moments",
    masks: options.Masks = 0,
    content_layers: options.ContentLayers = None,
    style_layers: options.StyleLayers = None,
    pool: options.Pool = "avg",
    preprocess: options.Preprocess = None,
    prototxt: options.Prototxt = None,
    gradient: options.GradientBuilder = "standard",
    size: options.ImageSize = "256x256",
    profile: options.Profile = "portable",
    precision: options.Precision = "fp32",
    force: options.Force = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Write the artifact of a style transfer: losses over a network's layers, and their gradient.

    Example: pixelgrad export style --model vgg19.onnx -o style.pixelgrad
    """
    network = open_network(model, output, pool=pool, preprocess=preprocess, prototxt=prototxt, force=force, quiet=quiet)
    objective = style_objective(
        network,
        loss=loss,
        masks=masks,
        content_layers=options.parse_layers(content_layers, "--content-layers"),
        style_layers=options.parse_layers(style_layers, "--style-layers"),
    )
    write(
        network,
        objective,
        output,
        gradient=gradient,
        size=size,
        profile=profile,
        precision=precision,
        force=force,
        quiet=quiet,
        json=json,
    )


@export_app.command("texture")
@reports_errors
def export_texture(
    output: options.Folder,
    model: options.Model = None,
    layers: options.TextureLayers = None,
    pool: options.Pool = "avg",
    preprocess: options.Preprocess = None,
    prototxt: options.Prototxt = None,
    gradient: options.GradientBuilder = "standard",
    size: options.ImageSize = "256x256",
    profile: options.Profile = "portable",
    precision: options.Precision = "fp32",
    force: options.Force = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Write the artifact of texture synthesis.

    Example: pixelgrad export texture --model vgg19.onnx -o texture.pixelgrad
    """
    network = open_network(model, output, pool=pool, preprocess=preprocess, prototxt=prototxt, force=force, quiet=quiet)
    objective = texture_objective(network, layers=options.parse_layers(layers, "--layers"))
    write(
        network,
        objective,
        output,
        gradient=gradient,
        size=size,
        profile=profile,
        precision=precision,
        force=force,
        quiet=quiet,
        json=json,
    )


@export_app.command("invert")
@reports_errors
def export_invert(
    output: options.Folder,
    layer: Annotated[str, typer.Option("--layer", "-l", metavar="LAYER", help="The layer to reconstruct from.")],
    model: options.Model = None,
    alpha: options.Alpha = 6.0,
    beta: options.Beta = 2.0,
    pool: options.Pool = "max",
    preprocess: options.Preprocess = None,
    prototxt: options.Prototxt = None,
    gradient: options.GradientBuilder = "standard",
    size: options.ImageSize = "256x256",
    profile: options.Profile = "portable",
    precision: options.Precision = "fp32",
    force: options.Force = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Write the artifact of reconstruction from a layer.

    Example: pixelgrad export invert --model googlenet.onnx --layer mixed4a -o invert.pixelgrad
    """
    network = open_network(model, output, pool=pool, preprocess=preprocess, prototxt=prototxt, force=force, quiet=quiet)
    objective = inversion_objective(network, layer, alpha=alpha, beta=beta)
    write(
        network,
        objective,
        output,
        gradient=gradient,
        size=size,
        profile=profile,
        precision=precision,
        force=force,
        quiet=quiet,
        json=json,
    )


@export_app.command("dream")
@reports_errors
def export_dream(
    output: options.Folder,
    model: options.Model = None,
    enhance: Annotated[
        str, typer.Option("--enhance", metavar="layers|channels|class|guide", help="What the dream makes stronger.")
    ] = "layers",
    layers: options.DreamLayers = None,
    pool: options.Pool = "max",
    preprocess: options.Preprocess = None,
    prototxt: options.Prototxt = None,
    gradient: options.GradientBuilder = "standard",
    size: options.ImageSize = "256x256",
    profile: options.Profile = "portable",
    precision: options.Precision = "fp32",
    force: options.Force = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Write the artifact of a dream: which channel, class or guide is chosen when it runs.

    Example: pixelgrad export dream --model googlenet.onnx --enhance class -o dream.pixelgrad
    """
    network = open_network(model, output, pool=pool, preprocess=preprocess, prototxt=prototxt, force=force, quiet=quiet)
    objective = dream_objective(network, enhance=enhance, layers=options.parse_layers(layers, "--layers"))
    write(
        network,
        objective,
        output,
        gradient=gradient,
        size=size,
        profile=profile,
        precision=precision,
        force=force,
        quiet=quiet,
        json=json,
    )


@export_app.command("visualize")
@reports_errors
def export_visualize(
    output: options.Folder,
    model: options.Model = None,
    layer: Annotated[
        str | None, typer.Option("--layer", "-l", metavar="NAME", help="The layer; for classes that of the scores.")
    ] = None,
    unit: Annotated[
        str, typer.Option("--unit", metavar="channel|neuron|class", help="What of the layer is to respond.")
    ] = "channel",
    batch: Annotated[int, typer.Option("--batch", metavar="N", help="Pictures at once.")] = 1,
    rivals_weight: Annotated[
        float, typer.Option("--rivals-weight", help="How much of the other classes is held against a class.")
    ] = 0.9,
    tv_weight: Annotated[float, typer.Option("--tv-weight", help="Weight of the smoothness.")] = 0.0,
    norm_weight: Annotated[float, typer.Option("--norm-weight", help="Weight of the alpha norm.")] = 0.0,
    diversity_weight: Annotated[
        float, typer.Option("--diversity-weight", help="How much the pictures of a batch must differ.")
    ] = 0.0,
    pool: options.Pool = "max",
    preprocess: options.Preprocess = None,
    prototxt: options.Prototxt = None,
    gradient: options.GradientBuilder = "standard",
    size: options.ImageSize = "256x256",
    profile: options.Profile = "portable",
    precision: options.Precision = "fp32",
    force: options.Force = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Write the artifact of a visualisation: what makes any channel, neuron or class of a layer respond.

    Example: pixelgrad export visualize --model googlenet.onnx --unit class -o classes.pixelgrad
    """
    network = open_network(model, output, pool=pool, preprocess=preprocess, prototxt=prototxt, force=force, quiet=quiet)
    objective = visualize_objective(
        network,
        layer,
        unit=unit,
        batch=batch,
        rivals_weight=rivals_weight,
        tv_weight=tv_weight,
        norm_weight=norm_weight,
        diversity_weight=diversity_weight,
    )
    write(
        network,
        objective,
        output,
        gradient=gradient,
        size=size,
        profile=profile,
        precision=precision,
        force=force,
        quiet=quiet,
        json=json,
    )


@export_app.command("deconv")
@reports_errors
def export_deconv(
    layer: options.Layer,
    output: options.Folder,
    rule: options.Rule = "deconvnet",
    model: options.Model = None,
    pool: options.Pool = "max",
    preprocess: options.Preprocess = None,
    prototxt: options.Prototxt = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Write the artifact of a deconvnet: a layer's strongest activations, and their projection to the pixels.

    Example: pixelgrad export deconv --model googlenet.onnx --layer conv2 -o conv2.pixelgrad
    """
    network = open_network(model, output, pool=pool, preprocess=preprocess, prototxt=prototxt, force=force, quiet=quiet)
    write_projection(network, Projection(layer, rule), output, force=force)
    report(output, network.name, quiet=quiet, json=json)


def open_network(
    model: str | None,
    output: Path,
    *,
    pool: str,
    preprocess: str | None,
    prototxt: Path | None,
    force: bool,
    quiet: bool,
) -> Network:
    """The network to export, once it is sure that the artifact can be written."""
    check_directory(output, force=force)
    network = load_network(model, preprocess=preprocess, pool=pool, prototxt=prototxt)
    for assumed in network.notes:
        note(f"{network.name}: {assumed}", quiet=quiet)
    return network


def write(
    network: Network,
    objective: Objective,
    output: Path,
    *,
    gradient: str,
    size: str,
    profile: str,
    precision: str,
    force: bool,
    quiet: bool,
    json: bool,
) -> None:
    """Write the artifact and say what is in it."""
    if gradient == "ort-training":
        if (profile, precision) != ("portable", "fp32"):
            raise SettingsError("--gradient ort-training knows neither --profile nor --precision; leave them out")
        pixels = options.parse_size(size, "--size")
        write_ort_training_artifact(network, objective, output, size=pixels, force=force)
    elif gradient == "standard":
        write_artifact(network, objective, output, profile=profile, precision=precision, force=force)
    else:
        raise SettingsError(f"--gradient is {gradient!r}; it must be standard or ort-training")
    report(output, network.name, quiet=quiet, json=json)


def report(output: Path, network: str, *, quiet: bool, json: bool) -> None:
    """Say what is in an artifact."""
    manifest = Artifact(output, device="cpu").manifest
    if json:
        keys = ("network", "terms", "projection", "files", "image")
        print_json({"output": str(output), **{key: manifest[key] for key in keys if key in manifest}})
        return
    total = sum(row["bytes"] for row in manifest["files"].values())
    note(f"wrote {output}: {network}, {len(manifest['files'])} files, {total / 1e6:.1f} MB", quiet=quiet)
    for term in manifest["terms"]:
        note(f"  {term['name']:32} weight {term['weight']:.4g}", quiet=quiet)
    if "projection" in manifest:
        facts = manifest["projection"]
        note(f"  {facts['channels']} channels of {facts['layer']}, rule {facts['rule']}", quiet=quiet)
