"""``pixelgrad visualize``: what a channel, a neuron, a class or a direction of a network looks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from pixelgrad.cli import groups, options
from pixelgrad.cli.command import Group, command
from pixelgrad.cli.running import check_streams, open_artifact, run_to_file
from pixelgrad.errors import SettingsError
from pixelgrad.runtime import VisualizeSettings, choose_device, visualize
from pixelgrad.runtime.images import check_output
from pixelgrad.tasks import memory_limit, unit_kind, visualization_units, visualize_artifact
from pixelgrad.tasks.visualize import batch_for, check_diversity, direction_rows

_DEFAULTS = VisualizeSettings()
_Settings = Annotated[
    VisualizeSettings,
    Group(
        _DEFAULTS,
        size=Annotated[
            int | None,
            typer.Option(
                "--size", metavar="PIXELS", help="Edge of each picture: 224, or 128 for channels; of maco 384 and 224."
            ),
        ],
        coarsest=Annotated[
            int | None,
            typer.Option(
                "--coarsest",
                metavar="PIXELS",
                help="Edge of the first scale, which grows by sqrt(2): 112; maco has one, SqueezeNet's classes too.",
            ),
        ],
        steps=Annotated[int, typer.Option("--steps", metavar="N", help="Gradient steps for each picture.")],
        parameters=Annotated[
            str,
            typer.Option(
                "--parameters",
                metavar="fourier|maco|pixels",
                help="What is optimised; maco is the phase alone, for deep layers.",
            ),
        ],
        decay=Annotated[
            float,
            typer.Option("--decay", help="The spectrum is 1 / frequency^decay: more is smoother; pixels have none."),
        ],
        cut=Annotated[
            float, typer.Option("--cut", help="Cycles per pixel above which fourier's spectrum falls off; 0 for never.")
        ],
        decorrelate=Annotated[
            bool,
            typer.Option(
                "--decorrelate/--rgb", help="Of fourier: colours along nature's axes, or red, green and blue."
            ),
        ],
        contrast=Annotated[
            float,
            typer.Option("--contrast", help="Of fourier: the most, as times that of photographs; 0 for any."),
        ],
        view=Annotated[
            int | None,
            typer.Option(
                "--view",
                metavar="PIXELS",
                help="Edge of what the network sees: the picture's; of maco 224, or 128 for channels.",
            ),
        ],
        jitter=Annotated[
            int | None,
            typer.Option(
                "--jitter",
                metavar="PIXELS",
                help="How far a view is moved, at most: 16; of maco a quarter of the picture's edge.",
            ),
        ],
        rotate=Annotated[
            float | None,
            typer.Option("--rotate", metavar="DEGREES", help="How far a view is turned, at most: 5; of maco 0."),
        ],
        noise=Annotated[
            float | None,
            typer.Option("--noise", help="Standard deviation of the noise on a view, of [0, 1]: 0, or 0.05 for maco."),
        ],
        views=Annotated[
            int, typer.Option("--views", metavar="N", help="Gradients that are averaged for a step of Adam.")
        ],
        rivals_weight=Annotated[
            float | None,
            typer.Option("--rivals-weight", help="How much of the other classes is held against a class."),
        ],
        tv_weight=Annotated[
            float | None, typer.Option("--tv-weight", help="Weight of the smoothness; the default is 0.")
        ],
        norm_weight=Annotated[
            float | None,
            typer.Option("--norm-weight", help="Weight of the alpha norm, against glare; the default is 0."),
        ],
        diversity_weight=Annotated[
            float | None, typer.Option("--diversity-weight", help="How much the pictures of a unit must differ.")
        ],
        learning_rate=Annotated[
            float | None,
            typer.Option("--learning-rate", help="Step of Adam, on the parameters: 0.1, or 0.6 for maco."),
        ],
        fade=Annotated[
            bool | None,
            typer.Option("--fade/--opaque", help="Transparent where the unit asked for nothing; maco's pictures are."),
        ],
        seed=options.Seed,
    ),
]


@command
def visualize_command(
    *,
    more: Annotated[
        list[str] | None, typer.Argument(metavar="[MORE]...", help="More channels, neurons or classes of that kind.")
    ] = None,
    output: options.Output,
    layer: Annotated[str | None, typer.Option("--layer", "-l", metavar="NAME", help="The layer to look into.")] = None,
    channel: Annotated[
        list[str] | None, typer.Option("--channel", metavar="N...", help="Channels: 5, or 0-15, or 3,7,11.")
    ] = None,
    neuron: Annotated[
        list[str] | None, typer.Option("--neuron", metavar="N...", help="Neurons: of these channels, at the centre.")
    ] = None,
    class_: Annotated[
        list[str] | None, typer.Option("--class", metavar="NAME...", help="Classes: names, synset ids or numbers.")
    ] = None,
    direction: Annotated[
        Path | None,
        typer.Option(
            "--direction", metavar="FILE", help="Directions among the channels: a NumPy file, one in each row."
        ),
    ] = None,
    diversity: Annotated[
        int, typer.Option("--diversity", metavar="N", help="Pictures of each unit, made to differ.")
    ] = 1,
    settings: _Settings,
    scale: Annotated[
        str | None,
        typer.Option(
            "--scale",
            metavar="LOW,HIGH",
            help="Least and most magnification of a view: 0.95,1.25; of maco so that it shows 58 to 97% of the edge.",
        ),
    ] = None,
    network: groups.Network,
    run: groups.RunOptions,
) -> None:
    """Make pictures that channels, neurons, classes or directions of a network respond to.

    Example: pixelgrad visualize --model googlenet.onnx --class banana volcano -o classes.png
    """
    check_streams(output, [], run)
    settings = replace(settings, scale=None if scale is None else _range(scale))
    settings.check()
    check_diversity(diversity)
    channels, neurons, classes = list(channel or ()), list(neuron or ()), list(class_ or ())
    directions = _directions(direction)
    kind = unit_kind(channels, neurons, classes, directions)
    if kind == "direction" and more:
        raise SettingsError(f"{more[0]!r} is one too many: the directions are all in the file")
    {"channel": channels, "neuron": neurons, "class": classes}.get(kind, []).extend(more or ())
    choice = choose_device(run.device)
    check_output(output, force=run.force)
    units = visualization_units(
        network,
        layer=layer,
        channels=options.parse_channels(channels) or (),
        neurons=options.parse_channels(neurons, "--neuron") or (),
        classes=classes,
        directions=directions,
    )
    folder = visualize_artifact(
        network,
        layer=layer,
        unit=kind,
        settings=settings,
        diversity=diversity,
        batch=batch_for(choice, len(units)),
        device=choice,
    )
    artifact = open_artifact(folder, choice, quiet=run.quiet)
    events = visualize(artifact, units, settings, max_memory=memory_limit(settings, choice))
    run_to_file(events, output, choice, run)


def _directions(file: Path | None) -> Sequence[Any]:
    """The rows of a NumPy file."""
    if file is None:
        return ()
    try:
        array = np.load(file, allow_pickle=False)
    except FileNotFoundError:
        raise SettingsError(f"--direction: there is no file {str(file)!r}") from None
    except (OSError, ValueError, EOFError) as error:
        raise SettingsError(f"--direction: {str(file)!r} is no NumPy file of numbers; numpy.save writes one") from error
    rows = direction_rows(array if isinstance(array, np.ndarray) else None)
    if not len(rows):
        raise SettingsError(f"--direction: {str(file)!r} holds no direction")
    return rows


def _range(text: str) -> tuple[float, float]:
    numbers = options.parse_numbers(text, "--scale") or ()
    if len(numbers) == 1:
        return numbers[0], numbers[0]
    if len(numbers) != 2:
        raise SettingsError(f"--scale is {text!r}; it must be two numbers, as in 0.8,1.2")
    return numbers[0], numbers[1]
