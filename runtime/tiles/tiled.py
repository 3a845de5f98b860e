"""Looking at an image a tile at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from pixelgrad.runtime.artifact import Artifact, Evaluation
from pixelgrad.runtime.failures import failures, silent
from pixelgrad.runtime.tiles.grid import Grid, Layout, Place, Tile

__all__ = ["Tiled"]

Array = np.ndarray[Any, Any]


class Tiled:
    """An artifact that sees an image in tiles of at most ``pixels`` pixels, what is around them included.

    A step takes two passes over the tiles: the first for the sums over positions that the losses depend on, the second
    to send back how the loss depends on each. Loss and gradient are those of :meth:`Artifact.evaluate` but for
    rounding, wherever the image is cut. The network runs forward twice and backward once, over what tiles see of each
    other as well.

    pixels: ``None`` for the whole image as one tile. Raises :class:`ArtifactError` where the artifact was exported
    without tiles.
    """

    def __init__(self, artifact: Artifact, pixels: int | None = None) -> None:
        self._artifact, self._pixels = artifact, pixels
        self._sessions = artifact.tile_sessions
        self._layout = Layout.of(artifact.manifest)
        outputs = [value.name for value in self._sessions.sums.get_outputs()]
        self._sums = [name for name in outputs if name.startswith("sum.")]
        wanted = (value.name for value in self._sessions.training.get_inputs())
        self._cotangents = [name for name in wanted if name.startswith("cotangent.")]
        inputs = self._sessions.sums.get_inputs()
        self._targets = {value.name: value.shape for value in inputs if value.name.startswith("target.")}
        # Layers by the targets that are maps of their features, of which each tile is given its part.
        self._maps = {str(term.target): term.layer for term in artifact.terms if f"features.{term.name}" in outputs}
        self._features = [f"features.{name.removeprefix('target.')}" for name in self._maps]
        # Layers and masks by the input that says how much each position counts.
        self._counts = {
            ".".join(["counts", term.layer or "image", *([term.mask] if term.mask else [])]): (term.layer, term.mask)
            for term in artifact.terms
        }
        self._fitted: dict[str, tuple[Array, Array]] = {}

    @property
    def precision(self) -> str:
        """As of :attr:`Artifact.precision`."""
        return self._artifact.precision

    def targets(self, reference: Array) -> dict[str, Array]:
        """As of :meth:`Artifact.targets`."""
        self._artifact.check_size(reference)
        grid = self._grid(reference)
        maps = {
            name: np.zeros((1, self._targets[name][1], *grid.shape(layer)), np.float32)
            for name, layer in self._maps.items()
        }
        guess = {name: np.zeros(shape, np.float32) for name, shape in self._targets.items() if name not in maps}
        with failures():
            totals = self._total(reference, grid, {**guess, **maps}, into=maps)
            if self._sessions.target is None:
                return maps
            found = self._of_sums(self._sessions.target, totals, guess)
            if guess:  # the closer the guess, the more exact are the sums
                found = self._of_sums(self._sessions.target, self._total(reference, grid, {**found, **maps}), found)
        return {**found, **maps}

    def evaluate(
        self, image: Array, targets: Mapping[str, Array], weights: Mapping[str, float] | None = None
    ) -> Evaluation:
        """As of :meth:`Artifact.evaluate`."""
        image = np.asarray(image)
        grid = self._grid(image)
        given = {f"weight.{name}": np.asarray(weight, np.float32) for name, weight in (weights or {}).items()}
        with failures():
            found = self._of_sums(self._sessions.loss, self._total(image, grid, targets), {**targets, **given})
            cotangents = {name: found[name] for name in self._cotangents}

            def step(scale: Mapping[str, Array]) -> Evaluation:
                gradient, norm = self._sent_back(image, grid, targets, {**cotangents, **scale})
                losses = {term.name: float(found[f"loss.{term.name}"]) for term in self._artifact.terms}
                return Evaluation(float(found["loss"]), losses, gradient, norm)

            return self._artifact.scaled(step)

    def _of_sums(self, session: Any, totals: Mapping[str, Array], others: Mapping[str, Array]) -> dict[str, Array]:
        """What a graph finds from the sums; ``others`` are the inputs that it may have besides."""
        given = {**totals, **others, **{name.replace("target.", "guess.", 1): value for name, value in others.items()}}
        names = [value.name for value in session.get_outputs()]
        feeds = {value.name: given[value.name] for value in session.get_inputs()}
        if "loss" in names:  # weights have default values
            feeds |= {name: value for name, value in others.items() if name.startswith("weight.")}
        return dict(zip(names, session.run(names, feeds, silent()), strict=True))

    def _total(
        self, image: Array, grid: Grid, targets: Mapping[str, Array], into: Mapping[str, Array] | None = None
    ) -> dict[str, Array]:
        """The sums over all tiles. into: where to put the features of each tile, by target."""
        totals = dict.fromkeys(self._sums, np.float64(0))
        names = [*self._sums, *(self._features if into else [])]
        for tile in grid:
            found = self._sessions.sums.run(names, self._feeds(image, grid, tile, targets), silent())
            for name, value in zip(self._sums, found, strict=False):
                totals[name] = totals[name] + value.astype(np.float64)
            for (name, whole), features in zip((into or {}).items(), found[len(self._sums) :], strict=True):
                seen, own = grid.positions(self._maps[name], tile)
                whole[:, :, *own] = features[:, :, *_inside(seen, own)]
        return {name: np.asarray(value, np.float32) for name, value in totals.items()}

    def _sent_back(
        self, image: Array, grid: Grid, targets: Mapping[str, Array], cotangents: Mapping[str, Array]
    ) -> tuple[Array, float]:
        """The gradient and its norm, which is not a number where an element is none."""
        gradient = np.zeros(image.shape, np.float32)
        finite = True
        for tile in grid:
            feeds = {**self._feeds(image, grid, tile, targets), **cotangents}
            part, norm = self._sessions.training.run(["gradient", "gradient_norm"], feeds, silent())
            gradient[:, :, *tile.seen] += part
            finite = finite and math.isfinite(norm)
        return gradient, math.sqrt(float(np.vdot(gradient, gradient))) if finite else math.nan

    def _feeds(self, image: Array, grid: Grid, tile: Tile, targets: Mapping[str, Array]) -> dict[str, Array]:
        """What both passes are given of a tile."""
        feeds = {"image": np.ascontiguousarray(image[:, :, *tile.seen])}
        for name, (layer, mask) in self._counts.items():
            seen, own = grid.positions(layer, tile)
            counts = np.zeros([place.stop - place.start for place in seen], np.float32)
            given = None if mask is None else targets.get(mask)
            counts[_inside(seen, own)] = 1 if given is None else self._mask(name, given, grid)[own]
            feeds[name] = counts[None, None]
        for name in self._targets:
            if name in self._maps:
                seen, _ = grid.positions(self._maps[name], tile)
                feeds[name] = np.ascontiguousarray(targets[name][:, :, *seen])
            else:
                feeds[name] = targets[name]
        return feeds

    def _mask(self, name: str, mask: Array, grid: Grid) -> Array:
        """A mask fitted to the layer whose positions ``name`` counts; the same array is fitted once."""
        known = self._fitted.get(name)
        if known is None or known[0] is not mask:
            layer, _ = self._counts[name]
            self._fitted[name] = known = (mask, fitted(mask[0, 0], grid.middles(layer)))
        return known[1]

    def _grid(self, image: Array) -> Grid:
        height, width = image.shape[2:]
        return Grid(self._layout, height, width, self._pixels)


def _inside(seen: Place, own: Place) -> Place:
    """Where a tile has its own positions among those that it sees."""
    rows, columns = (slice(o.start - s.start, o.stop - s.start) for s, o in zip(seen, own, strict=True))
    return rows, columns


def fitted(mask: Array, middles: tuple[Array, Array]) -> Array:
    """A mask [any, any] at rows and columns so far along it, from 0 to 1: linearly, between the middles of pixels."""
    for axis, along in enumerate(middles):
        count = mask.shape[axis]
        places = np.clip(along * count - 0.5, 0, count - 1)
        first = np.floor(places).astype(np.int64)
        share = (places - first).astype(np.float32).reshape((-1, 1) if axis == 0 else (1, -1))
        following = np.minimum(first + 1, count - 1)
        mask = mask.take(first, axis) * (1 - share) + mask.take(following, axis) * share
    return mask
