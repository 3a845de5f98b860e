"""Texture synthesis from finished artifacts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from pixelgrad.errors import SettingsError
from pixelgrad.runtime.artifact import Artifact
from pixelgrad.runtime.canvas import Canvas
from pixelgrad.runtime.engine import ADVICE, Finish, Plan, descend
from pixelgrad.runtime.events import StepEvent
from pixelgrad.runtime.images import Picture, fit_size, match_histogram, resize
from pixelgrad.runtime.optimizers import Optimizer, check_optimizer, make_optimizer
from pixelgrad.runtime.recipe import make_recipe
from pixelgrad.runtime.scales import COARSEST, scale_sizes, share_steps
from pixelgrad.runtime.settings import (
    LARGEST,
    SMALLEST,
    check_content,
    check_edge,
    check_flag,
    check_number,
    check_whole,
)
from pixelgrad.runtime.strips import strip
from pixelgrad.runtime.tiles import Budget, allot
from pixelgrad.runtime.wrapping import Wrapped, border

__all__ = ["TextureSettings", "texture", "texture_row"]

Array = np.ndarray[Any, Any]
# The source is not looked at below this size: too little of a texture is left in it.
_LEAST_SOURCE = 48


@dataclass(frozen=True)
class TextureSettings:
    """How to synthesise a texture.

    size: (width, height) of the result in pixels; that of the source, as it is used, by default.
    source_size: the long edge that the source is used at; its own, but at most 512, by default. It is not enlarged.
    steps: gradient evaluations in all, shared among the scales.
    seed: of the noise that it starts from: pixels drawn from the source at random.
    tileable: whether the result goes on at its left edge where it ends at its right, and the same up and down.
    match_histogram: whether each channel of the result gets the histogram that it has in the source.
    optimizer: ``lbfgs``, as in the paper, or ``adam``. learning_rate: of Adam, in pixel values of [0, 1].
    coarsest: the long edge of the first scale; ``size`` or more does it all in one, as in the paper.
    max_memory: how many bytes the run may take, about; what does not fit at once is looked at in tiles, for an artifact
        that was exported with them. ``None`` sets no bound.
    """

    size: tuple[int, int] | None = None
    source_size: int | None = None
    steps: int = 400
    seed: int = 0
    tileable: bool = False
    match_histogram: bool = False
    optimizer: str = "lbfgs"
    learning_rate: float = 0.02
    coarsest: int = COARSEST
    max_memory: int | None = None

    def check(self) -> None:
        """Raise :class:`SettingsError` for a value that cannot be."""
        edges = self.size if isinstance(self.size, list | tuple) else ()
        if self.size is not None and not (
            len(edges) == 2 and all(isinstance(edge, int) and SMALLEST <= edge <= LARGEST for edge in edges)
        ):
            raise SettingsError(
                f"size is {self.size!r}; it must be (width, height) in pixels, from {SMALLEST} to {LARGEST} each"
            )
        check_edge(self, "source_size", optional=True)
        check_whole(self, 1, "steps", "coarsest")
        check_whole(self, 0, "seed")
        check_whole(self, 1, "max_memory", optional=True)
        check_number(self, "learning_rate", positive=True)
        check_flag(self, "tileable", "match_histogram")
        check_optimizer(self)


_LARGEST = 512


def texture(artifact: Artifact, source: Picture, settings: TextureSettings | None = None) -> Iterator[StepEvent]:
    """Make a texture like ``source`` from noise, from coarse to fine; yields an event after every step.

    artifact: one of kind ``texture``. The last event's picture is the result, of ``settings.size``, with a recipe.

    Raises :class:`SettingsError` and :class:`ImageError` before the first step, and :class:`DivergedError`, with the
    last good image, where the loss stops being a number.
    """
    run = _Run.make(artifact, source, settings or TextureSettings())
    return run.events(Plan(run.scales), 0)


def texture_row(
    artifacts: Mapping[str, Artifact], source: Picture, settings: TextureSettings | None = None
) -> Iterator[StepEvent]:
    """One texture for each of ``artifacts``, beside the source at their height: what more and more layers add.

    artifacts: by caption, each of kind ``texture``. Every event's picture is the sheet so far. Raises as
    :func:`texture` does.
    """
    if not artifacts:
        raise SettingsError("a row of textures needs at least one artifact")
    settings = settings or TextureSettings()
    runs = {caption: _Run.make(artifact, source, settings) for caption, artifact in artifacts.items()}
    first = next(iter(runs.values()))
    shown = first.source_at(first.scales[-1])
    width, height = shown.size
    tall = first.scales[-1][1]
    return strip(runs, ("source", shown.resized(max(1, round(width * tall / height)), tall)))


@dataclass(frozen=True)
class _Run:
    """One texture, checked and ready: its result's (width, height), and its scales as (width, height, steps)."""

    artifact: Artifact
    source: Picture
    settings: TextureSettings
    full: tuple[int, int]
    result: tuple[int, int]
    scales: tuple[tuple[int, int, int], ...]
    recipe: dict[str, Any]
    budget: Budget

    @classmethod
    def make(cls, artifact: Artifact, source: Picture, settings: TextureSettings) -> _Run:
        settings.check()
        check_content("texture", source)
        source = source.flattened()
        full = fit_size(*source.size, min(max(source.size), settings.source_size or _LARGEST))
        sizes = _sizes(artifact, full, settings)
        if artifact.fixed_size is not None:
            full = sizes[-1]
        for what, size in (("texture", full), ("result", sizes[-1])):
            artifact.check_reference(what, size)
        shares = share_steps(settings.steps, len(sizes))
        around = border(artifact) if settings.tileable else 0
        budget = allot(artifact, *sizes[-1], settings.optimizer, settings.max_memory, border=around)
        if not budget.tiled:  # then it had no part in the picture
            settings = replace(settings, max_memory=None)
        recipe = make_recipe("texture", artifact, settings, sizes[-1], {"source": source})
        result = sizes[-1]
        if settings.tileable:  # else layers would look at other places on either side of a seam
            sizes = [Canvas.of(artifact).nearest(*size) for size in sizes]
        scales = tuple((*size, share) for size, share in zip(sizes, shares, strict=True))
        return cls(artifact, source, settings, full, result, scales, recipe, budget)

    def source_at(self, scale: tuple[int, int, int]) -> Picture:
        """The source, as much smaller as the result is at that scale."""
        factor = scale[0] / self.scales[-1][0]
        size = tuple(max(1, round(edge * factor)) for edge in self.full)
        return self.source if self.source.size == size else self.source.resized(*size)

    def events(self, plan: Plan, before: int) -> Iterator[StepEvent]:
        """before: how many scales of the plan are another run's."""
        settings, artifact = self.settings, self.artifact
        finish = Finish(self.recipe)
        if settings.match_histogram:
            colours = self.source_at(self.scales[-1]).pixels
            finish = replace(finish, colour=lambda pixels: match_histogram(pixels, colours))
        view = self.budget.view(artifact)
        evaluator = Wrapped(artifact, view) if settings.tileable else view
        canvas = _canvas(artifact, settings)
        optimizer: Optimizer | None = None
        size = (0, 0)
        for number, scale in enumerate(self.scales, 1):
            last, size = size, scale[:2]
            reference = self.source_at(scale)
            if optimizer is None:
                start = _noise(reference, *canvas.size(*size), settings.seed)
                rate, pairs = settings.learning_rate, self.budget.pairs
                optimizer = make_optimizer(settings.optimizer, start, artifact, rate, pairs)
            else:
                grown = canvas.growing(last, size, wraps=settings.tileable)
                optimizer = optimizer.resized(*canvas.size(*size), grown)
            targets = view.targets(Canvas.of(artifact).trimmed(reference.to_nchw()))
            done: Callable[[Array], Picture] = finish
            if number == len(self.scales) and size != self.result:
                done = partial(_resampled, finish, self.result)
            advice = ADVICE[settings.optimizer]
            yield from descend(evaluator, optimizer, plan, before + number, done, targets, advice=advice)


def _resampled(finish: Callable[[Array], Picture], size: tuple[int, int], image: Array) -> Picture:
    return finish(resize(image, size, clip=True, wraps=True))


def _canvas(artifact: Artifact, settings: TextureSettings) -> Canvas:
    """Of a picture to be laid in tiles there is nothing beyond its edges but itself."""
    return Canvas(1) if settings.tileable else Canvas.of(artifact)


def _sizes(artifact: Artifact, source: tuple[int, int], settings: TextureSettings) -> list[tuple[int, int]]:
    """(width, height) of each scale; none at which too little would be left of the source."""
    if artifact.fixed_size is not None:
        fixed = artifact.fixed_size[::-1]
        if settings.size not in (None, fixed):
            raise SettingsError(f"size is {settings.size}; the layers in use take {fixed[0]}x{fixed[1]} only")
        return [fixed]
    width, height = settings.size or source
    minimum = artifact.minimum_size
    sizes = scale_sizes(width, height, max(width, height), coarsest=settings.coarsest, minimum=minimum)
    least = max(minimum, _LEAST_SOURCE)
    kept = [size for size in sizes[:-1] if min(source) * size[0] / width >= least]
    return [*kept, sizes[-1]][-settings.steps :]


def _noise(source: Picture, width: int, height: int, seed: int) -> Array:
    """[1, 3, H, W] of pixels drawn from ``source`` at random: noise in its colours."""
    pixels = source.pixels.reshape(-1, 3)
    rng = np.random.Generator(np.random.PCG64(seed))
    drawn = pixels[rng.integers(0, len(pixels), (height, width))]
    return np.array(drawn.transpose(2, 0, 1)[None], order="C")
