"""Neural style transfer from a finished artifact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pixelgrad.errors import ImageError, SettingsError
from pixelgrad.runtime.artifact import Artifact
from pixelgrad.runtime.canvas import Canvas
from pixelgrad.runtime.colours import KEEP_COLOR, recoloured, with_colours_of, with_histogram_of
from pixelgrad.runtime.engine import ADVICE, Finish, Plan, descend
from pixelgrad.runtime.events import StepEvent
from pixelgrad.runtime.images import Picture, resize
from pixelgrad.runtime.optimizers import Optimizer, check_optimizer, make_optimizer
from pixelgrad.runtime.recipe import make_recipe
from pixelgrad.runtime.scales import COARSEST, at_size, reference_size, scale_sizes, share_steps
from pixelgrad.runtime.settings import (
    LARGEST,
    check_choice,
    check_content,
    check_flag,
    check_number,
    check_whole,
    is_number,
)
from pixelgrad.runtime.tiles import Budget, Tiled, allot

__all__ = ["INITS", "StyleSettings", "style"]

Array = np.ndarray[Any, Any]
INITS = ("content", "noise")
# The share of the picture below which a mask leaves nothing to style.
_LEAST_AREA = 1e-4


@dataclass(frozen=True)
class StyleSettings:
    """How to run a style transfer.

    size: the long edge of the result, in pixels.
    steps: gradient evaluations in all, shared among the scales.
    seed: of the noise that ``init="noise"`` starts from.
    init: ``content``, ``noise``, or a picture to start from.
    optimizer: ``lbfgs`` or ``adam``. learning_rate: of Adam, in pixel values of [0, 1].
    style_weights: one for each style picture; equal by default. They are normalised.
    style_scale: how large the style pictures are made, relative to ``size``: smaller gives finer texture.
    coarsest: the long edge of the first scale; ``size`` or more does it all in one.
    keep_color: ``luminance`` works on L* only and takes a* and b* from the content; ``histogram`` gives the style
        pictures the content's colours beforehand, by the histograms of L*, a* and b*; ``None`` takes the style's.
    match_histogram: whether the result gets the histograms of the style pictures' red, green and blue.
    content_weight, style_weight, tv_weight: what the terms of each kind weigh together; ``None`` leaves the
        artifact's own.
    max_memory: how many bytes the run may take, about; what does not fit at once is looked at in tiles, for an artifact
        that was exported with them. ``None`` sets no bound.
    """

    size: int = 512
    steps: int = 300
    seed: int = 0
    init: str | Picture = "content"
    optimizer: str = "lbfgs"
    learning_rate: float = 0.02
    style_weights: Sequence[float] | None = None
    style_scale: float = 1.0
    coarsest: int = COARSEST
    keep_color: str | None = None
    match_histogram: bool = False
    content_weight: float | None = None
    style_weight: float | None = None
    tv_weight: float | None = None
    max_memory: int | None = None

    def check(self, styles: int) -> None:
        """Raise :class:`SettingsError` for a value that cannot be; ``styles`` is how many style pictures there are."""
        check_whole(self, 1, "size", most=LARGEST)
        check_whole(self, 1, "steps", "coarsest")
        check_whole(self, 0, "seed")
        check_whole(self, 1, "max_memory", optional=True)
        check_number(self, "content_weight", "style_weight", "tv_weight", optional=True)
        check_number(self, "learning_rate", "style_scale", positive=True)
        check_flag(self, "match_histogram")
        if not isinstance(self.init, Picture) and self.init not in INITS:
            raise SettingsError(f"init is {self.init!r}; it must be {' or '.join(INITS)}, or a picture")
        check_optimizer(self)
        if self.keep_color is not None:
            check_choice("keep_color", self.keep_color, KEEP_COLOR)
            if self.match_histogram:
                raise SettingsError("keep_color and match_histogram give the result different colours; choose one")
        if styles < 1:
            raise SettingsError("a style transfer needs at least one style picture")
        weights = self.style_weights
        if weights is None:
            return
        listed = weights if isinstance(weights, list | tuple) else ()
        if len(listed) != styles or not all(map(is_number, listed)) or not sum(listed):
            raise SettingsError(
                f"style pictures: {styles}, style weights: {weights!r}; give one number for "
                "each, none of them negative, not all zero"
            )


def style(
    artifact: Artifact,
    content: Picture,
    styles: Sequence[Picture],
    settings: StyleSettings | None = None,
    *,
    masks: Sequence[Picture] | None = None,
) -> Iterator[StepEvent]:
    """Give ``content`` the style of ``styles``, from coarse to fine; yields an event after every step.

    artifact: one of kind ``style``. masks: one for each style picture, white where it is wanted, for an artifact that
    was made for as many; they may overlap and are fitted to the picture. The last event's picture is the result:
    ``settings.size`` pixels along its long edge, with the content's alpha channel, and a recipe.

    Raises :class:`SettingsError` and :class:`ImageError` before the first step, and :class:`DivergedError`, with the
    last good image, where the loss stops being a number.
    """
    settings = settings or StyleSettings()
    settings.check(len(styles))
    check_content("photo", content)
    for number, picture in enumerate(styles, 1):
        check_content(f"painting {number}", picture)
    places = _places(artifact, styles, masks)
    weights = _term_weights(artifact, settings, places)
    sizes = _sizes(artifact, content, settings)
    artifact.check_size(np.broadcast_to(np.float32(0), (1, 3, *sizes[-1][::-1])))
    for number, picture in enumerate(styles, 1):
        artifact.check_reference(f"painting {number}", picture.size)
    budget = allot(artifact, *sizes[-1], settings.optimizer, settings.max_memory)
    if not budget.tiled:  # then it had no part in the picture
        settings = replace(settings, max_memory=None)
    return _run(artifact, content, styles, settings, places, sizes, weights, budget)


def _places(artifact: Artifact, styles: Sequence[Picture], masks: Sequence[Picture] | None) -> list[Array]:
    """For each mask, how much each of its pixels counts: float32 [H, W]."""
    wanted = len({term.mask for term in artifact.terms if term.mask is not None})
    given = masks or ()
    if len(given) not in (0, len(styles)):
        raise SettingsError(f"style pictures: {len(styles)}, masks: {len(given)}; give one mask for each")
    if len(given) != wanted:
        raise SettingsError(f"the artifact was made for {wanted} masks, not for {len(given)}; export one for as many")
    places = [mask.flattened().pixels.mean(axis=2) for mask in given]
    for number, place in enumerate(places, 1):
        if place.mean() < _LEAST_AREA:
            raise ImageError(f"mask {number} is black all over; white says where its style is wanted")
    return places


def _term_weights(artifact: Artifact, settings: StyleSettings, places: Sequence[Array]) -> dict[str, float]:
    """The weight of each term whose kind has a weight in the settings, in the proportions of the artifact.

    A masked style weighs as much as its place is large, so that a pixel feels the same pull wherever it is.
    """
    shares = _shares(settings, len(places)) if places else []
    areas = [share * len(places) ** 2 * float(place.mean()) for share, place in zip(shares, places, strict=True)]
    factors = {f"mask.{number}": area for number, area in enumerate(areas, 1)}
    weights = {term.name: term.weight * factors[term.mask] for term in artifact.terms if term.mask}
    for kind in ("content", "style", "tv"):
        wanted = getattr(settings, f"{kind}_weight")
        if wanted is None:
            continue
        terms = [term for term in artifact.terms if term.kind == kind]
        total = sum(term.weight for term in terms)
        if not total and not wanted:
            continue
        if not total:
            raise SettingsError(
                f"the artifact has no {kind} term, so its weight cannot be {wanted}; export it with one"
            )
        weights |= {term.name: wanted * weights.get(term.name, term.weight) / total for term in terms}
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
    places: Sequence[Array],
    sizes: Sequence[tuple[int, int]],
    weights: Mapping[str, float],
    budget: Budget,
) -> Iterator[StepEvent]:
    pictures = {"content": content, "styles": styles, "masks": [Picture.from_array(place) for place in places] or None}
    colour, alpha = None, content.alpha
    if settings.keep_color or settings.match_histogram:
        # At the sizes that they are used at: what is finer has contrast that is lost on the way there.
        used = [style.flattened().resized(*_style_size(artifact, style, settings, max(sizes[-1]))) for style in styles]
        content, styles = content.flattened().resized(*sizes[-1]), used
    if settings.keep_color == "luminance":
        colour = with_colours_of(content)
    elif settings.match_histogram:
        colour = with_histogram_of(styles, _shares(settings, len(styles)))
    finish = Finish(make_recipe("style", artifact, settings, sizes[-1], pictures), alpha, colour)
    content, styles = recoloured(content, styles, settings.keep_color)
    shares = share_steps(settings.steps, len(sizes))
    plan = Plan([(*size, share) for size, share in zip(sizes, shares, strict=True)])
    optimizer: Optimizer | None = None
    view, canvas, size = budget.view(artifact), Canvas.of(artifact), (0, 0)
    for scale, (width, height) in enumerate(sizes, 1):
        last, size = size, (width, height)
        reference = canvas.extended(at_size(content, width, height))
        targets = {
            name: target for name, target in view.targets(reference).items() if not name.startswith("target.style.")
        }
        targets |= _style_targets(artifact, view, styles, settings, max(width, height))
        for number, place in enumerate(places, 1):
            mask = resize(place, (width, height), "bilinear", clip=True)[None, None]
            targets[f"mask.{number}"] = canvas.extended(mask)
        if optimizer is None:
            start = _start(reference, settings, canvas, width, height)
            rate, pairs = settings.learning_rate, budget.pairs
            optimizer = make_optimizer(settings.optimizer, start, artifact, rate, pairs)
        else:
            optimizer = optimizer.resized(*canvas.size(*size), canvas.growing(last, size))
        advice = ADVICE[settings.optimizer]
        yield from descend(view, optimizer, plan, scale, finish, targets, weights, advice=advice)


def _style_targets(
    artifact: Artifact, view: Artifact | Tiled, styles: Sequence[Picture], settings: StyleSettings, long_edge: int
) -> dict[str, Array]:
    """The weighted mean of the style pictures' targets; each picture's own where each has its own place.

    Matching the mean costs no more than matching one, and has the same gradient as the weighted sum of the losses
    to each where those are squared distances.
    """
    names = {term.target: term.mask for term in artifact.terms if term.kind == "style" and term.target is not None}
    total: dict[str, Array] = {}
    for number, (picture, share) in enumerate(zip(styles, _shares(settings, len(styles)), strict=True), 1):
        width, height = _style_size(artifact, picture, settings, long_edge)
        used = Canvas.of(artifact).trimmed(at_size(picture, width, height))
        for name, target in view.targets(used).items():
            if name not in names or names[name] not in (None, f"mask.{number}"):
                continue
            part = target if names[name] else target * np.float32(share)
            total[name] = total[name] + part if name in total else part
    return total


def _style_size(artifact: Artifact, picture: Picture, settings: StyleSettings, long_edge: int) -> tuple[int, int]:
    """(width, height) at which a style picture is used; it is not enlarged, which would teach a blurred texture."""
    if artifact.fixed_size is not None:
        return artifact.fixed_size[::-1]
    return reference_size(*picture.size, round(long_edge * settings.style_scale), minimum=artifact.minimum_size)


def _shares(settings: StyleSettings, styles: int) -> list[float]:
    """The style weights, made to sum to one."""
    weights = settings.style_weights or [1.0] * styles
    return [weight / sum(weights) for weight in weights]


def _start(reference: Array, settings: StyleSettings, canvas: Canvas, width: int, height: int) -> Array:
    if isinstance(settings.init, Picture):
        return canvas.extended(at_size(settings.init, width, height))
    if settings.init == "noise":
        rng = np.random.Generator(np.random.PCG64(settings.seed))
        return rng.random((1, *reference.shape[1:]), dtype=np.float32)
    return reference
