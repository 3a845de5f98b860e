"""``pixelgrad zoom``: the endless stream of a dream within a dream."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from pixelgrad.cli import options
from pixelgrad.cli.console import fail, note, print_json, reports_errors
from pixelgrad.cli.progress import FRAMES, shown
from pixelgrad.cli.report import peak_memory
from pixelgrad.cli.running import check_streams, open_artifact, read_pictures
from pixelgrad.errors import DivergedError, OutputError, SettingsError
from pixelgrad.runtime import DreamSettings, ZoomSettings, choose_device
from pixelgrad.tasks import ZoomRun, check_zoom_output, dream_subject

_DEFAULTS = ZoomSettings()
_DREAM = DreamSettings()


@reports_errors
def zoom_command(
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE|DIR", help=".mp4, .gif, .webp, or a folder for the frames.")
    ],
    picture: Annotated[str | None, typer.Argument(metavar="[IMAGE]", help="The picture; - is stdin.")] = None,
    from_noise: Annotated[bool, typer.Option("--from-noise", help="Start from noise, without a picture.")] = False,
    frames: Annotated[int, typer.Option("--frames", metavar="N", help="How many frames.")] = _DEFAULTS.frames,
    growth: Annotated[
        float, typer.Option("--growth", help="How many times larger each frame shows the one before.")
    ] = _DEFAULTS.growth,
    rotate: Annotated[
        float, typer.Option("--rotate", metavar="DEGREES", help="Turn per frame, counter-clockwise.")
    ] = _DEFAULTS.rotate,
    drift: Annotated[
        str, typer.Option("--drift", metavar="X,Y", help="Move per frame, right and down, in percent of the frame.")
    ] = "0,0",
    fps: Annotated[float, typer.Option("--fps", help="Frames per second of a video.")] = 15,
    model: options.Model = None,
    layers: options.DreamLayers = None,
    channels: options.DreamChannels = None,
    classes: options.Classes = None,
    guide: options.Guide = None,
    size: Annotated[
        int | None, typer.Option("--size", metavar="PIXELS", help="Long edge; the picture's own up to 512 by default.")
    ] = None,
    steps: options.OctaveSteps = None,
    octaves: options.Octaves = None,
    octave_scale: options.OctaveScale = _DREAM.octave_scale,
    strength: options.Strength = None,
    smoothing: options.Smoothing = None,
    blur: options.Blur = None,
    natural_color: options.NaturalColor = None,
    momentum: options.Momentum = None,
    jitter: options.Jitter = _DREAM.jitter,
    tile: options.Tile = _DREAM.tile,
    pool: options.Pool = "max",
    preprocess: options.Preprocess = None,
    prototxt: options.Prototxt = None,
    precision: options.Precision = "fp32",
    seed: options.Seed = _DREAM.seed,
    device: options.Device = "auto",
    force: options.Force = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Dream, go a little closer, dream on: frames into a folder or a video.

    A run that was broken off goes on where it stopped when the same command is given again.

    Example: pixelgrad zoom sky.jpg --frames 120 -o zoom.mp4
    """
    if (picture is None) != from_noise:
        raise SettingsError("give a picture to dream from, or --from-noise" + (", not both" if from_noise else ""))
    if output == "-":
        raise OutputError("a zoom cannot go to stdout; give -o a file name or a folder")
    sources = [source for source in (picture, guide) if source is not None]
    check_streams(output, sources, json=json)
    moves = options.parse_numbers(drift, "--drift") or ()
    settings = ZoomSettings(
        frames=frames,
        growth=growth,
        rotate=rotate,
        drift=(moves[0], moves[-1]) if len(moves) == 2 else _two(drift),
        dream=DreamSettings(
            size=size,
            steps=steps,
            octaves=octaves,
            octave_scale=octave_scale,
            strength=strength,
            smoothing=smoothing,
            blur=blur,
            natural_color=natural_color,
            momentum=momentum,
            jitter=jitter,
            tile=tile,
            seed=seed,
        ),
    )
    settings.check()
    chosen = choose_device(device)
    check_zoom_output(output, fps=fps, force=force)
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
    run = ZoomRun(
        open_artifact(folder, chosen, quiet=quiet),
        None if from_noise else pictures[0],
        output,
        settings,
        fps=fps,
        force=force,
        channels=channels,
        guide=pictures[-1] if guide is not None else None,
    )
    _run(run, settings, chosen.name, quiet=quiet, json=json)


def _two(drift: str) -> tuple[float, float]:
    raise SettingsError(f"--drift is {drift!r}; it must be two numbers separated by a comma, such as 0.5,0")


def _run(run: ZoomRun, settings: ZoomSettings, device: str, *, quiet: bool, json: bool) -> None:
    """Make the frames; Ctrl-C leaves a video of those that there are, and ends with exit code 130."""
    if run.found:
        note(f"{run.done} of {settings.frames} frames are in {run.folder.path} already", quiet=quiet)
    began = time.perf_counter()
    try:
        for _ in shown(run.events(), quiet=quiet, style=FRAMES):
            pass
    except KeyboardInterrupt:
        if not run.done:
            raise
        run.finish()
        again = "" if run.output == run.folder.path else " with --force"
        fail(
            f"interrupted at frame {run.done} of {settings.frames}; {run.output} holds them, and the same command"
            f"{again} goes on from there"
        )
        raise typer.Exit(130) from None
    except DivergedError as error:
        raise DivergedError(f"{error}. The frames so far are in {run.folder.path}") from error
    run.finish()
    seconds = time.perf_counter() - began
    if json:
        print_json(
            {
                "output": str(run.output),
                "frames": run.done,
                "made": run.done - min(run.found, run.done),
                "device": device,
                "seconds": round(seconds, 3),
                "peak_memory_mb": round(peak_memory() / 2**20, 1),
            }
        )
    else:
        note(f"wrote {run.output} ({run.done} frames) in {seconds:.1f} s", quiet=quiet)
