"""Feature visualisation from a finished artifact."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pixelgrad.errors import DivergedError, SettingsError
from pixelgrad.runtime.artifact import Artifact
from pixelgrad.runtime.engine import Plan
from pixelgrad.runtime.events import StepEvent
from pixelgrad.runtime.images import Picture, sheet
from pixelgrad.runtime.parameters import Parameters, make_parameters
from pixelgrad.runtime.recipe import make_recipe
from pixelgrad.runtime.scales import scale_sizes, share_steps
from pixelgrad.runtime.tasks.fading import fade
from pixelgrad.runtime.tasks.growing import Growth, grow
from pixelgrad.runtime.tasks.visualize_settings import WEIGHTS, Manner, VisualizeSettings
from pixelgrad.runtime.tiles import check_memory
from pixelgrad.runtime.transforms import Robustness

__all__ = ["Seen", "Unit", "VisualizeEvent", "VisualizeSettings", "contact_sheet", "visualize"]

Array = np.ndarray[Any, Any]

_MOST_COLUMNS = 5
# Edge of a class's picture in pixels: that of the images that classifiers are trained at.
_CLASS_SIZE = 224
_ADVICE = "try a lower --learning-rate"


@dataclass(frozen=True)
class Unit:
    """What is to respond: an index among the channels or classes of the artifact's layer, and what to call it.

    direction: over the channels, for an artifact of directions; ``index`` is then any number for it.
    """

    index: int
    name: str
    direction: Sequence[float] | Array | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Seen:
    """One finished, or growing, picture of a unit. number: which of its pictures, from 1, where there are several."""

    unit: Unit
    number: int
    picture: Picture


@dataclass(frozen=True, kw_only=True)
class VisualizeEvent(StepEvent):
    """seen: makes the pictures so far, unit by unit; ``scale`` is that of the one at work."""

    seen: Callable[[], list[Seen]]


def visualize(
    artifact: Artifact,
    units: Sequence[Unit],
    settings: VisualizeSettings | None = None,
    *,
    max_memory: int | None = None,
) -> Iterator[VisualizeEvent]:
    """Make a picture that each of ``units`` responds to; yields an event after every step.

    artifact: one of kind ``visualize``. It works on as many pictures at once as it was exported for; with a term of
    diversity those are pictures of one unit, else of different ones. A picture is the same in whichever batch.
    max_memory: how many bytes the run may take, about; pictures that take more are refused.

    Raises :class:`SettingsError` and :class:`ImageError` before the first step, :class:`DivergedError` where the loss
    stops being a number.
    """
    settings = settings or VisualizeSettings()
    settings.check()
    if artifact.manifest["objective"]["kind"] != "visualize":
        raise SettingsError(
            f"the artifact is for {artifact.manifest['objective']['kind']}; export one with pixelgrad export visualize"
        )
    ((name, (_, channels)),) = artifact.given.items()
    kind = artifact.manifest["objective"]["settings"]["unit"]
    if not units:
        raise SettingsError(f"name at least one {kind} to visualise")
    directions = np.stack([_direction(artifact, unit, kind, channels) for unit in units])
    sizes, view = _sizes(artifact, settings)
    for width, height in (sizes[-1], *([] if view is None else [(view, view)])):
        artifact.check_size(np.broadcast_to(np.float32(0), (artifact.batch, 3, height, width)))
    seen = None if view is None else view**2
    check_memory(artifact, *sizes[-1], max_memory, lambda pixels: seen or pixels, grown=True)
    settings = replace(settings, view=view, coarsest=max(sizes[0]))
    manner = settings.manner(max(sizes[-1]), view or max(sizes[-1]))
    weights = _term_weights(artifact, settings)
    return _run(artifact, name, units, directions, settings, manner, sizes, weights)


def contact_sheet(seen: Sequence[Seen], recipe: dict[str, Any] | None = None) -> Picture:
    """The pictures with their names; one alone as it is. Several of a unit are a row."""
    if len(seen) == 1:
        return seen[0].picture
    several = max(s.number for s in seen)
    across = several if several > 1 else min(_MOST_COLUMNS, math.ceil(math.sqrt(len(seen))))
    rows = [seen[start : start + across] for start in range(0, len(seen), across)]
    captions = [[s.unit.name if s.number == 1 else None for s in row] for row in rows]
    return sheet([[s.picture for s in row] for row in rows], captions=captions, recipe=recipe)


def _direction(artifact: Artifact, unit: Unit, kind: str, channels: int) -> Array:
    """Over the channels, float32: one alone, but for units that say more."""
    if kind != "direction":
        if not 0 <= unit.index < channels:
            raise SettingsError(f"there is no {kind} {unit.index}: {_layer(artifact)} has {kind} 0 to {channels - 1}")
        return np.eye(1, channels, unit.index, dtype=np.float32).ravel()
    given = np.asarray(unit.direction if unit.direction is not None else (), np.float32)
    if given.shape != (channels,):
        found = "x".join(map(str, given.shape))
        raise SettingsError(
            f"{unit.name} is {found} numbers; it must be {channels}, one for each channel of {_layer(artifact)}"
        )
    if not np.isfinite(given).all() or not given.any():
        raise SettingsError(f"{unit.name} leads nowhere; its numbers must be finite, and not all of them zero")
    return np.asarray(given / np.linalg.norm(given), np.float32)


def _layer(artifact: Artifact) -> str:
    return f"{artifact.manifest['objective']['settings']['layer']!r} of {artifact.manifest['network']['name']}"


def _short_sighted(artifact: Artifact) -> bool:
    """Whether no position of a classifier's last map sees a thing as large as the network was trained to know.

    At half the size such a position sees all of the picture. What it makes of it there is twice as large as anything
    it knows once the picture has grown, and of low frequencies, which do not change much any more.
    """
    sight = artifact.manifest["objective"]["settings"].get("sight")
    return sight is not None and sight < _CLASS_SIZE


def _sizes(artifact: Artifact, settings: VisualizeSettings) -> tuple[list[tuple[int, int]], int | None]:
    """(width, height) of each scale, from coarse to fine, and the edge of the views where that is another."""
    if artifact.fixed_size is not None:
        return [artifact.fixed_size[::-1]], None
    sees_all = "sight" in artifact.manifest["objective"]["settings"]
    view, canvas = (_CLASS_SIZE, 384) if sees_all else (128, 224)
    crops = settings.parameters == "maco"
    size = settings.size or max(canvas if crops else view, artifact.minimum_size)
    coarsest = settings.coarsest or (size if crops or _short_sighted(artifact) else 112)
    sizes = scale_sizes(1, 1, size, coarsest=coarsest, minimum=artifact.minimum_size)[-settings.steps :]
    return sizes, settings.view or (max(view, artifact.minimum_size) if crops else None)


# What somebody who exported nothing can do about it.
_WITH = {
    "rivals": "rivals are of classes: use --class (unit='class')",
    "diversity": "it is between pictures of one unit: use --diversity 2 or more (diversity=2)",
}


def _term_weights(artifact: Artifact, settings: VisualizeSettings) -> dict[str, float]:
    weights: dict[str, float] = {}
    for setting in WEIGHTS:
        wanted, kind = getattr(settings, setting), setting.removesuffix("_weight")
        if wanted is None:
            continue
        term = next((term for term in artifact.terms if term.kind == kind), None)
        if term is not None:
            weights[term.name] = wanted
        elif wanted:
            advice = _WITH.get(kind, "export it with one")
            raise SettingsError(f"the artifact has no {kind} term, so its weight cannot be {wanted}; {advice}")
    return weights


@dataclass(frozen=True)
class _Job:
    """One place in a batch: the picture of a unit; ``None`` where the last batch is not full."""

    unit: Unit | None
    number: int
    direction: Array


def _jobs(artifact: Artifact, units: Sequence[Unit], directions: Array) -> list[list[_Job]]:
    batch = artifact.batch
    if any(term.kind == "diversity" for term in artifact.terms):
        several = range(1, batch + 1)
        return [[_Job(unit, number, row) for number in several] for unit, row in zip(units, directions, strict=True)]
    jobs = [_Job(unit, 1, row) for unit, row in zip(units, directions, strict=True)]
    jobs += [_Job(None, 1, np.zeros_like(directions[0]))] * (-len(jobs) % batch)
    return [jobs[start : start + batch] for start in range(0, len(jobs), batch)]


def _run(
    artifact: Artifact,
    target: str,
    units: Sequence[Unit],
    directions: Array,
    settings: VisualizeSettings,
    manner: Manner,
    sizes: Sequence[tuple[int, int]],
    weights: dict[str, float],
) -> Iterator[VisualizeEvent]:
    batches = _jobs(artifact, units, directions)
    shares = share_steps(settings.steps, len(sizes))
    scales = [(*size, share) for size, share in zip(sizes, shares, strict=True)]
    plan = Plan(scales * len(batches))
    recipe = make_recipe("visualize", artifact, replace(settings, **vars(manner)), sizes[-1], {})
    recipe["units"] = [_facts(unit) for unit in units]
    growth = _growth(settings, manner, artifact.minimum_size)
    done: list[Seen] = []
    for number, jobs in enumerate(batches):
        finish = _Finish(tuple(done), tuple(jobs), recipe)
        direction = np.stack([job.direction for job in jobs])
        noise, before = [_rng(settings.seed, job.number) for job in jobs], number * len(sizes)
        these = range(before + 1, before + 1 + len(sizes))
        views, targets = _rng(settings.seed, 0), {target: direction}
        steps = grow(artifact, plan, these, growth, noise, views, finish, targets, weights, advice=_ADVICE)
        try:
            for event, grown in steps:
                now = _Now(finish, grown.result, grown.importance if manner.fade else None)
                facts = {**vars(event), "scale": event.scale - before, "scales": len(sizes), "picture": now.picture}
                yield VisualizeEvent(**facts, seen=now.seen)
        except DivergedError as error:
            raise DivergedError(str(error), None if error.image is None else error.image[:1]) from error
        done = now.seen()


def _growth(settings: VisualizeSettings, manner: Manner, smallest: int) -> Growth:
    def parameters(height: int, width: int) -> Parameters:
        return make_parameters(
            settings.parameters,
            height,
            width,
            decay=settings.decay,
            cut=settings.cut,
            decorrelate=settings.decorrelate,
            contrast=settings.contrast,
        )

    def robustness(share: float) -> Robustness:
        view = None if settings.view is None else max(smallest, round(settings.view * share))
        return Robustness(round(manner.jitter * share), manner.scale, manner.rotate, manner.noise, view)

    return Growth(parameters, robustness, manner.learning_rate, settings.views)


@dataclass(frozen=True)
class _Finish:
    """Makes the picture of a step: what is done already, and the batch at work."""

    done: tuple[Seen, ...]
    jobs: tuple[_Job, ...]
    recipe: dict[str, Any]

    def seen(self, image: Array, importance: Array | None = None) -> list[Seen]:
        alphas = [None] * len(image) if importance is None else [fade(one) for one in importance]
        now = [
            Seen(job.unit, job.number, Picture.from_nchw(pixels[None], alpha, self._recipe_of(job)))
            for job, pixels, alpha in zip(self.jobs, image, alphas, strict=True)
            if job.unit is not None
        ]
        return [*self.done, *now]

    def _recipe_of(self, job: _Job) -> dict[str, Any]:
        assert job.unit is not None
        unit = {**_facts(job.unit), "number": job.number}
        return {**{key: value for key, value in self.recipe.items() if key != "units"}, "unit": unit}

    def __call__(self, image: Array) -> Picture:
        return contact_sheet(self.seen(image), self.recipe)


def _facts(unit: Unit) -> dict[str, Any]:
    """For the recipe. A direction is too long for one, so it is known by its hash."""
    facts: dict[str, Any] = {"index": unit.index, "name": unit.name}
    if unit.direction is not None:
        facts["direction"] = hashlib.sha256(np.asarray(unit.direction, "<f4").tobytes()).hexdigest()
    return facts


@dataclass(frozen=True)
class _Now:
    """The pictures of one step. importance: of their pixels, where what has none is to fade."""

    finish: _Finish
    image: Array
    importance: Array | None

    def seen(self) -> list[Seen]:
        return self.finish.seen(self.image, self.importance)

    def picture(self) -> Picture:
        return contact_sheet(self.seen(), self.finish.recipe)


def _rng(seed: int, stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([seed, stream]))
