"""What a network sees at each place of a picture: an activation grid (Olah et al. 2018, "The Building Blocks of
Interpretability"), from finished artifacts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from pixelgrad.errors import SettingsError
from pixelgrad.runtime.artifact import Artifact
from pixelgrad.runtime.comparing import Features, open_features
from pixelgrad.runtime.images import Picture, sheet
from pixelgrad.runtime.recipe import make_recipe
from pixelgrad.runtime.settings import check_content, check_edge, check_flag, check_whole
from pixelgrad.runtime.tasks.visualize import Unit, VisualizeEvent, visualize
from pixelgrad.runtime.tasks.visualize_settings import VisualizeSettings

__all__ = ["GridSettings", "activation_grid"]

Array = np.ndarray[Any, Any]

_SIZE = 96
_MOST_CELLS = 64
# Of a panorama, that is how much of its middle is looked at: so many times as long as it is high.
_LONGEST = 4
_GREY = 0.5
# All places say one thing, but for rounding, where the second principal component is this share of the first.
_ALIKE = 1e-3


@dataclass(frozen=True)
class GridSettings:
    """How to make an activation grid.

    cells: along the longer edge; no more than the layer has positions. size: edge of each cell's picture, in pixels;
        ``None`` takes 96, or the least that the network takes. steps: gradient evaluations for each.
    seed: of the noise that they start from, all from the same, and of the views.
    shown: shorter edge of the picture as the network sees it: things are to be as large as those that it was trained
        on. A network that takes one size only sees the middle of the picture at that size.
    alone: the grid without the picture beside it.
    """

    cells: int = 6
    size: int | None = None
    steps: int = 64
    seed: int = 0
    shown: int = 224
    alone: bool = False

    def check(self) -> None:
        """Raise :class:`SettingsError` for a value that cannot be."""
        check_whole(self, 1, "cells", most=_MOST_CELLS)
        check_edge(self, "size", optional=True)
        check_edge(self, "shown")
        check_whole(self, 1, "steps")
        check_whole(self, 0, "seed")
        check_flag(self, "alone")


def activation_grid(
    artifact: Artifact, features: Artifact, picture: Picture, settings: GridSettings | None = None
) -> Iterator[VisualizeEvent]:
    """Make, for each place of ``picture``, a picture of what a layer says of it; yields an event after every step.

    artifact: one of kind ``visualize``, of directions. features: one of kind ``features``, of the same layer. The mean
    of a cell's activations, less most of what all have in common, is the direction that its picture follows. A cell in
    which the layer says nothing is grey.

    Every event's picture is the grid so far, what is not done yet is the picture itself. Raises :class:`SettingsError`
    and :class:`ImageError` before the first step, and :class:`DivergedError`.
    """
    settings = settings or GridSettings()
    settings.check()
    check_content("picture", picture)
    if artifact.manifest["objective"]["settings"].get("unit") != "direction":
        raise SettingsError("the artifact is not of directions; export one with --unit direction")
    look = _look(features, picture, settings)
    found = next(iter(look(look.fitted(picture)).values()))
    if found.ndim != 4:
        raise SettingsError(
            f"layer {look.layers[0]!r} has no positions; name one that has, before the network pools them"
        )
    cells = _cells(found[0], settings.cells)
    lengths = np.linalg.norm(cells, axis=2)
    if not np.isfinite(lengths).all() or not lengths.any():
        raise SettingsError(f"layer {look.layers[0]!r} says nothing of this picture; name another")
    directions = _apart(cells, found[0])
    rows, columns = lengths.shape
    units = [
        Unit(row * columns + column, f"row {row + 1}, column {column + 1}", directions[row, column])
        for row, column in np.argwhere(lengths).tolist()
    ]
    size = settings.size or max(_SIZE, artifact.minimum_size)
    manner = VisualizeSettings(size=size, coarsest=size, steps=settings.steps, seed=settings.seed)
    events = visualize(artifact, units, manner)
    height, width = artifact.fixed_size or (size, size)
    whole = (columns * width, rows * height)
    recipe = make_recipe("grid", artifact, settings, whole, {"picture": picture})
    beside = Features(features, (whole[1], max(1, round(whole[1] * look.size[1] / look.size[0])))).fitted(picture)
    title = f"{look.name}, {look.layers[0]}"
    page = _Page(Picture.from_nchw(beside), whole, lengths, None if settings.alone else title, recipe)
    return (replace(event, picture=partial(page.drawn, event)) for event in events)


def _look(features: Artifact, picture: Picture, settings: GridSettings) -> Features:
    """The layer, at the size that it sees the picture at."""
    if features.fixed_size is not None:
        return open_features(features, features.fixed_size[0])
    longer = min(_LONGEST, max(picture.size) / min(picture.size))
    edges = (settings.shown, round(settings.shown * longer))
    size = edges if picture.size[0] >= picture.size[1] else edges[::-1]
    features.check_size(np.broadcast_to(np.float32(0), (1, 3, *size)))
    return Features(features, size)


def _cells(found: Array, cells: int) -> Array:
    """[C, h, w] -> [rows, columns, C]: the mean of each of ``cells`` parts of the longer edge, and as many of the other
    as make them square."""
    _, height, width = found.shape
    longest = max(height, width)
    rows, columns = (min(edge, max(1, round(min(cells, longest) * edge / longest))) for edge in (height, width))

    def parts(edge: int, count: int) -> list[slice]:
        return [slice(*ends) for ends in pairwise(round(edge * part / count) for part in range(count + 1))]

    across = parts(width, columns)
    return np.stack([[found[:, down, side].mean((1, 2)) for side in across] for down in parts(height, rows)])


def _apart(cells: Array, found: Array) -> Array:
    """``cells`` with what most places of [C, h, w] share held to the strength of what they differ by most.

    A few strong channels respond to anything, in some networks so strongly that all directions are nearly one. Carter
    et al. 2019 ("Activation Atlas") whiten by the correlations over many pictures; of one picture, beyond the first
    principal component, those would be of its noise.
    """
    components, strengths, _ = np.linalg.svd(found.reshape(len(found), -1), full_matrices=False)
    if len(strengths) < 2 or strengths[1] < _ALIKE * strengths[0]:
        return cells
    shared = components[:, 0]
    return np.asarray(cells - (1 - strengths[1] / strengths[0]) * (cells @ shared)[..., None] * shared)


@dataclass(frozen=True)
class _Page:
    """The grid, of ``size`` = (width, height), and what stands beside it. lengths: of each cell's activations."""

    picture: Picture
    size: tuple[int, int]
    lengths: Array
    title: str | None
    recipe: dict[str, Any]

    def drawn(self, event: VisualizeEvent) -> Picture:
        """With what is done so far; the rest is the picture itself."""
        rows, columns = self.lengths.shape
        canvas = self.picture.resized(*self.size).pixels.copy()
        width, height = self.size[0] // columns, self.size[1] // rows

        def place(index: int) -> Array:
            top, left = index // columns * height, index % columns * width
            return canvas[top : top + height, left : left + width]

        for index in np.flatnonzero(self.lengths == 0):
            place(int(index))[:] = _GREY
        for seen in event.seen():
            place(seen.unit.index)[:] = seen.picture.pixels
        grid = Picture(canvas, None, self.recipe)
        if self.title is None:
            return grid
        return sheet([[self.picture, grid]], captions=[["the picture", self.title]], recipe=self.recipe)
