"""Options that several commands share, each defined once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from pixelgrad.errors import SettingsError
from pixelgrad.models import PREPROCESSINGS
from pixelgrad.runtime.settings import memory_size

_MOST_CHANNELS = 4096

Model = Annotated[
    str | None,
    typer.Option("--model", "-m", metavar="NAME|FILE", help="Network: a file, or a name (pixelgrad models list)."),
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="DEVICE",
        help="auto, cpu, cuda, cuda:N, directml, webgpu, openvino or coreml; options of its provider may follow: "
        "cuda,use_tf32=0.",
    ),
]
Pool = Annotated[str, typer.Option("--pool", metavar="max|avg", help="How max poolings of the network are done.")]
Precision = Annotated[
    str,
    typer.Option(
        "--precision",
        metavar="fp32|fp16",
        help="fp16 runs the network in half precision, the losses in single: faster on a GPU, slower on a CPU.",
    ),
]
Preprocess = Annotated[
    str | None,
    typer.Option(
        "--preprocess",
        metavar="NAME",
        help=f"How the network wants its input: {', '.join(PREPROCESSINGS)}. "
        "Known networks say so themselves; others are taken to be imagenet.",
    ),
]
Prototxt = Annotated[
    Path | None,
    typer.Option("--prototxt", metavar="FILE", help="Description of a Caffe network; by default the one beside it."),
]
ContentLayers = Annotated[
    str | None,
    typer.Option("--content-layers", metavar="A,B=2,...", help="Layers to keep the content of, with weights if any."),
]
ContentWeight = Annotated[
    float | None,
    typer.Option("--content-weight", help="Weight of the content; the default is 0.05 for a chain as VGG, else 0.15."),
]
StyleLayers = Annotated[
    str | None,
    typer.Option("--style-layers", metavar="A,B=2,...", help="Layers to take the style from, with weights if any."),
]
DreamLayers = Annotated[
    str | None,
    typer.Option("--layers", "-l", metavar="A,B=2,...", help="Layers to dream of, with weights if any."),
]
StyleLoss = Annotated[
    str, typer.Option("--loss", metavar="moments|gram", help="Features as Gaussians, or their correlations.")
]
TextureLayers = Annotated[
    str | None,
    typer.Option("--layers", metavar="A,B=2,...", help="Layers to make the texture from, shallow to deep."),
]
GrainWeight = Annotated[
    float | None,
    typer.Option("--grain-weight", help="Weight of patches of 3x3 pixels; the default is 0.2, and none with gram."),
]
Smoothness = Annotated[float, typer.Option("--tv-weight", help="Weight of the smoothness.")]
Alpha = Annotated[float, typer.Option("--alpha", help="Exponent of the norm that keeps colours in range.")]
Beta = Annotated[float, typer.Option("--beta", help="Exponent of the smoothness; 1 is sharper.")]
Optimizer = Annotated[str, typer.Option("--optimizer", metavar="adam|lbfgs", help="How to move the pixels.")]
LearningRate = Annotated[
    float, typer.Option("--learning-rate", help="Step of adam, in pixel values of 0 to 1; lbfgs finds its own.")
]
MatchHistogram = Annotated[
    bool, typer.Option("--match-histogram", help="Give the result the colour histogram of what it is made after.")
]
Output = Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="Where to write the picture; - is stdout.")]
Folder = Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="The artifact folder to write.")]
Size = Annotated[int, typer.Option("--size", metavar="PIXELS", help="Long edge of the picture.")]
Area = Annotated[
    str | None, typer.Option("--size", metavar="WxH", help="Size of the picture in pixels; one number for a square.")
]
Steps = Annotated[int, typer.Option("--steps", metavar="N", help="Gradient steps in all.")]
MaxMemory = Annotated[
    str | None,
    typer.Option(
        "--max-memory",
        metavar="SIZE",
        help="Memory to keep to, about: 4GB, 800MB. A picture that takes more is looked at in tiles, to the same "
        "result. By default what is free, on the CPU.",
    ),
]
Tiles = Annotated[
    bool, typer.Option("--tiles", help="Write what it takes to look at images in tiles, where memory is scarce.")
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="Seed of what is random.")]
Force = Annotated[bool, typer.Option("--force", "-f", help="Overwrite what is there.")]
ForceVideo = Annotated[
    bool, typer.Option("--force", "-f", help="Overwrite a video that is there; a folder's frames are only added to.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout at the end, and nothing else there.")
]

Layer = Annotated[str, typer.Option("--layer", metavar="LAYER", help="The layer to look at.")]
Images = Annotated[Path, typer.Option("--images", metavar="DIR", help="A folder of images; folders in it count.")]
Channels = Annotated[
    list[str] | None,
    typer.Option("--channel", metavar="N,N-N,...", help="Channels, from 0; the strongest ones by default."),
]
Rule = Annotated[
    str,
    typer.Option("--rule", metavar="deconvnet|gradient|guided", help="How activations are projected to the pixels."),
]
ScanSize = Annotated[
    int, typer.Option("--size", metavar="PIXELS", help="Edge of the square that the middle of each image is made.")
]
Batch = Annotated[int, typer.Option("--batch", metavar="N", help="Images at a time.")]
Crop = Annotated[
    str,
    typer.Option("--crop", metavar="auto|field|tight", help="Show the receptive field, or most of the projection."),
]
Index = Annotated[
    Path | None,
    typer.Option("--index", metavar="FILE", help="Where to keep what the scan finds; by default under PIXELGRAD_HOME."),
]


def parse_channels(texts: Sequence[str] | None, option: str = "--channel") -> list[int] | None:
    """``5``, ``3,7`` and ``8-10`` as channel numbers, each once, in the order given."""
    if not texts:
        return None
    channels: dict[int, None] = {}
    for part in (part.strip() for text in texts for part in text.split(",")):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part, re.ASCII)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last or last - first >= _MOST_CHANNELS:
            raise SettingsError(
                f"{option} is {part!r}; it must be numbers from 0 up, or ranges of at most {_MOST_CHANNELS}, "
                "such as 5, 3,7 or 0-15"
            )
        channels |= dict.fromkeys(range(first, last + 1))
    return list(channels)


def parse_layers(text: str | None, option: str) -> dict[str, float] | list[str] | None:
    """``a,b=2`` as names, or as names with weights (1 where one is missing) as soon as one has a weight."""
    if text is None:
        return None
    pairs = [name.partition("=") for name in parse_names(text, option)]
    if not any(separator for _, separator, _ in pairs):
        return [name for name, _, _ in pairs]
    weights = {}
    for name, separator, weight in pairs:
        try:
            weights[name.strip()] = float(weight) if separator else 1.0
        except ValueError:
            raise SettingsError(f"{option}: the weight of {name!r} is {weight!r}; it must be a number") from None
    return weights


def parse_size(text: str, option: str) -> tuple[int, int]:
    """``640x480`` as (height, width); ``512`` as a square."""
    match = re.fullmatch(r"(\d+)(?:[xX](\d+))?", text)
    if match is None or "0" in match.groups():
        raise SettingsError(f"{option} is {text!r}; it must be a width and a height in pixels, such as 256x192")
    return int(match[2] or match[1]), int(match[1])


def parse_memory(text: str | None) -> int | None:
    """``--max-memory`` as a number of bytes."""
    return None if text is None else memory_size(text, "--max-memory")


def parse_numbers(text: str | None, option: str) -> Sequence[float] | None:
    """``1,2,0.5`` as numbers."""
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise SettingsError(f"{option} is {text!r}; it must be numbers separated by commas") from None


def parse_names(text: str, option: str) -> list[str]:
    """``a,b`` as names."""
    names = [part.strip() for part in text.split(",") if part.strip()]
    if not names:
        raise SettingsError(f"{option} is empty; give layer names separated by commas")
    return names
