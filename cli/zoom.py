"""``pixelgrad zoom``: the endless stream of a dream within a dream."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Annotated, Any

import typer

from pixelgrad.cli import groups, options
from pixelgrad.cli.command import Group, command
from pixelgrad.cli.console import fail, note, print_json, reason
from pixelgrad.cli.dream import dream_sources, open_dream
from pixelgrad.cli.progress import FRAMES, shown
from pixelgrad.cli.report import peak_memory
from pixelgrad.cli.running import check_streams, read_pictures
from pixelgrad.errors import PixelgradError, SettingsError
from pixelgrad.runtime import FrameEvent, Picture, ZoomSettings, choose_device, zoom
from pixelgrad.runtime.images import standard_output
from pixelgrad.tasks import ZoomRun, check_zoom_output
from pixelgrad.tasks.video import check_fps, stream_video

_Settings = Annotated[
    ZoomSettings,
    Group(
        ZoomSettings(),
        frames=Annotated[int, typer.Option("--frames", metavar="N", help="How many frames.")],
        growth=Annotated[
            float, typer.Option("--growth", help="How many times larger each frame shows the one before.")
        ],
        rotate=Annotated[float, typer.Option("--rotate", metavar="DEGREES", help="Turn per frame, counter-clockwise.")],
        contrast=Annotated[
            float, typer.Option("--contrast", help="Most contrast of a frame, relative to photographs; 0 for no limit.")
        ],
    ),
]


@command
def zoom_command(
    *,
    picture: Annotated[str | None, typer.Argument(metavar="[IMAGE]", help="The picture; - is stdin.")] = None,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE|DIR",
            help=".mp4, .gif, .webp, or a folder for the frames; - streams raw video.",
        ),
    ],
    moves: _Settings,
    endless: Annotated[bool, typer.Option("--endless", help="Frames without end, until Ctrl-C.")] = False,
    drift: Annotated[
        str, typer.Option("--drift", metavar="X,Y", help="Move per frame, right and down, in percent of the frame.")
    ] = "0,0",
    fps: Annotated[float, typer.Option("--fps", help="Frames per second of a video.")] = 15,
    subject: groups.DreamSubject,
    dream: groups.ZoomedDream,
    network: groups.Network,
    run: groups.ZoomRunOptions,
) -> None:
    """Dream, go a little closer, dream on: frames into a folder or a video.

    A run that was broken off goes on where it stopped when the same command is given again.

    Examples: pixelgrad zoom sky.jpg --frames 120 -o zoom.mp4

    pixelgrad zoom sky.jpg --endless -o - | mpv -
    """
    sources = dream_sources(picture, subject)
    check_streams(output, sources, run)
    frames = None if endless else moves.frames
    settings = replace(moves, frames=frames, drift=_two(drift), dream=dream)
    settings.check()
    choice = choose_device(run.device)
    streamed = output == "-"
    if streamed:
        check_fps(fps)
        standard_output()
    else:
        check_zoom_output(output, fps=fps, force=run.force)
    pictures = read_pictures(sources, run)
    artifact, channels = open_dream(network, subject, choice, run)
    source = None if subject.from_noise else pictures[0]
    given: dict[str, Any] = {
        "channels": channels,
        "guide": pictures[-1] if subject.guide is not None else None,
    }
    if streamed:
        _stream(zoom(artifact, source, settings, **given), fps, run)
        return
    zoomed = ZoomRun(artifact, source, output, settings, fps=fps, force=run.force, **given)
    _run(zoomed, settings, choice.name, quiet=run.quiet, json=run.json)


def _two(drift: str) -> tuple[float, float]:
    moves = options.parse_numbers(drift, "--drift") or ()
    if len(moves) != 2:
        raise SettingsError(f"--drift is {drift!r}; it must be two numbers separated by a comma, such as 0.5,0")
    return moves[0], moves[1]


def _stream(events: Iterable[FrameEvent], fps: float, run: groups.Run) -> None:
    """Send the frames to stdout as they are made; where its reader goes, that is the end."""
    done = 0

    def pictures() -> Iterator[Picture]:
        nonlocal done
        for event in shown(events, quiet=run.quiet, style=FRAMES):
            yield event.picture
            done = event.frame

    try:
        stream_video(pictures(), standard_output(), fps=fps)
    except BrokenPipeError:
        # Python flushes stdout once more at the end, which would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        note(f"the program reading standard output has stopped; {done} frames went there", quiet=run.quiet)
    except KeyboardInterrupt:
        fail(f"interrupted; {done} frames went to stdout")
        raise typer.Exit(130) from None


def _run(run: ZoomRun, settings: ZoomSettings, device: str, *, quiet: bool, json: bool) -> None:
    """Make the frames; Ctrl-C leaves a video of those that there are, and ends with exit code 130."""
    of = "" if settings.frames is None else f" of {settings.frames}"
    if run.found:
        note(f"{run.done}{of} frames are in {run.folder.path} already", quiet=quiet)
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
            f"interrupted at frame {run.done}{of}; {run.output} holds them, and the same command"
            f"{again} goes on from there"
        )
        raise typer.Exit(130) from None
    except (PixelgradError, MemoryError) as error:
        raise PixelgradError(f"{reason(error)}. The frames so far are in {run.folder.path}") from error
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
