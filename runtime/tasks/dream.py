"""DeepDream from a finished artifact."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from pixelgrad.errors import SettingsError
from pixelgrad.runtime.artifact import Artifact
from pixelgrad.runtime.engine import Finish, Plan, descend
from pixelgrad.runtime.events import StepEvent
from pixelgrad.runtime.images import Picture, fit_size, resize
from pixelgrad.runtime.optimizers import Conditioning, NormalizedGradient
from pixelgrad.runtime.parameters import Fourier
from pixelgrad.runtime.recipe import make_recipe
from pixelgrad.runtime.scales import at_size, octave_sizes, reference_size, share_steps
from pixelgrad.runtime.settings import LARGEST, SMALLEST, check_content, check_edge, check_number, check_whole
from pixelgrad.runtime.tasks.growing import Growth, grow
from pixelgrad.runtime.tiles import check_memory
from pixelgrad.runtime.transforms import Robustness
from pixelgrad.runtime.windows import Windows

__all__ = ["PRESETS", "DreamSettings", "dream"]

Array = np.ndarray[Any, Any]
#: What is not set is this.
PRESETS: dict[str, dict[str, Any]] = {
    # Mordvintsev's notebook.
    "picture": {
        "steps": 10,
        "octaves": 4,
        "strength": 1.5,
        "smoothing": 1,
        "blur": 0.0,
        "fade": 1.0,
        "natural_color": 0.0,
        "momentum": 0.0,
    },
    # Nothing in noise holds a dream together: it grows by the spectrum of natural pictures instead, as visualisations
    # do, and what shapes a step along the pixels' own gradient has no place.
    "noise": {"strength": 4.0},
}
_OF_PICTURES = ("smoothing", "blur", "fade", "natural_color", "momentum")
# Gradients for a dream of noise: its first octave, which decides what goes where, takes twice as many as another.
_NOISE_STEPS = 256
# How much stronger than in photographs an octave of waves may become.
_CONTRAST = 1.25
# Adam's learning rate on the spectrum for a strength of 1; how views of noise differ from it, but for the shift.
_RATE, _VIEW_SCALE, _VIEW_ROTATE = 0.025, (0.95, 1.25), 5.0
# The long edge of a dream of a picture where none is named, at most; of a dream of noise; of the latter's first octave:
# what classifiers are trained at, so that things have a size which they know.
_LARGEST, _NOISE, _FIRST = 1024, 320, 224
# The long edge, at most, of the picture that energies are relative to, and of the guide.
_REFERENCE, _GUIDE = 512, 256
_ADVICE = "try a lower --strength"
_NOTHING = (
    "nothing in the picture excites what is to be made stronger, so there is no gradient to follow; start from another "
    "picture, or choose another channel, or the layer before its ReLU"
)


_MOST_OCTAVES = 64
_MOST_BLUR = 100


@dataclass(frozen=True)
class DreamSettings:
    """How to dream. ``None`` takes what suits the start, a picture or noise (:data:`PRESETS`).

    size: the long edge of the result in pixels; a picture's own, but at most 1024, by default, and 320 from noise.
    steps: gradient evaluations at each octave; from noise 256 are shared among the octaves, by default.
    octaves: how many sizes. octave_scale: how much larger each is than the one before. From noise there are as many
        as bring the first down to about 224 pixels, by default.
    strength: how far a step moves the average pixel, in 255ths of its range; from noise, forty times Adam's learning
        rate on the picture's spectrum.
    smoothing: into how many bands the gradient is split, to even out coarse and fine structure; 1 leaves it as it is.
    blur: the standard deviation in pixels of a blur after each step.
    fade: the share of ``strength`` and ``blur`` that is left at the last step; they fall evenly until then.
    natural_color: how far, from 0 to 1, the colours of what is added follow those of natural pictures.
    momentum: the share of the step before, from 0 to 1, that goes on in a step.
    jitter: the largest random shift of the picture before each step, in pixels.
    tile: a picture larger than this along an edge is looked at in windows of at most this many pixels.
    seed: of the shifts, and of the noise.

    Noise is grown by its spectrum, as :func:`visualize` does it; smoothing, blur, fade, natural_color and momentum are
    of dreams of a picture only.
    """

    size: int | None = None
    steps: int | None = None
    octaves: int | None = None
    octave_scale: float = 1.4
    strength: float | None = None
    smoothing: int | None = None
    blur: float | None = None
    fade: float | None = None
    natural_color: float | None = None
    momentum: float | None = None
    jitter: int = 32
    tile: int = 512
    seed: int = 0

    def check(self) -> None:
        """Raise :class:`SettingsError` for a value that cannot be."""
        check_edge(self, "size", optional=True)
        check_whole(self, 1, "steps", optional=True)
        check_whole(self, 1, "octaves", "smoothing", most=_MOST_OCTAVES, optional=True)
        check_whole(self, 0, "seed")
        check_whole(self, 0, "jitter", most=LARGEST)
        check_whole(self, 64, "tile")
        check_number(self, "strength", positive=True, optional=True)
        check_number(self, "fade", "natural_color", "momentum", most=1, optional=True)
        check_number(self, "blur", most=_MOST_BLUR, unit="pixels", optional=True)
        check_number(self, "octave_scale", least=1.05, most=4)

    def filled(self, picture: Picture | None) -> DreamSettings:
        """With a value for all that was ``None``, but for what noise has no use for."""
        preset = dict(PRESETS["noise" if picture is None else "picture"])
        preset["size"] = _NOISE if picture is None else min(_LARGEST, max(picture.size))
        if picture is None:
            size = self.size or _NOISE
            preset["octaves"] = 1 + max(0, round(math.log(size / _FIRST) / math.log(self.octave_scale)))
        missing = {name: value for name, value in preset.items() if getattr(self, name) is None}
        return replace(self, **missing)


def dream(
    artifact: Artifact,
    picture: Picture | None,
    settings: DreamSettings | None = None,
    *,
    channels: Sequence[int] | None = None,
    guide: Picture | None = None,
    max_memory: int | None = None,
) -> Iterator[StepEvent]:
    """Make stronger in ``picture`` what the artifact's objective looks for, from coarse to fine; yields an event
    after every step.

    artifact: one of kind ``dream``. picture: ``None`` for noise.
    channels: of the artifact's layer, or the class, where it is made for channels or a class.
    guide: where it is made for a guide.
    max_memory: how many bytes the run may take, about; a result that takes more is refused.

    At every octave the picture is taken at that size, and what was dreamed so far is laid over it: so the detail of
    the picture is never lost (Mordvintsev, Olah & Tyka 2015). The last event's picture is the result.

    Raises :class:`SettingsError` and :class:`ImageError` before the first step, and :class:`DivergedError`, with the
    last good image, where the loss stops being a number.
    """
    settings = settings or DreamSettings()
    settings.check()
    if picture is None:
        given = [name for name in _OF_PICTURES if getattr(settings, name) is not None]
        if given:
            raise SettingsError(f"only a dream of a picture has {' and '.join(given)}; leave that out for one of noise")
    settings = settings.filled(picture)
    directions = check_dream(artifact, picture, channels, guide)
    sizes = dream_sizes(artifact, dream_size(picture, settings), settings)
    window = math.prod(artifact.fixed_size or (settings.tile, settings.tile))
    check_memory(artifact, *sizes[-1], max_memory, lambda pixels: min(pixels, window), grown=picture is None)
    return _run(artifact, picture, guide, settings, sizes, directions)


def check_dream(
    artifact: Artifact, picture: Picture | None, channels: Sequence[int] | None, guide: Picture | None
) -> dict[str, Array]:
    """The target of the term whose direction is the caller's, if there is one.

    Raises :class:`SettingsError` and :class:`ImageError` for what does not go together.
    """
    kind = artifact.manifest["objective"]["kind"]
    if kind != "dream":
        raise SettingsError(f"the artifact is made for {kind}, not for dreams; pixelgrad export dream makes one")
    if picture is not None:
        check_content("photo", picture)
    if guide is not None:
        check_content("guide", guide)
        artifact.check_reference("guide", guide.size)
    directions = _directions(artifact, channels)
    needs_guide = any(term.kind == "guide" for term in artifact.terms)
    if needs_guide != (guide is not None):
        raise SettingsError(
            "this artifact dreams towards a guide; give a picture as the guide"
            if needs_guide
            else "this artifact was not made for a guide; export one that is, or leave the guide out"
        )
    return directions


def dream_sizes(artifact: Artifact, size: tuple[int, int], settings: DreamSettings) -> list[tuple[int, int]]:
    """(width, height) of each octave, the last of them ``size``. settings: filled."""
    if artifact.fixed_size is None:
        artifact.check_size(np.broadcast_to(np.float32(0), (1, 3, *size[::-1])))
    minimum = max(SMALLEST, artifact.minimum_size)
    return octave_sizes(*size, settings.octaves or 1, settings.octave_scale, minimum=minimum)


def dream_size(picture: Picture | None, settings: DreamSettings) -> tuple[int, int]:
    """(width, height) of the result; noise is square. settings: filled."""
    size = settings.size or _NOISE
    return (size, size) if picture is None else fit_size(*picture.size, size)


def _directions(artifact: Artifact, channels: Sequence[int] | None) -> dict[str, Array]:
    """The target of the term whose direction is ours to give."""
    if not artifact.given:
        if channels:
            raise SettingsError("this artifact was not made for single channels; export one that is")
        return {}
    ((name, shape),) = artifact.given.items()
    if not channels:
        raise SettingsError(f"this artifact dreams of chosen channels; name some from 0 to {shape[1] - 1}")
    direction = np.zeros(shape, np.float32)
    for channel in channels:
        if not 0 <= channel < shape[1]:
            layer = next(term.layer for term in artifact.terms if term.target == name)
            raise SettingsError(f"there is no channel {channel} in {layer!r}: it has channels 0 to {shape[1] - 1}")
        direction[0, channel] = 1 / len(channels)
    return {name: direction}


def chosen_channels(directions: Mapping[str, Array]) -> list[int]:
    """The channels, for the recipe."""
    return [channel for target in directions.values() for channel in np.flatnonzero(target).tolist()]


def _run(
    artifact: Artifact,
    picture: Picture | None,
    guide: Picture | None,
    settings: DreamSettings,
    sizes: Sequence[tuple[int, int]],
    directions: dict[str, Array],
) -> Iterator[StepEvent]:
    pictures = {"picture": picture, "guide": guide}
    recipe = make_recipe("dream", artifact, settings, sizes[-1], pictures)
    recipe["channels"] = chosen_channels(directions)
    finish = Finish(recipe, picture.alpha if picture else None)
    rng = np.random.Generator(np.random.PCG64(settings.seed))
    source = start(picture, sizes[-1], rng)
    targets = {**directions, **references(artifact, source, sizes[0], guide)}
    each = [settings.steps] * len(sizes) if settings.steps else share_steps(_NOISE_STEPS, len(sizes))
    plan = Plan([(*size, steps) for size, steps in zip(sizes, each, strict=True)])
    if picture is None:
        yield from _from_noise(artifact, settings, plan, finish, targets, rng)
    else:
        yield from octaves(artifact, source, settings, plan, finish, targets, rng)


def _from_noise(
    artifact: Artifact,
    settings: DreamSettings,
    plan: Plan,
    finish: Finish,
    targets: Mapping[str, Array],
    rng: np.random.Generator,
) -> Iterator[StepEvent]:
    """Grow a dream out of nothing. settings: filled."""

    def robustness(share: float) -> Robustness:
        return Robustness(round(settings.jitter * share), _VIEW_SCALE, _VIEW_ROTATE, torus=True)

    growth = Growth(partial(Fourier, contrast=_CONTRAST), robustness, (settings.strength or 0.0) * _RATE)
    # The views are shifted already.
    eyes = Windows(artifact, rng, jitter=0, tile=settings.tile)
    scales, woken = range(1, len(plan.scales) + 1), False
    for event, grown in grow(eyes, plan, scales, growth, [rng], rng, finish, targets, advice=_ADVICE):
        woken = woken or bool(grown.importance.any())
        if not woken and event.step == plan.scales[0][2]:
            raise SettingsError(_NOTHING)
        yield event


def octaves(
    artifact: Artifact,
    source: Array,
    settings: DreamSettings,
    plan: Plan,
    finish: Finish,
    targets: Mapping[str, Array],
    rng: np.random.Generator,
) -> Iterator[StepEvent]:
    """Dream of ``source`` [1, 3, H, W] at every scale of ``plan``. settings: filled."""
    eyes = Windows(artifact, rng, jitter=settings.jitter, tile=settings.tile)
    detail: Array | None = None
    for octave, (width, height, _) in enumerate(plan.scales, 1):
        base = _at(source, (width, height))
        image = base if detail is None else np.clip(base + resize(detail, (width, height), "bicubic"), 0.0, 1.0)
        optimizer = NormalizedGradient(image, 0.0)
        _pace(optimizer, settings, plan)
        for event in descend(eyes, optimizer, plan, octave, finish, targets, advice=_ADVICE):
            if event.step == 1 and not optimizer.followed:
                raise SettingsError(_NOTHING)
            _pace(optimizer, settings, plan)
            yield event
        detail = optimizer.result - base


def _pace(optimizer: NormalizedGradient, settings: DreamSettings, plan: Plan) -> None:
    """Set the size of the next step."""
    done = plan.step / max(1, plan.steps - 1)
    left = 1 + done * ((settings.fade or 0.0) - 1)
    optimizer.rate = (settings.strength or 0.0) / 255 * left
    optimizer.conditioning = Conditioning(
        settings.smoothing or 1,
        settings.natural_color or 0.0,
        settings.momentum or 0.0,
        (settings.blur or 0.0) * left,
    )


def _at(source: Array, size: tuple[int, int]) -> Array:
    return source if size == source.shape[:1:-1] else resize(source, size, clip=True)


def references(artifact: Artifact, source: Array, coarsest: tuple[int, int], guide: Picture | None) -> dict[str, Array]:
    """What the terms compare the picture with: itself as it was, at the first octave or smaller, or the guide."""
    small = fit_size(*coarsest, min(_REFERENCE, max(coarsest)))
    base = _at(source, small if min(small) >= artifact.minimum_size else coarsest)
    if artifact.fixed_size is not None:
        height, width = artifact.fixed_size
        reference = resize(base, (width, height), clip=True) if guide is None else at_size(guide, width, height)
        return artifact.targets(reference)
    if guide is None:
        return artifact.targets(base)
    return artifact.targets(at_size(guide, *reference_size(*guide.size, _GUIDE, minimum=artifact.minimum_size)))


def start(picture: Picture | None, size: tuple[int, int], rng: np.random.Generator) -> Array:
    """The picture as it is, or grey of ``size`` with a little noise: float32 [1, 3, H, W]."""
    if picture is not None:
        return picture.flattened().to_nchw()
    width, height = size
    noise: Array = rng.standard_normal((1, 3, height, width), dtype=np.float32)
    grey: Array = np.clip(0.5 + 0.04 * noise, 0.0, 1.0)
    return grey
