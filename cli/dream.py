"""``pixelgrad dream``: a picture, or noise, as a network dreams it."""

from __future__ import annotations

from typing import Annotated

import typer

from pixelgrad.cli import groups, options
from pixelgrad.cli.command import command
from pixelgrad.cli.running import check_streams, open_artifact, read_pictures, run_to_file
from pixelgrad.errors import SettingsError
from pixelgrad.networks import NetworkSpec
from pixelgrad.runtime import Artifact, Choice, choose_device, dream
from pixelgrad.runtime.images import check_output
from pixelgrad.tasks import dream_subject, memory_limit


@command
def dream_command(
    *,
    picture: Annotated[str | None, typer.Argument(metavar="[IMAGE]", help="The picture; - is stdin.")] = None,
    output: options.Output,
    subject: groups.DreamSubject,
    settings: groups.Dream,
    network: groups.Network,
    run: groups.RunOptions,
) -> None:
    """Make stronger what a network sees in a picture: what its layers see, a channel, a class, or a guide.

    Examples: pixelgrad dream sky.jpg -o dream.png

    pixelgrad dream --from-noise --model googlenet.onnx --class banana -o banana.png
    """
    sources = dream_sources(picture, subject)
    check_streams(output, sources, run)
    settings.check()
    choice = choose_device(run.device)
    check_output(output, force=run.force)
    pictures = read_pictures(sources, run)
    artifact, channels = open_dream(network, subject, choice, run)
    events = dream(
        artifact,
        None if subject.from_noise else pictures[0],
        settings,
        channels=channels,
        guide=pictures[-1] if subject.guide is not None else None,
        max_memory=memory_limit(settings, choice),
    )
    run_to_file(events, output, choice, run)


def dream_sources(picture: str | None, subject: groups.Subject) -> list[str]:
    """The pictures to read: the one to dream from, if any, and the guide, if any."""
    if (picture is None) != subject.from_noise:
        both = ", not both" if subject.from_noise else ""
        raise SettingsError(f"give a picture to dream from, or --from-noise{both}")
    return [source for source in (picture, subject.guide) if source is not None]


def open_dream(
    network: NetworkSpec, subject: groups.Subject, choice: Choice, run: groups.Run
) -> tuple[Artifact, list[int] | None]:
    """The artifact of a dream of ``subject``, and the channels to choose in it."""
    folder, channels = dream_subject(
        network,
        layers=options.parse_layers(subject.layers, "--layers"),
        channels=subject.channels,
        classes=subject.classes,
        guided=subject.guide is not None,
        device=choice,
    )
    return open_artifact(folder, choice, quiet=run.quiet), channels
