"""Which part of an image to show of an activation."""

from __future__ import annotations

from typing import Any

import numpy as np

from pixelgrad.runtime.projector import Box

__all__ = ["CROPS", "crop_boxes"]

Array = np.ndarray[Any, Any]
CROPS = ("auto", "field", "tight")
# A field wider than this share of the image shows little of what matters in it.
_WIDE = 0.5
# How much of a projection's energy (the sum of squares) a tight crop holds.
_SHARE = 0.95
_LEAST = 16


def crop_boxes(fields: list[Box], projections: list[Array], how: str) -> list[Box]:
    """For each activation of a channel the part to show, all of one size unless the field is not square.

    fields: their receptive fields. projections: [H, W, 3] each, of the whole image.
    how: ``field`` shows the receptive field, moved inside the image; ``tight`` a square around most of the
        projection, as the deeper layers see the whole image and answer to a part of it; ``auto`` is ``tight`` for
        fields wider than half of the image.
    """
    if not fields:
        return []
    height, width = projections[0].shape[:2]
    size = (width, height)
    shown = [field.inside(size) for field in fields]
    if how == "auto":
        how = "tight" if max(fields[0].size) > _WIDE * min(size) else "field"
    if how == "field":
        return shown
    centres, reaches = zip(*(_extent(projection) for projection in projections), strict=True)
    # Most of the channel's activations fit, and one that is spread out does not make the others small.
    reach = max(_LEAST // 2, int(np.percentile(reaches, 75)))
    edge = min(2 * reach + 1, *(min(box.size) for box in shown))
    return [_around(centre, edge).inside(size) for centre in centres]


def _extent(projection: Array) -> tuple[tuple[int, int], int]:
    """The middle (row, column) of a projection's energy, and how far from it most of that is."""
    energy = (projection.astype(np.float64) ** 2).sum(axis=2)
    total = energy.sum()
    if not total:
        return (energy.shape[0] // 2, energy.shape[1] // 2), max(energy.shape) // 2
    row, column = (int(np.searchsorted(np.cumsum(energy.sum(axis=axis)), total / 2)) for axis in (1, 0))
    rows, columns = np.ogrid[: energy.shape[0], : energy.shape[1]]
    distance = np.maximum(abs(rows - row), abs(columns - column))
    within = np.cumsum(np.bincount(distance.ravel(), weights=energy.ravel()))
    return (row, column), int(np.searchsorted(within, _SHARE * total))


def _around(centre: tuple[int, int], edge: int) -> Box:
    top, left = (place - edge // 2 for place in centre)
    return Box(top, left, top + edge, left + edge)
