"""A comparison as one sheet: a row of pictures for each network, then curves with a line for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pixelgrad.runtime.comparing.invariance import CHANGES
from pixelgrad.runtime.comparing.spectra import filters_picture
from pixelgrad.runtime.images import Curve, Picture, chart, sheet

if TYPE_CHECKING:
    from pixelgrad.runtime.tasks.compare import Compared

__all__ = ["comparison_sheet"]

Array = np.ndarray[Any, Any]
_EDGE = 260
_CHART = (400, 270)
_DECIBELS = 50  # of the spectrum, from white down to black


def comparison_sheet(found: Sequence[Compared], recipe: dict[str, Any] | None = None) -> Picture:
    """All that was found, in one picture with captions."""
    pictures = sheet(
        [_row(one) for one in found],
        row_names=[one.name for one in found],
        captions=[_captions(one) for one in found],
        columns=["filters of the first layer", "their spectrum", *(["strongest channels"] * _shows(found))],
        margin=0,
        text_size=15,
    )
    curves = sheet(_charts(found), margin=0, gutter=14)
    return sheet([[pictures], [curves]], title=" / ".join(one.name for one in found), gutter=20, recipe=recipe)


def _shows(found: Sequence[Compared]) -> bool:
    return any(one.seen for one in found)


def _row(one: Compared) -> list[Picture | None]:
    cells: list[Picture | None] = [filters_picture(one.filter_pixels, _EDGE), spectrum_picture(one.power, one.stride)]
    if one.seen:
        across = int(np.ceil(np.sqrt(len(one.seen))))
        rows = [one.seen[start : start + across] for start in range(0, len(one.seen), across)]
        captions = [[seen.unit.name for seen in row] for row in rows]
        cells.append(sheet([[s.picture for s in row] for row in rows], captions=captions, margin=0, gutter=4))
    return cells


def _captions(one: Compared) -> list[str]:
    height, width = one.filter_pixels.shape[2:]
    texts = [f"{one.first}: {one.filter_pixels.shape[0]} of {width}x{height}, stride {one.stride}"]
    if one.stride > 1:
        texts.append(
            f"{100 * one.aliased_filters:.0f}% lies outside of the square and is folded back; of the responses "
            f"{100 * one.aliased_responses:.1f}%"
        )
    else:
        texts.append("stride 1 folds nothing back")
    return [*texts, one.layer] if one.seen else texts


def spectrum_picture(power: Array, stride: int, edge: int = _EDGE) -> Picture:
    """Power over ``fftfreq``, in decibels, zero in the middle; a square holds what a stride can."""
    centred = np.fft.fftshift(power)
    decibels = 10 * np.log10(np.maximum(centred / centred.max(), 1e-12))
    shade = np.clip(1 + decibels / _DECIBELS, 0, 1).astype(np.float32)
    times = max(1, edge // power.shape[0])
    large = shade.repeat(times, 0).repeat(times, 1)[..., None].repeat(3, 2)
    if stride > 1:
        half = round(power.shape[0] / (2 * stride)) * times
        middle = large.shape[0] // 2
        low, high = middle - half, middle + half
        colour = np.array([0.84, 0.37, 0.0], np.float32)
        large[[low, high - 1], low:high] = colour
        large[low:high, [low, high - 1]] = colour
    return Picture(large, None, None)


def _charts(found: Sequence[Compared]) -> list[list[Picture | None]]:
    rows: list[list[Picture | None]] = []
    sure = any(one.invariance.certainty for one in found)
    for change in CHANGES:
        row: list[Picture | None] = []
        for title, which in (("first layer", "first"), ("last layer", "last")):
            curves = [
                Curve(one.name, change.values, one.invariance.distances[change.name][getattr(one, which)], look)
                for look, one in enumerate(found)
            ]
            row.append(_chart(curves, f"{change.name}: {title}", change.unit, "distance / that between pictures"))
        if sure:
            curves = [
                Curve(one.name, change.values, one.invariance.certainty[change.name], look)
                for look, one in enumerate(found)
                if one.invariance.certainty
            ]
            row.append(
                _chart(curves, f"{change.name}: the class", change.unit, "probability of its first choice", (0.0, 1.0))
            )
        rows.append(row)
    dead = [
        Curve(one.name, np.linspace(0, 100, len(one.dead)).tolist() if len(one.dead) > 1 else [0.0], _percent(one.dead))
        for one in found
    ]
    last: list[Picture | None] = [
        _chart(dead, "dead units", "depth, %", "% of a layer's channels"),
        _chart(
            [Curve(o.name, o.filters.frequency, o.filters.power) for o in found],
            "spectrum of the filters",
            "cycles per pixel",
            "share of the power",
        ),
        _chart(
            [Curve(o.name, o.responses.frequency, o.responses.power) for o in found],
            "spectrum of the responses",
            "cycles per pixel",
            "share of the power",
        ),
    ]
    return [*rows, last]


def _percent(shares: dict[str, float]) -> list[float]:
    return [100 * share for share in shares.values()]


def _chart(
    curves: Sequence[Curve], title: str, x_label: str, y_label: str, y_range: tuple[float, float] | None = None
) -> Picture:
    return chart(curves, title=title, x_label=x_label, y_label=y_label, size=_CHART, y_range=y_range)
