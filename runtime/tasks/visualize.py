"""Feature visualisation from a finished artifact."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pixelgrad.errors import DivergedError, SettingsError
from pixelgrad.runtime.artifact import Artifact
from pixelgrad.runtime.engine import Plan, descend
from pixelgrad.runtime.events import StepEvent
from pixelgrad.runtime.images import Picture, sheet
from pixelgrad.runtime.optimizers.reparameterized import Reparameterized
from pixelgrad.runtime.parameters import PARAMETERS, make_parameters
from pixelgrad.runtime.recipe import make_recipe
from pixelgrad.runtime.scales import scale_sizes, share_steps
from pixelgrad.runtime.settings import SMALLEST, check_choice, check_number, check_whole
from pixelgrad.runtime.transforms import Robustness

__all__ = ["Seen", "Unit", "VisualizeEvent", "VisualizeSettings", "contact_sheet", "visualize"]

Array = np.ndarray[Any, Any]

# The share of the steps, at the end, over which the learning rate goes to zero: what jitters there settles.
_SETTLING = 0.5
_MOST_COLUMNS = 5
_ADVICE = "try a lower --learning-rate"


@dataclass(frozen=True)
class Unit:
    """What is to respond: an index among the channels or classes of the artifact's layer, and what to call it."""

    index: int
    name: str


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


@dataclass(frozen=True)
class VisualizeSettings:
    """How to visualise.

    size: edge of the pictures, in pixels; ``None`` takes 224, or 128 for channels and neurons.
    coarsest: edge of the first scale; ``size`` or more does it all in one. Where the network takes one size only, that
        is all there is.
    steps: gradient evaluations for each picture, shared among the scales.
    seed: of the noise that it starts from, and of the views.
    parameters: ``fourier``, ``maco`` (phase alone, under a natural magnitude) or ``pixels``.
    decay: of the spectrum, 1 / f^decay: more is smoother. cut: cycles per pixel above which it falls off steeply, 0 for
        never. decorrelate: colours along the axes in which nature's vary, rather than R, G and B.
    learning_rate: of Adam, on the parameters. views: gradients, each at a view of its own, that are averaged for a step
        of Adam.
    jitter: pixels, scale: least and most magnification, rotate: degrees, up to which a view differs from the picture.
    noise: standard deviation of what is added to each of its pixels, of [0, 1].
    rivals_weight, tv_weight, norm_weight, diversity_weight: of the artifact's terms; ``None`` leaves its own.
    """

    size: int | None = None
    coarsest: int = 112
    steps: int = 256
    seed: int = 0
    parameters: str = "fourier"
    decay: float = 1.0
    cut: float = 0.25
    decorrelate: bool = True
    learning_rate: float = 0.1
    views: int = 1
    jitter: int = 16
    scale: tuple[float, float] = (0.95, 1.25)
    rotate: float = 5.0
    noise: float = 0.0
    rivals_weight: float | None = None
    tv_weight: float | None = None
    norm_weight: float | None = None
    diversity_weight: float | None = None

    def check(self) -> None:
        """Raise :class:`SettingsError` for a value that cannot be."""
        check_whole(self, 1, "steps", "views", "coarsest")
        check_whole(self, 0, "seed", "jitter")
        if self.size is not None:
            check_whole(self, SMALLEST, "size")
        check_choice("parameters", self.parameters, PARAMETERS)
        check_number(self, "decay", "cut", "rotate", "noise")
        check_number(self, "learning_rate", positive=True)
        check_number(self, *_WEIGHTS, optional=True)
        low, high = self.scale
        if not 0.1 <= low <= high <= 10:
            raise SettingsError(
                f"scale is {low} to {high}; it must be the least and the most magnification, from 0.1 to 10"
            )
        if self.views > self.steps:
            raise SettingsError(f"views is {self.views} and there are {self.steps} steps; a step takes that many views")


_WEIGHTS = ("rivals_weight", "tv_weight", "norm_weight", "diversity_weight")


def visualize(
    artifact: Artifact, units: Sequence[Unit], settings: VisualizeSettings | None = None
) -> Iterator[VisualizeEvent]:
    """Make a picture that each of ``units`` responds to; yields an event after every step.

    artifact: one of kind ``visualize``. It works on as many pictures at once as it was exported for; with a term of
    diversity those are pictures of one unit, else of different ones. A picture is the same in whichever batch.

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
    for unit in units:
        if not 0 <= unit.index < channels:
            raise SettingsError(f"there is no {kind} {unit.index}: {_layer(artifact)} has {kind} 0 to {channels - 1}")
    sizes = _sizes(artifact, settings)
    artifact.check_size(np.broadcast_to(np.float32(0), (artifact.batch, 3, *sizes[-1][::-1])))
    return _run(artifact, name, channels, units, settings, sizes, _term_weights(artifact, settings))


def contact_sheet(seen: Sequence[Seen], recipe: dict[str, Any] | None = None) -> Picture:
    """The pictures with their names; one alone as it is. Several of a unit are a row."""
    if len(seen) == 1:
        return seen[0].picture
    several = max(s.number for s in seen)
    across = several if several > 1 else min(_MOST_COLUMNS, math.ceil(math.sqrt(len(seen))))
    rows = [seen[start : start + across] for start in range(0, len(seen), across)]
    captions = [[s.unit.name if s.number == 1 else None for s in row] for row in rows]
    return sheet([[s.picture for s in row] for row in rows], captions=captions, recipe=recipe)


def _layer(artifact: Artifact) -> str:
    return f"{artifact.manifest['objective']['settings']['layer']!r} of {artifact.manifest['network']['name']}"


def _sizes(artifact: Artifact, settings: VisualizeSettings) -> list[tuple[int, int]]:
    """(width, height) of each scale, from coarse to fine."""
    if artifact.fixed_size is not None:
        return [artifact.fixed_size[::-1]]
    default = 224 if artifact.manifest["objective"]["settings"]["unit"] == "class" else 128
    size = settings.size or max(default, artifact.minimum_size)
    return scale_sizes(1, 1, size, coarsest=settings.coarsest, minimum=artifact.minimum_size)[-settings.steps :]


def _term_weights(artifact: Artifact, settings: VisualizeSettings) -> dict[str, float]:
    weights: dict[str, float] = {}
    for setting in _WEIGHTS:
        wanted, kind = getattr(settings, setting), setting.removesuffix("_weight")
        if wanted is None:
            continue
        term = next((term for term in artifact.terms if term.kind == kind), None)
        if term is not None:
            weights[term.name] = wanted
        elif wanted:
            raise SettingsError(
                f"the artifact has no {kind} term, so its weight cannot be {wanted}; export it with one"
            )
    return weights


@dataclass(frozen=True)
class _Job:
    """One place in a batch: the picture of a unit; ``None`` where the last batch is not full."""

    unit: Unit | None
    number: int


def _jobs(artifact: Artifact, units: Sequence[Unit]) -> list[list[_Job]]:
    batch = artifact.batch
    if any(term.kind == "diversity" for term in artifact.terms):
        return [[_Job(unit, number) for number in range(1, batch + 1)] for unit in units]
    jobs = [_Job(unit, 1) for unit in units]
    jobs += [_Job(None, 1)] * (-len(jobs) % batch)
    return [jobs[start : start + batch] for start in range(0, len(jobs), batch)]


def _run(
    artifact: Artifact,
    target: str,
    channels: int,
    units: Sequence[Unit],
    settings: VisualizeSettings,
    sizes: Sequence[tuple[int, int]],
    weights: dict[str, float],
) -> Iterator[VisualizeEvent]:
    rates = _rates(settings)
    batches = _jobs(artifact, units)
    shares = share_steps(settings.steps, len(sizes))
    scales = [(*size, share) for size, share in zip(sizes, shares, strict=True)]
    plan = Plan(scales * len(batches))
    recipe = make_recipe("visualize", artifact, settings, sizes[-1], {})
    recipe["units"] = [{"index": unit.index, "name": unit.name} for unit in units]
    done: list[Seen] = []
    for number, jobs in enumerate(batches):
        finish = _Finish(tuple(done), tuple(jobs), recipe)
        direction = np.zeros((len(jobs), channels), np.float32)
        for row, job in enumerate(jobs):
            if job.unit is not None:
                direction[row, job.unit.index] = 1
        noise, optimizer = [_rng(settings.seed, job.number) for job in jobs], None
        for scale, (width, height) in enumerate(sizes, 1):
            parameters = make_parameters(
                settings.parameters,
                height,
                width,
                decay=settings.decay,
                cut=settings.cut,
                decorrelate=settings.decorrelate,
            )
            start = np.concatenate([parameters.start(1, rng) for rng in noise])
            if optimizer is None:
                optimizer = Reparameterized(parameters, start, _rng(settings.seed, 0), rates, settings.views)
            else:
                optimizer.grow(parameters, start)
            optimizer.look(_robustness(settings, width / sizes[-1][0]))
            at = number * len(sizes) + scale
            steps = descend(artifact, optimizer, plan, at, finish, {target: direction}, weights, advice=_ADVICE)
            try:
                for event in steps:
                    image = optimizer.result
                    facts = {**vars(event), "scale": scale, "scales": len(sizes)}
                    yield VisualizeEvent(**facts, seen=lambda image=image, finish=finish: finish.seen(image))  # type: ignore[misc]
            except DivergedError as error:
                raise DivergedError(str(error), None if error.image is None else error.image[:1]) from error
        assert optimizer is not None
        done = finish.seen(optimizer.result)


def _robustness(settings: VisualizeSettings, share: float) -> Robustness:
    """For a picture that is ``share`` of its final size."""
    return Robustness(round(settings.jitter * share), settings.scale, settings.rotate, settings.noise)


@dataclass(frozen=True)
class _Finish:
    """Makes the picture of a step: what is done already, and the batch at work."""

    done: tuple[Seen, ...]
    jobs: tuple[_Job, ...]
    recipe: dict[str, Any]

    def seen(self, image: Array) -> list[Seen]:
        now = [
            Seen(job.unit, job.number, Picture.from_nchw(pixels[None], None, self._recipe_of(job)))
            for job, pixels in zip(self.jobs, image, strict=True)
            if job.unit is not None
        ]
        return [*self.done, *now]

    def _recipe_of(self, job: _Job) -> dict[str, Any]:
        assert job.unit is not None
        unit = {"index": job.unit.index, "name": job.unit.name, "number": job.number}
        return {**{key: value for key, value in self.recipe.items() if key != "units"}, "unit": unit}

    def __call__(self, image: Array) -> Picture:
        return contact_sheet(self.seen(image), self.recipe)


def _rng(seed: int, stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([seed, stream]))


def _rates(settings: VisualizeSettings) -> list[float]:
    """Constant, then down to zero along half a cosine."""
    moves = max(1, settings.steps // settings.views)
    begins = moves * (1 - _SETTLING)
    ahead = [max(0.0, (move + 0.5 - begins) / (moves - begins)) for move in range(moves)]
    return [settings.learning_rate * 0.5 * (1 + math.cos(math.pi * share)) for share in ahead]
