"""Groups of options that several commands take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from pixelgrad.cli import options
from pixelgrad.cli.command import Group
from pixelgrad.networks import NetworkSpec
from pixelgrad.runtime import DreamSettings

__all__ = [
    "POOLED",
    "Dream",
    "DreamSubject",
    "Network",
    "Networks",
    "Run",
    "RunOptions",
    "Subject",
    "Written",
    "ZoomRunOptions",
    "ZoomedDream",
]


@dataclass(frozen=True)
class Run:
    """Where a command runs, and what it may print and overwrite."""

    device: str = "auto"
    force: bool = False
    quiet: bool = False
    json: bool = False


_RUN = Group(Run(), "Running", device=options.Device, force=options.Force, quiet=options.Quiet, json=options.Json)
RunOptions = Annotated[Run, _RUN]
ZoomRunOptions = Annotated[Run, Group(Run(), "Running", **{**_RUN.options, "force": options.ForceVideo})]
#: Of commands that run nothing.
Written = Annotated[Run, _RUN.without("device")]

_NETWORK = Group(
    NetworkSpec(pool="max"),
    "Network",
    model=options.Model,
    pool=options.Pool,
    preprocess=options.Preprocess,
    prototxt=options.Prototxt,
    precision=options.Precision,
)
Network = Annotated[NetworkSpec, _NETWORK]
#: Where the networks themselves are arguments.
Networks = Annotated[NetworkSpec, _NETWORK.without("model")]
#: The default where average pooling is.
POOLED = NetworkSpec(pool="avg")

_DREAM = Group(
    DreamSettings(),
    size=Annotated[
        int | None,
        typer.Option(
            "--size", metavar="PIXELS", help="Long edge; the picture's own up to 1024 (a zoom 512), or 320 of noise."
        ),
    ],
    steps=Annotated[int | None, typer.Option("--steps", metavar="N", help="Gradient steps at each octave.")],
    octaves=Annotated[int | None, typer.Option("--octaves", metavar="N", help="How many sizes, from coarse to fine.")],
    octave_scale=Annotated[float, typer.Option("--octave-scale", help="How much larger each is than the one before.")],
    strength=Annotated[
        float | None, typer.Option("--strength", help="How far a step moves the average pixel, in 255ths of its range.")
    ],
    smoothing=Annotated[
        int | None,
        typer.Option("--smoothing", metavar="BANDS", help="Bands of the gradient to even out; 1 for none."),
    ],
    blur=Annotated[float | None, typer.Option("--blur", metavar="PIXELS", help="Blur after each step.")],
    fade=Annotated[float | None, typer.Option("--fade", help="Share of strength and blur left at the last step.")],
    natural_color=Annotated[
        float | None,
        typer.Option("--natural-color", help="How far, from 0 to 1, to keep to the colours of nature."),
    ],
    momentum=Annotated[
        float | None, typer.Option("--momentum", help="Share of each step, from 0 to 1, that goes on in the next.")
    ],
    jitter=Annotated[int, typer.Option("--jitter", metavar="PIXELS", help="Largest random shift before each step.")],
    tile=Annotated[int, typer.Option("--tile", metavar="PIXELS", help="Edge of the window for large pictures.")],
    seed=options.Seed,
)
Dream = Annotated[DreamSettings, _DREAM]
#: A zoom fades nothing: its frames go on from each other.
ZoomedDream = Annotated[DreamSettings, _DREAM.without("fade")]


@dataclass(frozen=True)
class Subject:
    """What a dream is of, and what it starts from."""

    from_noise: bool = False
    layers: str | None = None
    channels: list[int] | None = None
    classes: list[str] | None = None
    guide: str | None = None


DreamSubject = Annotated[
    Subject,
    Group(
        Subject(),
        from_noise=Annotated[bool, typer.Option("--from-noise", help="Start from noise, without a picture.")],
        layers=options.DreamLayers,
        channels=Annotated[
            list[int] | None, typer.Option("--channel", metavar="N", help="A channel of the layer; may be given again.")
        ],
        classes=Annotated[
            list[str] | None,
            typer.Option(
                "--class", metavar="CLASS", help="A class: its label, synset id or index; may be given again."
            ),
        ],
        guide=Annotated[str | None, typer.Option("--guide", metavar="IMAGE", help="A picture to look for.")],
    ),
]
