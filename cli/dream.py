"""``pixelgrad dream``: a picture, or noise, as a network dreams it."""

from __future__ import annotations

from typing import Annotated

import typer

from pixelgrad.cli import options
from pixelgrad.cli.console import reports_errors
from pixelgrad.cli.running import check_streams, open_artifact, read_pictures, run_to_file
from pixelgrad.errors import SettingsError
from pixelgrad.runtime import DreamSettings, choose_device, dream
from pixelgrad.runtime.images import check_output
from pixelgrad.tasks import dream_subject

_DEFAULTS = DreamSettings()


@reports_errors
def dream_command(
    output: options.Output,
    picture: Annotated[str | None, typer.Argument(metavar="[IMAGE]", help="The picture; - is stdin.")] = None,
    from_noise: Annotated[bool, typer.Option("--from-noise", help="Start from noise, without a picture.")] = False,
    model: options.Model = None,
    layers: options.DreamLayers = None,
    channels: options.DreamChannels = None,
    classes: options.Classes = None,
    guide: options.Guide = None,
    size: options.DreamSize = None,
    steps: options.OctaveSteps = None,
    octaves: options.Octaves = None,
    octave_scale: options.OctaveScale = _DEFAULTS.octave_scale,
    strength: options.Strength = None,
    smoothing: options.Smoothing = None,
    blur: options.Blur = None,
    fade: options.Fade = None,
    natural_color: options.NaturalColor = None,
    momentum: options.Momentum = None,
    jitter: options.Jitter = _DEFAULTS.jitter,
    tile: options.Tile = _DEFAULTS.tile,
    pool: options.Pool = "max",
    preprocess: options.Preprocess = None,
    prototxt: options.Prototxt = None,
    precision: options.Precision = "fp32",
    seed: options.Seed = _DEFAULTS.seed,
    device: options.Device = "auto",
    force: options.Force = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Make stronger what a network sees in a picture: what its layers see, a channel, a class, or a guide.

    Examples: pixelgrad dream sky.jpg -o dream.png

    pixelgrad dream --from-noise --model googlenet.onnx --class banana -o banana.png
    """
    if (picture is None) != from_noise:
        raise SettingsError("give a picture to dream from, or --from-noise" + (", not both" if from_noise else ""))
    sources = [source for source in (picture, guide) if source is not None]
    check_streams(output, sources, json=json)
    settings = DreamSettings(
        size=size,
        steps=steps,
        octaves=octaves,
        octave_scale=octave_scale,
        strength=strength,
        smoothing=smoothing,
        blur=blur,
        fade=fade,
        natural_color=natural_color,
        momentum=momentum,
        jitter=jitter,
        tile=tile,
        seed=seed,
    )
    settings.check()
    chosen = choose_device(device)
    check_output(output, force=force)
    pictures = read_pictures(sources, quiet=quiet)
    folder, channels = dream_subject(
        model,
        layers=options.parse_layers(layers, "--layers"),
        channels=channels,
        classes=classes,
        guided=guide is not None,
        pool=pool,
        preprocess=preprocess,
        prototxt=prototxt,
        precision=precision,
        device=chosen,
    )
    artifact = open_artifact(folder, chosen, quiet=quiet)
    events = dream(
        artifact,
        None if from_noise else pictures[0],
        settings,
        channels=channels,
        guide=pictures[-1] if guide is not None else None,
    )
    run_to_file(events, output, chosen.name, force=force, quiet=quiet, json=json)
