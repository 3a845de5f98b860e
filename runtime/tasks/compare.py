"""Networks side by side, from finished artifacts."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pixelgrad.errors import SettingsError
from pixelgrad.runtime.artifact import Artifact
from pixelgrad.runtime.comparing import (
    Features,
    Invariance,
    Responses,
    Spectrum,
    aliased_share,
    filter_spectrum,
    invariance,
    response_spectrum,
)
from pixelgrad.runtime.images import Picture
from pixelgrad.runtime.settings import check_edge, check_whole
from pixelgrad.runtime.tasks.visualize import Seen, Unit, VisualizeSettings, visualize

__all__ = ["CompareEvent", "CompareSettings", "Compared", "Subject", "compare"]

Array = np.ndarray[Any, Any]
# How much of a network is done once there are its responses, and once there are its curves, with pictures of channels
# to follow and without: of the time that GoogLeNet, SqueezeNet, VGG-19 and pebble take by default.
_SHARES = {True: (0.07, 0.35), False: (0.2, 1.0)}


@dataclass(frozen=True)
class Subject:
    """One network of a comparison.

    features: of ``first``, ``layers`` and, where there are classes, ``scores``. first: the layer of ``filters``,
    [K, 3, h, w] over RGB, taken every ``stride`` pixels. layers: rectified, from shallow to deep, for the share of dead
    units; the last is the deepest that is compared. layer: whose channels are shown. visual: the artifact that shows
    them; ``None`` shows none.
    """

    name: str
    features: Features
    first: str
    filters: Array
    stride: int
    layers: Sequence[str]
    layer: str
    scores: str | None = None
    visual: Artifact | None = None


@dataclass(frozen=True)
class CompareSettings:
    """How to compare.

    size: edge of the images that the networks are given, in pixels, where they leave the choice.
    pictures: images for the curves of invariance and for the spectra; all of them count for the dead units.
    channels: how many of the strongest channels of a layer are shown; 0 for none. steps, edge: of their pictures, in
    pixels. seed: of those.
    """

    size: int = 224
    pictures: int = 5
    channels: int = 6
    steps: int = 128
    edge: int = 128
    seed: int = 0

    def check(self) -> None:
        """Raise :class:`SettingsError` for a value that cannot be."""
        check_edge(self, "size", "edge")
        check_whole(self, 2, "pictures")
        check_whole(self, 1, "steps")
        check_whole(self, 0, "channels", "seed")


@dataclass(frozen=True)
class Compared:
    """What was found of one network.

    name: the network's. layer: whose strongest channels are ``seen``. first: the layer of ``filter_pixels``, which are
    [K, 3, h, w] and taken every ``stride`` pixels. last: the deepest that is compared. invariance: of these two.
    dead: by layer, from shallow to deep, the share of channels that answered to nothing. aliased_filters,
    aliased_responses: the share of the power of the first layer's filters, and of what they answer to the images, that
    its stride folds back. filters, responses: those powers by frequency. power, answered: the same over both axes of
    frequency, the filters' [64, 64] and the responses' as large as the images.
    """

    name: str
    layer: str
    first: str
    last: str
    stride: int
    filter_pixels: Array
    power: Array
    answered: Array
    filters: Spectrum
    responses: Spectrum
    aliased_filters: float
    aliased_responses: float
    dead: dict[str, float]
    invariance: Invariance
    seen: list[Seen] = field(default_factory=list)

    def facts(self) -> dict[str, Any]:
        """The numbers, JSON-able."""
        return {
            "network": self.name,
            "first_layer": {
                "name": self.first,
                "filters": int(self.filter_pixels.shape[0]),
                "size": list(self.filter_pixels.shape[2:]),
                "stride": self.stride,
                "aliased_share_of_filters": self.aliased_filters,
                "aliased_share_of_responses": self.aliased_responses,
                "frequency": self.filters.frequency,
                "filter_power": self.filters.power,
                "response_power": self.responses.power,
            },
            "dead_share": self.dead,
            "last_layer": self.last,
            "shown_layer": self.layer,
            "top_channels": [seen.unit.index for seen in self.seen],
            "distances": self.invariance.distances,
            "certainty": self.invariance.certainty,
        }


@dataclass(frozen=True)
class CompareEvent:
    """A piece of the work is done.

    network: whose. doing: what. progress: from 0 to 1, of all networks. found: those that are finished.
    """

    network: str
    doing: str
    progress: float
    seconds: float
    found: tuple[Compared, ...]


def compare(
    subjects: Sequence[Subject], pictures: Sequence[Picture], settings: CompareSettings | None = None
) -> Iterator[CompareEvent]:
    """Measure each network on the same pictures; the last event has all that was found.

    pictures: two or more; the middle of each is taken, as a square. Raises :class:`SettingsError` before the start.
    """
    settings = settings or CompareSettings()
    settings.check()
    if not subjects:
        raise SettingsError("name at least one network to look at, two or more to compare")
    if len(pictures) < 2:
        raise SettingsError(f"pictures: {len(pictures)}; distances between them are the measure, so give two or more")
    return _run(subjects, pictures, settings)


def _run(subjects: Sequence[Subject], pictures: Sequence[Picture], settings: CompareSettings) -> Iterator[CompareEvent]:
    began = time.perf_counter()
    found: list[Compared] = []
    for number, subject in enumerate(subjects):
        visual = subject.visual if settings.channels else None
        first, second = _SHARES[visual is not None]

        def event(doing: str, share: float, number: int = number, name: str = subject.name) -> CompareEvent:
            progress = (number + share) / len(subjects)
            return CompareEvent(name, doing, progress, time.perf_counter() - began, tuple(found))

        responses = Responses()
        for at, picture in enumerate(pictures, 1):
            responses.add(subject.features(subject.features.fitted(picture)))
            yield event(f"responses {at}/{len(pictures)}", first * at / len(pictures))
        images = [subject.features.fitted(picture) for picture in pictures[: settings.pictures]]
        curves: Invariance | None = None
        compared = list(dict.fromkeys([subject.first, subject.layers[-1]]))
        for at, curves in enumerate(invariance(subject.features, images, compared, subject.scores), 1):  # noqa: B007
            share = first + (second - first) * (at / (len(images) + 1))
            yield event(f"invariance {min(at, len(images))}/{len(images)}", share)
        assert curves is not None
        seen: list[Seen] = []
        if visual is not None:
            strongest = responses.strongest(subject.layer, settings.channels)
            units = [Unit(index, f"channel {index}") for index in strongest]
            how = VisualizeSettings(size=settings.edge, steps=settings.steps, seed=settings.seed)
            for step in visualize(visual, units, how):
                yield event(f"channels {step.step}/{step.steps}", second + (1 - second) * step.progress)
            seen = step.seen()
        found.append(_compared(subject, images, responses, curves, seen))
        yield event("done", 1.0)


def _compared(
    subject: Subject, images: Sequence[Array], responses: Responses, curves: Invariance, seen: list[Seen]
) -> Compared:
    power, answered = filter_spectrum(subject.filters), response_spectrum(subject.filters, images)
    return Compared(
        name=subject.name,
        layer=subject.layer,
        first=subject.first,
        last=subject.layers[-1],
        stride=subject.stride,
        filter_pixels=subject.filters,
        power=power,
        answered=answered,
        filters=Spectrum.of(power),
        responses=Spectrum.of(answered),
        aliased_filters=aliased_share(power, subject.stride),
        aliased_responses=aliased_share(answered, subject.stride),
        dead={layer: responses.dead(layer) for layer in subject.layers},
        invariance=curves,
        seen=seen,
    )
