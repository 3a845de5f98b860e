"""Cutting a plane into tesserae: nearly square cells that line up with a direction field.

Alejo Hausner, "Simulating Decorative Mosaics" (SIGGRAPH 2001): Lloyd's relaxation (1982) of a Voronoi diagram
whose distance is turned by the field at each seed. His Manhattan distance is an eighth-power norm here, whose
unit ball is a square with round corners.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pixelgrad.runtime.samples.noise import Array

Indices = npt.NDArray[np.int64]
Field = Callable[[Array], Array]

_PIECE = 256  # Seeds handled at a time.


@dataclass(frozen=True)
class Cells:
    """The cell under every pixel: ``owner`` [H, W], offsets from its seed in its own axes, distance to its
    edge.
    """

    owner: Indices
    along: Array
    across: Array
    edge: Array


def _distances(seeds: Array, angle: Array, reach: int, shape: tuple[int, int]) -> tuple[Indices, Array, Array, Array]:
    """For every seed and every pixel within reach: flat pixel index (one past the last when outside),
    distance, and the offsets in the seed's own axes.
    """
    span = np.arange(-reach, reach + 1)
    cell = np.floor(seeds).astype(np.int64)
    column, row = cell[:, :1] + span, cell[:, 1:] + span
    x = (column + np.float32(0.5) - seeds[:, :1]).astype(np.float32)[:, None, :]
    y = (row + np.float32(0.5) - seeds[:, 1:]).astype(np.float32)[:, :, None]
    outside = ((column < 0) | (column >= shape[1]))[:, None, :] | ((row < 0) | (row >= shape[0]))[:, :, None]
    index = np.where(outside, shape[0] * shape[1], row[:, :, None] * shape[1] + column[:, None, :])
    turn = angle.astype(np.float32)[:, None, None]  # As precise as the planes it is compared with.
    c, s = np.cos(turn), np.sin(turn)
    along, across = c * x + s * y, c * y - s * x
    a2, b2 = along * along, across * across
    a4, b4 = a2 * a2, b2 * b2
    return index, np.sqrt(np.sqrt(np.sqrt(a4 * a4 + b4 * b4))), along, across


def relax(
    seeds: Array,
    field: Field,
    snap: Callable[[Array, float], Array],
    side: float,
    shape: tuple[int, int],
    rounds: int,
) -> Array:
    """Lloyd's relaxation of ``seeds`` [N, 2] (pixel column, row) whose cells are about ``side`` pixels wide.

    ``field`` gives the direction at points [N, 2]; ``snap`` moves points a part of the way to the middle of
    their row of tesserae. It begins late, when every part of the picture has its share of seeds.
    """
    size = shape[0] * shape[1]
    rows, columns = np.divmod(np.arange(size), shape[1])
    for turn in range(rounds):
        index, distance, _, _ = _distances(seeds, field(seeds), int(np.ceil(1.35 * side)), shape)
        best = np.full(size + 1, 1e9, np.float32)
        np.minimum.at(best, index.ravel(), distance.ravel())
        seed, row, column = np.nonzero(distance == best[index])
        where = index[seed, row, column]
        seed, where = seed[where < size], where[where < size]
        weight = np.bincount(seed, minlength=len(seeds))
        x = np.bincount(seed, columns[where] + 0.5, len(seeds))
        y = np.bincount(seed, rows[where] + 0.5, len(seeds))
        centre = np.stack([x, y], axis=1) / np.maximum(weight, 1)[:, None]
        seeds = np.where((weight > 0)[:, None], centre, seeds).astype(np.float32)
        seeds = snap(seeds, max(0.0, 1.2 * turn / rounds - 0.5))
    return seeds


def cells(seeds: Array, field: Field, side: float, shape: tuple[int, int]) -> Cells:
    """The cells of ``seeds`` at every pixel; what is farther than 0.72 sides from every seed is outside of
    all.
    """
    size = shape[0] * shape[1] + 1
    angle, reach = field(seeds), int(np.ceil(1.5 * side))
    first, second = np.full(size, 1e9, np.float32), np.full(size, 1e9, np.float32)
    owner = np.zeros(size, np.int64)
    along, across = np.zeros(size, np.float32), np.zeros(size, np.float32)
    pieces = [slice(start, start + _PIECE) for start in range(0, len(seeds), _PIECE)]
    for part in pieces:
        index, distance, _, _ = _distances(seeds[part], angle[part], reach, shape)
        np.minimum.at(first, index.ravel(), distance.ravel())
    for part in pieces:
        index, distance, x, y = _distances(seeds[part], angle[part], reach, shape)
        mine = distance == first[index]
        where = index[mine]
        owner[where] = part.start + np.nonzero(mine)[0]
        along[where], across[where] = x[mine], y[mine]
        np.minimum.at(second, index[~mine], distance[~mine])
    edge = np.minimum(0.5 * (second - first), 0.72 * np.float32(side) - first)
    return Cells(
        owner[:-1].reshape(shape),
        along[:-1].reshape(shape),
        across[:-1].reshape(shape),
        edge[:-1].reshape(shape),
    )
