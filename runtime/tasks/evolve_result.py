"""What an evolution shows: a grid of projections, and a curve for each layer."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np

from pixelgrad.runtime.images import Curve, Picture, chart, sheet
from pixelgrad.runtime.tasks.deconv_result import Hit, relief

__all__ = ["EvolveResult"]

_PIXELS = 88


@dataclass(frozen=True)
class EvolveResult:
    """snapshots, when: names and iterations, in order. size: (width, height) that the images were scanned at.
    channels, hits: for each channel its strongest activation at each snapshot, ``None`` where it is silent.
    movement: by layer, how far its features moved from each snapshot to the next: |F' - F| / |F|.
    compared: how many images the movement is of. The rest as of :class:`DeconvResult`.
    """

    network: str
    layer: str
    rule: str
    size: tuple[int, int]
    snapshots: tuple[str, ...]
    when: tuple[int, ...]
    channels: tuple[int, ...]
    hits: tuple[tuple[Hit | None, ...], ...]
    movement: dict[str, tuple[float, ...]]
    images: int
    unreadable: int
    compared: int
    failures: tuple[tuple[str, str], ...]
    recipe: dict[str, Any]

    @property
    def title(self) -> str:
        """What the snapshots' names have in common, else the network's name."""
        letters = takewhile(lambda row: len(set(row)) == 1, zip(*self.snapshots, strict=False))
        return "".join(row[0] for row in letters).rstrip("0123456789_-. ") or self.network

    def picture(self, pixels: int = _PIXELS) -> Picture:
        """The grid, and below it the curves. pixels: the edge of a patch."""
        grid = self.grid(pixels)
        curves = self.chart((max(grid.size[0], 560), 320))
        return sheet([[grid], [curves]], gutter=20, margin=12, recipe=self.recipe)

    def grid(self, pixels: int = _PIXELS) -> Picture:
        """A row for each channel and a column for each snapshot: the projection, and under it what was seen."""
        silent = Picture(np.full((2 * pixels + 2, pixels, 3), 0.5, np.float32))
        return sheet(
            [[silent if hit is None else _cell(hit, pixels) for hit in row] for row in self.hits],
            title=f"{self.title} {self.layer}, {self.images - self.unreadable} images",
            columns=[str(when) for when in self.when],
            row_names=[f"channel {channel}" for channel in self.channels],
            gutter=6,
            margin=0,
            text_size=max(12, round(pixels / 7)),
        )

    def chart(self, size: tuple[int, int] = (720, 320)) -> Picture:
        """How far the features of each layer moved, at the later of two snapshots."""
        later = [float(when) for when in self.when[1:]]
        return chart(
            [Curve(name, later, [v if np.isfinite(v) else np.nan for v in row]) for name, row in self.movement.items()],
            title="How far features moved since the snapshot before",
            x_label="iteration",
            y_label="relative change",
            size=size,
        )

    def facts(self) -> dict[str, Any]:
        """All but the pixels, as JSON has it."""
        return {
            "network": self.network,
            "layer": self.layer,
            "rule": self.rule,
            "width": self.size[0],
            "height": self.size[1],
            "snapshots": [
                {"name": name, "iteration": when} for name, when in zip(self.snapshots, self.when, strict=True)
            ],
            "channels": [
                {"channel": channel, "hits": [None if hit is None else hit.facts() for hit in row]}
                for channel, row in zip(self.channels, self.hits, strict=True)
            ],
            "movement": {
                name: [value if np.isfinite(value) else None for value in row] for name, row in self.movement.items()
            },
            "images": self.images,
            "unreadable": self.unreadable,
            "compared": self.compared,
        }


def _cell(hit: Hit, pixels: int) -> Picture:
    patches = (relief(hit.projection, pixels), Picture(np.clip(hit.crop, 0, 1)))
    width, height = patches[0].size
    longest = max(width, height)
    size = max(1, round(width * pixels / longest)), max(1, round(height * pixels / longest))
    return sheet([[patch.resized(*size)] for patch in patches], gutter=2, margin=0)
