"""Neural style transfer from a finished artifact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pixelgrad.errors import SettingsError
from pixelgrad.runtime.artifact import Artifact
from pixelgrad.runtime.engine import Finish, Plan, descend
from pixelgrad.runtime.events import StepEvent
from pixelgrad.runtime.images import Picture, fit_size
from pixelgrad.runtime.optimizers import OPTIMIZERS, Optimizer, make_optimizer
from pixelgrad.runtime.recipe import make_recipe
from pixelgrad.runtime.scales import COARSEST, scale_sizes, share_steps
from pixelgrad.runtime.settings import check_choice, check_content, check_number, check_whole

__all__ = ["INITS", "StyleSettings", "style"]

Array = np.ndarray[Any, Any]
INITS = ("content", "noise")


@dataclass(frozen=True)
class StyleSettings:
    """How to run a style transfer.

    size: the long edge of the result, in pixels.
    steps: gradient evaluations in all, shared among the scales.
    seed: of the noise that ``init="noise"`` starts from.
    init: ``content``, ``noise``, or a picture to start from.
    optimizer: ``adam`` or ``lbfgs``. learning_rate: of Adam, in pixel values of [0, 1].
    style_weights: one for each style picture; equal by default. They are normalised.
    style_scale: how large the style pictures are made, relative to ``size``: smaller gives finer texture.
    coarsest: the long edge of the first scale; ``size`` or more does it all in one.
    content_weight, style_weight, tv_weight: what the terms of each kind weigh together; ``None`` leaves the
        artifact's own.
    """

    size: int = 512
    steps: int = 300
    seed: int = 0
    init: str | Picture = "content"
    optimizer: str = "adam"
    learning_rate: float = 0.02
    style_weights: Sequence[float] | None = None
    style_scale: float = 1.0
    coarsest: int = COARSEST
    content_weight: float | None = None
    style_weight: float | None = None
    tv_weight: float | None = None

    def check(self, styles: int) -> None:
        """Raise :class:`SettingsError` for a value that cannot be; ``styles`` is how many style pictures there are."""
        check_whole(self, 1, "size", "steps", "coarsest")
        check_whole(self, 0, "seed")
        check_number(self, "content_weight", "style_weight", "tv_weight", optional=True)
        check_number(self, "learning_rate", "style_scale", positive=True)
        if not isinstance(self.init, Picture) and self.init not in INITS:
            raise SettingsError(f"init is {self.init!r}; it must be {' or '.join(INITS)}, or a picture")
        check_choice("optimizer", self.optimizer, OPTIMIZERS)
        if styles < 1:
            raise SettingsError("a style transfer needs at least one style picture")
        weights = self.style_weights
        if weights is not None and (len(weights) != styles or min(weights) < 0 or not sum(weights)):
            raise SettingsError(
                f"there are {styles} style pictures and the style weights are {list(weights)}; give one for each, none "
                "of them negative, not all zero"
            )


def style(
    artifact: Artifact, content: Picture, styles: Sequence[Picture], settings: StyleSettings | None = None
) -> Iterator[StepEvent]:
    """Give ``content`` the style of ``styles``, from coarse to fine; yields an event after every step.

    artifact: one of kind ``style``. The last event's picture is the result: ``settings.size`` pixels along its long
    edge, with the content's alpha channel, and a recipe.

    Raises :class:`SettingsError` and :class:`ImageError` before the first step, and :class:`DivergedError`, with the
    last good image, where the loss stops being a number.
    """
    settings = settings or StyleSettings()
    settings.check(len(styles))
    check_content("photo", content)
    for number, picture in enumerate(styles, 1):
        check_content(f"painting {number}", picture)
    weights = _term_weights(artifact, settings)
    sizes = _sizes(artifact, content, settings)
    artifact.check_size(np.broadcast_to(np.float32(0), (1, 3, *sizes[-1][::-1])))
    return _run(artifact, content, styles, settings, sizes, weights)


def _term_weights(artifact: Artifact, settings: StyleSettings) -> dict[str, float]:
    """The weight of each term whose kind has a weight in the settings, in the proportions of the artifact."""
    weights: dict[str, float] = {}
    for kind in ("content", "style", "tv"):
        wanted = getattr(settings, f"{kind}_weight")
        if wanted is None:
            continue
        terms = [term for term in artifact.terms if term.kind == kind]
        total = sum(term.weight for term in terms)
        if not total:
            raise SettingsError(
                f"the artifact has no {kind} term, so its weight cannot be {wanted}; export it with one"
            )
        weights |= {term.name: wanted * term.weight / total for term in terms}
    return weights


def _sizes(artifact: Artifact, content: Picture, settings: StyleSettings) -> list[tuple[int, int]]:
    if artifact.fixed_size is not None:
        return [artifact.fixed_size[::-1]]
    sizes = scale_sizes(*content.size, settings.size, coarsest=settings.coarsest, minimum=artifact.minimum_size)
    return sizes[-settings.steps :]


def _run(
    artifact: Artifact,
    content: Picture,
    styles: Sequence[Picture],
    settings: StyleSettings,
    sizes: Sequence[tuple[int, int]],
    weights: Mapping[str, float],
) -> Iterator[StepEvent]:
    pictures = {"content": content, "styles": styles}
    finish = Finish(make_recipe("style", artifact, settings, sizes[-1], pictures), content.alpha)
    shares = share_steps(settings.steps, len(sizes))
    plan = Plan([(*size, share) for size, share in zip(sizes, shares, strict=True)])
    optimizer: Optimizer | None = None
    for scale, (width, height) in enumerate(sizes, 1):
        reference = _fitted(content, width, height)
        targets = {
            name: target for name, target in artifact.targets(reference).items() if not name.startswith("target.style.")
        }
        targets |= _style_targets(artifact, styles, settings, max(width, height))
        if optimizer is None:
            start = _start(reference, settings, width, height)
            optimizer = make_optimizer(settings.optimizer, start, artifact.optimizer, settings.learning_rate)
        else:
            optimizer = optimizer.resized(width, height)
        yield from descend(artifact, optimizer, plan, scale, finish, targets, weights)


def _fitted(picture: Picture, width: int, height: int) -> Array:
    """The picture at a size, what is transparent in it laid over white."""
    flat = picture.flattened()
    return (flat if flat.size == (width, height) else flat.resized(width, height)).to_nchw()


def _style_targets(
    artifact: Artifact, styles: Sequence[Picture], settings: StyleSettings, long_edge: int
) -> dict[str, Array]:
    """The weighted mean of the style pictures' targets.

    Matching the mean costs no more than matching one, and has the same gradient as the weighted sum of the losses
    to each where those are squared distances.
    """
    weights = settings.style_weights or [1.0] * len(styles)
    total: dict[str, Array] = {}
    for picture, weight in zip(styles, weights, strict=True):
        width, height = fit_size(*picture.size, max(1, round(long_edge * settings.style_scale)))
        if artifact.fixed_size is not None:
            height, width = artifact.fixed_size
        # Not enlarged: that would teach a blurred texture.
        elif max(picture.size) < max(width, height):
            width, height = picture.size
        for name, target in artifact.targets(_fitted(picture, width, height)).items():
            if name.startswith("target.style."):
                part = target * np.float32(weight / sum(weights))
                total[name] = total[name] + part if name in total else part
    return total


def _start(reference: Array, settings: StyleSettings, width: int, height: int) -> Array:
    if isinstance(settings.init, Picture):
        return _fitted(settings.init, width, height)
    if settings.init == "noise":
        rng = np.random.Generator(np.random.PCG64(settings.seed))
        return rng.random((1, 3, height, width), dtype=np.float32)
    return reference
