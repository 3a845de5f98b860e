"""Reconstructing a picture from what a layer of a network knows of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pixelgrad.errors import SettingsError
from pixelgrad.runtime.artifact import Artifact
from pixelgrad.runtime.engine import Finish, Plan, descend
from pixelgrad.runtime.events import StepEvent
from pixelgrad.runtime.images import Picture, fit_size
from pixelgrad.runtime.optimizers.reparameterized import Reparameterized, Settled, settling
from pixelgrad.runtime.parameters import Fourier
from pixelgrad.runtime.recipe import make_recipe
from pixelgrad.runtime.settings import LARGEST, check_content, check_edge, check_number, check_whole
from pixelgrad.runtime.strips import strip
from pixelgrad.runtime.tiles import check_memory
from pixelgrad.runtime.transforms import Robustness

__all__ = ["InversionSettings", "invert", "invert_depth"]

Array = np.ndarray[Any, Any]
# The share of the steps, at the end, that look at the picture where it is: what the shifts left soft becomes sharp.
_STILL = 0.75
# Of the layer's stride, up to which the picture is shifted, and where it has no positions at all. Up to a stride of 8
# L-BFGS alone finds more, with fewer coloured ripples; beyond, alone, it ends in blur under GoogLeNet.
_SHIFT, _WHOLE_IMAGE = 1 / 4, 8
_SHIFTED = 16
# From this stride up the alpha-norm has the artifact's weight, as long as the photo's own norm is no more than this.
_UNSETTLED, _ORDINARY = 8, 2.0
# From this stride up a layer has so few positions that nothing else holds the contrast.
_LOST = 32
# Up to these strides a layer tells fine waves apart, and the finest: they need not be held back as much, or at all.
_FINE, _FINEST = 4, 2
_ADVICE = "try a lower --learning-rate, or another layer"


@dataclass(frozen=True)
class InversionSettings:
    """How to reconstruct a picture.

    size: the long edge of the picture, in pixels; a network that takes one size only gets that size.
    steps: gradient evaluations. seed: of the noise that it starts from, and of the jitter.
    jitter: the picture is shifted at random by up to so many pixels before each of the first quarter of the steps. By
        default a quarter of the layer's stride, from a stride of 16 up: where the layer is blind to so small a shift,
        what depends on it is no part of what the layer knows.
    learning_rate: of Adam, on the picture's waves.
    alpha_weight, tv_weight: of the terms, beside the 1 of the features. By default the artifact's own; of the
        alpha-norm less than that, where the layer settles the colours by itself or the photo's are strong: it would
        grey the picture by fine waves, which pooling hardly sees.
    """

    size: int = 224
    steps: int = 300
    seed: int = 0
    jitter: int | None = None
    learning_rate: float = 0.1
    alpha_weight: float | None = None
    tv_weight: float | None = None

    def check(self) -> None:
        """Raise :class:`SettingsError` for a value that cannot be."""
        check_edge(self, "size")
        check_whole(self, 1, "steps")
        check_whole(self, 0, "seed")
        check_whole(self, 0, "jitter", most=LARGEST, optional=True)
        check_number(self, "alpha_weight", "tv_weight", optional=True)
        check_number(self, "learning_rate", positive=True)


def invert(
    artifact: Artifact,
    picture: Picture,
    settings: InversionSettings | None = None,
    *,
    max_memory: int | None = None,
) -> Iterator[StepEvent]:
    """Find a picture with the features of ``picture`` at a layer, from noise; yields an event after every step.

    artifact: one of kind ``inversion``. The last event's picture is the result, its measure ``error.<layer>`` is
    ||phi(x) - phi0||^2 / ||phi0||^2 there; so is ``error`` in its recipe.
    max_memory: how many bytes the run may take, about; a picture that takes more is refused.

    Raises :class:`SettingsError` and :class:`ImageError` before the first step, and :class:`DivergedError`, with the
    last good image, where the loss stops being a number.
    """
    run = _Run.make(artifact, picture, settings or InversionSettings(), max_memory)
    return run.events(Plan(run.scales), 0)


def invert_depth(
    artifacts: Mapping[str, Artifact],
    picture: Picture,
    settings: InversionSettings | None = None,
    *,
    max_memory: int | None = None,
) -> Iterator[StepEvent]:
    """Reconstructions from one layer after the other, side by side: what is lost over the depth of a network.

    artifacts: by layer, from shallow to deep, each of kind ``inversion``. Every event's picture is the sheet so far.
    max_memory, and what is raised, as of :func:`invert`.
    """
    if not artifacts:
        raise SettingsError("a strip over depth needs at least one artifact")
    settings = settings or InversionSettings()
    runs = {layer: _Run.make(artifact, picture, settings, max_memory) for layer, artifact in artifacts.items()}
    first = next(iter(runs.values()))
    return strip(runs, ("original", Picture.from_nchw(first.original)))


@dataclass(frozen=True)
class _Run:
    """One reconstruction, checked and ready: its stages as (width, height, steps), the shifted one first."""

    artifact: Artifact
    original: Array
    targets: Mapping[str, Array]
    settings: InversionSettings
    scales: tuple[tuple[int, int, int], ...]
    recipe: dict[str, Any]

    @classmethod
    def make(cls, artifact: Artifact, picture: Picture, settings: InversionSettings, max_memory: int | None) -> _Run:
        settings.check()
        check_content("photo", picture)
        for kind, weight in (("alpha", settings.alpha_weight), ("tv", settings.tv_weight)):
            if weight and not any(term.kind == kind for term in artifact.terms):
                raise SettingsError(f"the artifact has no {kind} term, so its weight cannot be {weight}")
        if settings.jitter is None:
            settings = replace(settings, jitter=_jitter(artifact))
        size = artifact.fixed_size[::-1] if artifact.fixed_size else fit_size(*picture.size, settings.size)
        check_memory(artifact, *size, max_memory)
        original = _original(artifact, picture, size)
        artifact.check_size(original)
        width, height = size
        targets = artifact.targets(original)
        if settings.alpha_weight is None:
            settings = replace(settings, alpha_weight=_alpha_weight(artifact, original, targets))
        recipe = make_recipe("inversion", artifact, settings, (width, height), {"picture": picture})
        still = math.ceil(_STILL * settings.steps) if settings.jitter else settings.steps
        stages = [(width, height, steps) for steps in (settings.steps - still, still) if steps]
        return cls(artifact, original, targets, settings, tuple(stages), recipe)

    def events(self, plan: Plan, before: int) -> Iterator[StepEvent]:
        settings, artifact, targets = self.settings, self.artifact, self.targets
        weights = {
            term.name: weight for term in artifact.terms if (weight := self._given_weight(term.kind)) is not None
        }
        rng = np.random.Generator(np.random.PCG64(settings.seed))
        # In pixels a loss over deep features says much about fine detail and little about broad areas of colour, which
        # then stay grey; along waves in natural proportions both are found (see Fourier).
        stride = _stride(artifact) or math.inf
        decay, cut = 0.5 if stride <= _FINE else 1.0, 0.0 if stride <= _FINEST else 0.25
        height, width = self.original.shape[2:]
        parameters = Fourier(height, width, decay, cut=cut)
        values, left = parameters.start(1, rng), settings.steps
        for number, (_, _, steps) in enumerate(self.scales, 1):
            optimizer: Reparameterized | Settled
            if number < len(self.scales):
                optimizer = moving = Reparameterized(parameters, values, rng, settling(settings.learning_rate, steps))
                moving.look(Robustness(settings.jitter or 0))
            else:
                optimizer = Settled(parameters, moving.values if number > 1 else values)
            at = before + number
            for event in descend(artifact, optimizer, plan, at, Finish(self.recipe), targets, weights, advice=_ADVICE):
                left -= 1
                yield event if left else self._measured(event, optimizer.result, weights)

    def _given_weight(self, kind: str) -> float | None:
        return {"alpha": self.settings.alpha_weight, "tv": self.settings.tv_weight}.get(kind)

    def _measured(self, event: StepEvent, result: Array, weights: Mapping[str, float]) -> StepEvent:
        """The event with loss and error at its own picture, on the last step."""
        found = self.artifact.evaluate(result, self.targets, weights)
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


def _stride(artifact: Artifact) -> float | None:
    (stride,) = (row["stride"] for row in artifact.manifest["layers"].values())
    return None if stride is None else float(stride)


def _jitter(artifact: Artifact) -> int:
    """A quarter of the layer's stride where that is 16 or more; none for shallower layers."""
    stride = _stride(artifact)
    if stride is None:
        return _WHOLE_IMAGE
    return int(_SHIFT * stride) if stride >= _SHIFTED else 0


def _alpha_weight(artifact: Artifact, original: Array, targets: Mapping[str, Array]) -> float | None:
    """The artifact's, times (stride / 8)^3 for a shallower layer, and so that the photo is charged for no more than an
    ordinary one is; from a stride of 32 up as it is."""
    terms = [term for term in artifact.terms if term.kind == "alpha"]
    if not terms:
        return None
    (term,) = terms
    stride = _stride(artifact)
    if stride is None or stride >= _LOST:
        return term.weight
    norm = artifact.evaluate(original, targets).losses[term.name]
    return term.weight * min(1.0, stride / _UNSETTLED) ** 3 / max(1.0, norm / _ORDINARY)


def _original(artifact: Artifact, picture: Picture, wanted: tuple[int, int]) -> Array:
    """[1, 3, H, W]; for a network of one size, the middle of the picture in that shape."""
    flat = picture.flattened()
    if artifact.fixed_size is not None:
        width, height = wanted
        scale = min(flat.size[0] / width, flat.size[1] / height)
        across, down = (max(1, round(edge * scale)) for edge in wanted)
        left, top = (flat.size[0] - across) // 2, (flat.size[1] - down) // 2
        flat = Picture(flat.pixels[top : top + down, left : left + across])
    return (flat if flat.size == wanted else flat.resized(*wanted)).to_nchw()
