"""Reconstructing a picture from what a layer of a network knows of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pixelgrad.errors import SettingsError
from pixelgrad.runtime.artifact import Artifact
from pixelgrad.runtime.engine import Evaluator, Finish, Plan, descend
from pixelgrad.runtime.enlarging import Enlarged
from pixelgrad.runtime.events import StepEvent
from pixelgrad.runtime.images import Picture, fit_size, resize
from pixelgrad.runtime.optimizers import OPTIMIZERS, Optimizer, make_optimizer
from pixelgrad.runtime.recipe import make_recipe
from pixelgrad.runtime.settings import SMALLEST, check_choice, check_content, check_number, check_whole
from pixelgrad.runtime.strips import strip
from pixelgrad.runtime.windows import Windows

__all__ = ["InversionSettings", "invert", "invert_depth"]

Array = np.ndarray[Any, Any]
# The start: the mean of natural images, with a little noise so that not every unit is silent.
_MEAN, _NOISE = (0.485, 0.456, 0.406), 0.05
# Broad areas of colour first, then detail: by how much the picture is smaller than what the network sees of it.
_STAGES = (16, 8, 4, 2, 1)
_LEAST_STEPS = 15


@dataclass(frozen=True)
class InversionSettings:
    """How to reconstruct a picture.

    size: the long edge of the picture, in pixels; a network that takes one size only gets that size.
    steps: gradient evaluations in all. seed: of the noise that it starts from, and of the jitter.
    jitter: the picture is shifted at random by up to so many pixels before each step. Needs ``adam``, whose steps
        may differ.
    optimizer: ``lbfgs`` or ``adam``. learning_rate: of Adam, in pixel values of [0, 1].
    alpha_weight, tv_weight: of the terms, beside the 1 of the features; ``None`` leaves the artifact's own.
    """

    size: int = 224
    steps: int = 300
    seed: int = 0
    jitter: int = 0
    optimizer: str = "lbfgs"
    learning_rate: float = 0.02
    alpha_weight: float | None = None
    tv_weight: float | None = None

    def check(self) -> None:
        """Raise :class:`SettingsError` for a value that cannot be."""
        check_whole(self, SMALLEST, "size")
        check_whole(self, 1, "steps")
        check_whole(self, 0, "seed", "jitter")
        check_number(self, "alpha_weight", "tv_weight", optional=True)
        check_number(self, "learning_rate", positive=True)
        check_choice("optimizer", self.optimizer, OPTIMIZERS)
        if self.jitter and self.optimizer != "adam":
            raise SettingsError(f"jitter is {self.jitter} and the optimizer is {self.optimizer}; jitter needs adam")


def invert(artifact: Artifact, picture: Picture, settings: InversionSettings | None = None) -> Iterator[StepEvent]:
    """Find a picture with the features of ``picture`` at a layer, from noise; yields an event after every step.

    artifact: one of kind ``inversion``. The last event's picture is the result, its measure ``error.<layer>`` is
    ||phi(x) - phi0||^2 / ||phi0||^2 there; so is ``error`` in its recipe.

    Raises :class:`SettingsError` and :class:`ImageError` before the first step, and :class:`DivergedError`, with the
    last good image, where the loss stops being a number.
    """
    run = _Run.make(artifact, picture, settings or InversionSettings())
    return run.events(Plan(run.scales), 0)


def invert_depth(
    artifacts: Mapping[str, Artifact], picture: Picture, settings: InversionSettings | None = None
) -> Iterator[StepEvent]:
    """Reconstructions from one layer after the other, side by side: what is lost over the depth of a network.

    artifacts: by layer, from shallow to deep, each of kind ``inversion``. Every event's picture is the sheet so far.
    Raises as :func:`invert` does.
    """
    if not artifacts:
        raise SettingsError("a strip over depth needs at least one artifact")
    settings = settings or InversionSettings()
    runs = {layer: _Run.make(artifact, picture, settings) for layer, artifact in artifacts.items()}
    first = next(iter(runs.values()))
    return strip(runs, ("original", Picture.from_nchw(first.original)))


@dataclass(frozen=True)
class _Run:
    """One reconstruction, checked and ready: its stages as (width, height, steps)."""

    artifact: Artifact
    original: Array
    settings: InversionSettings
    scales: tuple[tuple[int, int, int], ...]
    recipe: dict[str, Any]

    @classmethod
    def make(cls, artifact: Artifact, picture: Picture, settings: InversionSettings) -> _Run:
        settings.check()
        check_content("photo", picture)
        for kind, weight in (("alpha", settings.alpha_weight), ("tv", settings.tv_weight)):
            if weight and not any(term.kind == kind for term in artifact.terms):
                raise SettingsError(f"the artifact has no {kind} term, so its weight cannot be {weight}")
        original = _original(artifact, picture, settings.size)
        artifact.check_size(original)
        size = original.shape[:1:-1]
        recipe = make_recipe("inversion", artifact, settings, size, {"picture": picture})
        # Equal shares, as every step costs the same; too few would leave a stage unfinished, and the next one astray.
        count = min(len(_divisors(artifact)), max(1, settings.steps // _LEAST_STEPS))
        stages = [settings.steps * (n + 1) // count - settings.steps * n // count for n in range(count)]
        return cls(artifact, original, settings, tuple((*size, steps) for steps in stages), recipe)

    def events(self, plan: Plan, before: int) -> Iterator[StepEvent]:
        settings, artifact = self.settings, self.artifact
        targets = artifact.targets(self.original)
        weights = {
            term.name: weight for term in artifact.terms if (weight := self._given_weight(term.kind)) is not None
        }
        left = sum(steps for _, _, steps in self.scales)
        height, width = self.original.shape[2:]
        rng = np.random.Generator(np.random.PCG64(settings.seed))
        evaluator: Evaluator = artifact
        if settings.jitter:
            evaluator = Windows(artifact, rng, jitter=settings.jitter, tile=max(height, width))
        optimizer: Optimizer | None = None
        for number, divisor in enumerate(_divisors(artifact)[-len(self.scales) :], 1):
            small = (max(1, round(width / divisor)), max(1, round(height / divisor)))
            if optimizer is None:
                image = _start(small, rng)
                optimizer = make_optimizer(settings.optimizer, image, artifact, settings.learning_rate)
            else:
                optimizer = optimizer.resized(*small)
            eyes = evaluator if divisor == 1 else Enlarged(evaluator, width, height)
            for event in descend(eyes, optimizer, plan, before + number, self._finish, targets, weights):
                left -= 1
                yield event if left else self._measured(event, optimizer.result, targets, weights)

    def _finish(self, image: Array) -> Picture:
        """The picture of a stage, at full size."""
        size = self.original.shape[:1:-1]
        return Finish(self.recipe)(image if image.shape[:1:-1] == size else resize(image, size, "bilinear"))

    def _given_weight(self, kind: str) -> float | None:
        return {"alpha": self.settings.alpha_weight, "tv": self.settings.tv_weight}.get(kind)

    def _measured(
        self, event: StepEvent, result: Array, targets: Mapping[str, Array], weights: Mapping[str, float]
    ) -> StepEvent:
        """The event with loss and error at its own picture, on the last step."""
        found = self.artifact.evaluate(result, targets, weights)
        (term,) = (term for term in self.artifact.terms if term.kind == "content")
        error = found.losses[term.name]
        finish = Finish({**self.recipe, "error": error})
        return replace(
            event,
            loss=found.loss,
            losses=found.losses,
            measures={f"error.{term.layer}": error},
            picture=lambda: finish(result),
        )


def _divisors(artifact: Artifact) -> list[int]:
    """Those up to the layer's stride: below it, its positions say themselves what is where."""
    (stride,) = (row["stride"] for row in artifact.manifest["layers"].values())
    return [divisor for divisor in _STAGES if stride is None or divisor <= max(1, stride)]


def _start(size: tuple[int, int], rng: np.random.Generator) -> Array:
    width, height = size
    noise = np.float32(_NOISE) * rng.standard_normal((1, 3, height, width), dtype=np.float32)
    return np.clip(np.asarray(_MEAN, np.float32).reshape(1, 3, 1, 1) + noise, 0.0, 1.0)


def _original(artifact: Artifact, picture: Picture, size: int) -> Array:
    """[1, 3, H, W]; for a network of one size, the middle of the picture in that shape."""
    flat = picture.flattened()
    if artifact.fixed_size is None:
        wanted = fit_size(*flat.size, size)
    else:
        height, width = artifact.fixed_size
        wanted = (width, height)
        scale = min(flat.size[0] / width, flat.size[1] / height)
        across, down = (max(1, round(edge * scale)) for edge in wanted)
        left, top = (flat.size[0] - across) // 2, (flat.size[1] - down) // 2
        flat = Picture(flat.pixels[top : top + down, left : left + across])
    return (flat if flat.size == wanted else flat.resized(*wanted)).to_nchw()
