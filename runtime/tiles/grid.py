"""How an image is divided into tiles, and what each of them sees."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Axis", "Grid", "Layout", "Place", "Tile"]

Array = np.ndarray[Any, Any]
Place = tuple[slice, slice]


@dataclass(frozen=True)
class Layout:
    """What an artifact says of tiles, in pixels: see ``tiles`` in ``artifact.schema.json``."""

    minimum: int
    alignment: int
    before: int
    after: int
    sizes: Mapping[str, tuple[int, int, float]]

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Layout:
        tiles = manifest["tiles"]
        sizes = {name: (int(row[0]), int(row[1]), float(row[2])) for name, row in tiles["sizes"].items()}
        image = manifest["image"]
        return cls(image["minimum_size"], image["alignment"], tiles["before"], tiles["after"], sizes)

    def aligned(self, pixels: int) -> int:
        """The next multiple of the alignment."""
        return -(-pixels // self.alignment) * self.alignment

    def positions(self, layer: str | None, pixels: int) -> int:
        """How many positions a layer has along an edge of so many pixels; ``None`` is the image, as it is aligned."""
        stride, more, _ = (1, 0, 0) if layer is None else self.sizes[layer]
        return self.aligned(pixels) // stride + more


@dataclass(frozen=True)
class Axis:
    """A tile along one axis of the image: pixels ``start`` to ``end`` are its own; it sees ``first`` to ``last``."""

    start: int
    end: int
    first: int
    last: int


@dataclass(frozen=True)
class Tile:
    """One tile: what it is given of the image and of maps of the same size, as slices of rows and columns."""

    rows: Axis
    columns: Axis

    @property
    def seen(self) -> Place:
        """Of the pixels of the image."""
        return slice(self.rows.first, self.rows.last), slice(self.columns.first, self.columns.last)


class Grid:
    """An image of ``height`` x ``width`` in tiles that see at most ``pixels`` each, or as few as can be.

    Tiles begin at multiples of the alignment, so that the positions of a layer are where they are in the whole image.
    Of all grids that keep to ``pixels`` it is the one whose tiles see least together.
    """

    def __init__(self, layout: Layout, height: int, width: int, pixels: int | None) -> None:
        self._layout, self._height, self._width = layout, height, width
        if pixels is None or height * width <= pixels:
            self._rows, self._columns = (_axis(layout, size, 1) for size in (height, width))
            return

        def cost(axes: tuple[list[Axis], list[Axis]]) -> tuple[bool, int]:
            rows, columns = ([axis.last - axis.first for axis in tiles] for tiles in axes)
            largest = max(rows) * max(columns)
            return largest > pixels, sum(rows) * sum(columns) if largest <= pixels else largest

        choices = itertools.product(_axes(layout, height), _axes(layout, width))
        self._rows, self._columns = min(choices, key=cost)

    def __iter__(self) -> Iterator[Tile]:
        return itertools.starmap(Tile, itertools.product(self._rows, self._columns))

    def shape(self, layer: str | None) -> tuple[int, int]:
        """Of a layer's map of the whole image; ``None`` is the image itself, as the graph aligns it."""
        return self._layout.positions(layer, self._height), self._layout.positions(layer, self._width)

    def middles(self, layer: str | None) -> tuple[Array, Array]:
        """Of what the positions of a layer's rows and columns see: how far along the aligned image, from 0 to 1."""
        stride, _, middle = (1, 0, 0.5) if layer is None else self._layout.sizes[layer]
        edges = zip(self.shape(layer), (self._height, self._width), strict=True)
        rows, columns = ((np.arange(n) * stride + middle) / self._layout.aligned(edge) for n, edge in edges)
        return rows, columns

    def positions(self, layer: str | None, tile: Tile) -> tuple[Place, Place]:
        """Which positions of a layer, of the whole image, a tile sees, and which are its own."""
        rows = _positions(self._layout, layer, tile.rows, self._height)
        columns = _positions(self._layout, layer, tile.columns, self._width)
        return (rows[0], columns[0]), (rows[1], columns[1])


def _positions(layout: Layout, layer: str | None, axis: Axis, size: int) -> tuple[slice, slice]:
    """:meth:`Grid.positions` along one axis, of ``size`` pixels."""
    stride = 1 if layer is None else layout.sizes[layer][0]
    begin = axis.first // stride
    end = begin + layout.positions(layer, axis.last - axis.first)
    # All that follow are the last tile's.
    own = slice(axis.start // stride, end if axis.end == size else axis.end // stride)
    return slice(begin, end), own


def _axes(layout: Layout, size: int) -> list[list[Axis]]:
    """All ways to divide an edge evenly, of which each tile is large enough for the layers."""
    steps = -(-size // layout.alignment)
    counts = {-(-steps // count): count for count in range(steps, 0, -1)}.values()  # for each length the least
    axes = [_axis(layout, size, count) for count in counts]
    return [tiles for tiles in axes if len(tiles) == 1 or min(t.last - t.first for t in tiles) >= layout.minimum]


def _axis(layout: Layout, size: int, count: int) -> list[Axis]:
    steps = -(-size // layout.alignment)
    cuts = [number * steps // count * layout.alignment for number in range(count)] + [size]
    return [
        Axis(start, end, max(0, start - layout.before), min(size, end + layout.after))
        for start, end in itertools.pairwise(cuts)
    ]
