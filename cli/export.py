"""``pixelgrad export``: artifacts for applications."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pixelgrad.cli import groups, options
from pixelgrad.cli.command import Group, command
from pixelgrad.cli.console import note, print_json
from pixelgrad.cli.memory import hold_memory
from pixelgrad.cli.running import check_place
from pixelgrad.errors import SettingsError
from pixelgrad.networks import NetworkSpec
from pixelgrad.networks.lookup import exporters
from pixelgrad.runtime import Artifact

if TYPE_CHECKING:
    from pixelgrad.exporters import Network, Objective

export_app = typer.Typer(no_args_is_help=True, help="Write an artifact: a folder that any ONNX Runtime can run.")


@dataclass(frozen=True)
class Form:
    """Who builds the gradient, and for what."""

    gradient: str = "standard"
    size: str | None = None
    profile: str = "portable"


_Form = Annotated[
    Form,
    Group(
        Form(),
        gradient=Annotated[
            str,
            typer.Option(
                "--gradient",
                metavar="standard|ort-training",
                help="Who builds the gradient: we, or onnxruntime-training.",
            ),
        ],
        size=Annotated[
            str | None,
            typer.Option(
                "--size",
                metavar="WxH",
                help="Image size of an ort-training artifact, 256x256 by default; a standard one takes any.",
            ),
        ],
        profile=Annotated[
            str,
            typer.Option(
                "--profile", metavar="portable|fast", help="portable runs on every device; fast on a CPU only."
            ),
        ],
    ),
]


@export_app.callback()
def _export() -> None:
    """Write an artifact: a folder that any ONNX Runtime can run."""


@export_app.command("style")
@command
def export_style(
    *,
    output: options.Folder,
    loss: options.StyleLoss = "moments",
    masks: Annotated[
        int, typer.Option("--masks", metavar="N", help="For how many paintings, up to 64, each in a place of its own.")
    ] = 0,
    content_weight: options.ContentWeight = None,
    style_weight: Annotated[float, typer.Option("--style-weight", help="Weight of the style.")] = 1.0,
    tv_weight: options.Smoothness = 0.2,
    content_layers: options.ContentLayers = None,
    style_layers: options.StyleLayers = None,
    tiles: options.Tiles = False,
    network: groups.Network = groups.POOLED,
    form: _Form,
    run: groups.Written,
) -> None:
    """Write the artifact of a style transfer: losses over a network's layers, and their gradient.

    Example: pixelgrad export style --model vgg19.onnx -o style.pixelgrad
    """

    def build(loaded: Network) -> Objective:
        objective: Objective = exporters().style_objective(
            loaded,
            loss=loss,
            content_weight=content_weight,
            style_weight=style_weight,
            tv_weight=tv_weight,
            masks=masks,
            content_layers=options.parse_layers(content_layers, "--content-layers"),
            style_layers=options.parse_layers(style_layers, "--style-layers"),
        )
        return objective

    _write(network, build, output, form, run, tiles=tiles)


@export_app.command("texture")
@command
def export_texture(
    *,
    output: options.Folder,
    loss: options.StyleLoss = "moments",
    layers: options.TextureLayers = None,
    grain_weight: options.GrainWeight = None,
    tv_weight: options.Smoothness = 0.0,
    tileable: Annotated[
        bool,
        typer.Option("--tileable", help="For results whose edges fit each other."),
    ] = False,
    tiles: options.Tiles = False,
    network: groups.Network = groups.POOLED,
    form: _Form,
    run: groups.Written,
) -> None:
    """Write the artifact of texture synthesis.

    Example: pixelgrad export texture --model vgg19.onnx -o texture.pixelgrad
    """
    chosen = options.parse_layers(layers, "--layers")

    def build(loaded: Network) -> Objective:
        objective: Objective = exporters().texture_objective(
            loaded, loss=loss, layers=chosen, grain_weight=grain_weight, tv_weight=tv_weight, tileable=tileable
        )
        return objective

    _write(network, build, output, form, run, tiles=tiles)


@export_app.command("invert")
@command
def export_invert(
    *,
    output: options.Folder,
    layer: Annotated[str, typer.Option("--layer", "-l", metavar="LAYER", help="The layer to reconstruct from.")],
    alpha: options.Alpha = 6.0,
    beta: options.Beta = 2.0,
    network: groups.Network,
    form: _Form,
    run: groups.Written,
) -> None:
    """Write the artifact of reconstruction from a layer.

    Example: pixelgrad export invert --model googlenet.onnx --layer mixed4a -o invert.pixelgrad
    """
    _write(
        network,
        lambda loaded: exporters().inversion_objective(loaded, layer, alpha=alpha, beta=beta),
        output,
        form,
        run,
    )


@export_app.command("dream")
@command
def export_dream(
    *,
    output: options.Folder,
    enhance: Annotated[
        str, typer.Option("--enhance", metavar="layers|channels|class|guide", help="What the dream makes stronger.")
    ] = "layers",
    layers: options.DreamLayers = None,
    network: groups.Network,
    form: _Form,
    run: groups.Written,
) -> None:
    """Write the artifact of a dream: which channel, class or guide is chosen when it runs.

    Example: pixelgrad export dream --model googlenet.onnx --enhance class -o dream.pixelgrad
    """
    chosen = options.parse_layers(layers, "--layers")
    _write(
        network, lambda loaded: exporters().dream_objective(loaded, enhance=enhance, layers=chosen), output, form, run
    )


@export_app.command("visualize")
@command
def export_visualize(
    *,
    output: options.Folder,
    layer: Annotated[
        str | None, typer.Option("--layer", "-l", metavar="NAME", help="The layer; for classes that of the scores.")
    ] = None,
    unit: Annotated[
        str, typer.Option("--unit", metavar="channel|neuron|class|direction", help="What of the layer is to respond.")
    ] = "channel",
    batch: Annotated[int, typer.Option("--batch", metavar="N", help="Pictures at once.")] = 1,
    rivals_weight: Annotated[
        float, typer.Option("--rivals-weight", help="How much of the other classes is held against a class.")
    ] = 0.9,
    tv_weight: options.Smoothness = 0.0,
    norm_weight: Annotated[float, typer.Option("--norm-weight", help="Weight of the alpha norm.")] = 0.0,
    diversity_weight: Annotated[
        float, typer.Option("--diversity-weight", help="How much the pictures of a batch must differ.")
    ] = 0.0,
    network: groups.Network,
    form: _Form,
    run: groups.Written,
) -> None:
    """Write the artifact of a visualisation: what makes any channel, neuron, class or direction of a layer respond.

    Example: pixelgrad export visualize --model googlenet.onnx --unit class -o classes.pixelgrad
    """

    def build(loaded: Network) -> Objective:
        objective: Objective = exporters().visualize_objective(
            loaded,
            layer,
            unit=unit,
            batch=batch,
            rivals_weight=rivals_weight,
            tv_weight=tv_weight,
            norm_weight=norm_weight,
            diversity_weight=diversity_weight,
        )
        return objective

    _write(network, build, output, form, run)


@export_app.command("deconv")
@command
def export_deconv(
    *,
    layer: options.Layer,
    output: options.Folder,
    rule: options.Rule = "deconvnet",
    network: groups.Network,
    run: groups.Written,
) -> None:
    """Write the artifact of a deconvnet: a layer's strongest activations, and their projection to the pixels.

    Example: pixelgrad export deconv --model googlenet.onnx --layer conv2 -o conv2.pixelgrad
    """
    loaded = _load(network, output, run)
    export = exporters()
    export.write_projection(
        loaded, export.Projection(layer, rule), output, precision=network.precision, force=run.force
    )
    _report(output, loaded.name, run)


def _load(network: NetworkSpec, output: Path, run: groups.Run) -> Network:
    """The network to export, once it is sure that the artifact can be written."""
    from pixelgrad.exporters.artifact import check_directory

    check_place(output, "-o")
    check_directory(output, force=run.force)
    hold_memory()  # a large network is several in memory while its gradient is built
    loaded = network.load()
    for assumed in loaded.notes:
        note(f"{loaded.name}: {assumed}", quiet=run.quiet)
    return loaded


def _write(
    network: NetworkSpec,
    build: Callable[[Network], Objective],
    output: Path,
    form: Form,
    run: groups.Run,
    *,
    tiles: bool = False,
) -> None:
    """Write the artifact of what ``build`` makes over the network, and say what is in it."""
    loaded = _load(network, output, run)
    objective = build(loaded)
    if form.gradient == "ort-training":
        if (form.profile, network.precision) != ("portable", "fp32"):
            raise SettingsError("--gradient ort-training knows neither --profile nor --precision; leave them out")
        if tiles:
            raise SettingsError("--gradient ort-training takes images of one size and knows no --tiles; leave it out")
        pixels = options.parse_size(form.size or "256x256", "--size")
        from pixelgrad.exporters.ort_training import write_ort_training_artifact

        write_ort_training_artifact(loaded, objective, output, size=pixels, force=run.force)
    elif form.gradient == "standard":
        if form.size is not None:
            raise SettingsError("--size is of --gradient ort-training; a standard artifact takes images of any size")
        exporters().write_artifact(
            loaded, objective, output, profile=form.profile, precision=network.precision, tiles=tiles, force=run.force
        )
    else:
        raise SettingsError(f"--gradient is {form.gradient!r}; it must be standard or ort-training")
    _report(output, loaded.name, run)


def _report(output: Path, network: str, run: groups.Run) -> None:
    """Say what is in an artifact."""
    manifest = Artifact(output, device="cpu").manifest
    if run.json:
        keys = ("network", "terms", "projection", "files", "image")
        print_json({"output": str(output), **{key: manifest[key] for key in keys if key in manifest}})
        return
    total = sum(row["bytes"] for row in manifest["files"].values())
    note(f"wrote {output}: {network}, {len(manifest['files'])} files, {total / 1e6:.1f} MB", quiet=run.quiet)
    for term in manifest["terms"]:
        note(f"  {term['name']:32} weight {term['weight']:.4g}", quiet=run.quiet)
    if "projection" in manifest:
        facts = manifest["projection"]
        note(f"  {facts['channels']} channels of {facts['layer']}, rule {facts['rule']}", quiet=run.quiet)
