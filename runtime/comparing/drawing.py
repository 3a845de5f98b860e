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
_EDGE = 256
_CHART = (392, 262)
_TEXT = 14
# Of a spectrum, from white down to black: filters pass much of everything, and pictures hold little of fine waves.
_DECIBELS_OF_FILTERS, _DECIBELS_OF_RESPONSES = 20, 60
_LEAST_PERCENT = 5.0  # of the axis of dead units, so that one channel in a hundred does not look like many


def comparison_sheet(found: Sequence[Compared], recipe: dict[str, Any] | None = None) -> Picture:
    """All that was found, in one picture with captions."""
    strips = [[_strip(one)] for one in found]
    charts = sheet(_charts(found), margin=0, gutter=14)
    return sheet([*strips, [charts]], margin=16, gutter=18, recipe=recipe)


def _strip(one: Compared) -> Picture:
    """What there is of one network alone, side by side."""
    cells = [
        filters_picture(one.filter_pixels, _EDGE),
        spectrum_picture(one.power, one.stride, _DECIBELS_OF_FILTERS),
        spectrum_picture(one.answered, one.stride, _DECIBELS_OF_RESPONSES),
    ]
    height, width = one.filter_pixels.shape[2:]
    captions = [
        f"{one.filter_pixels.shape[0]} of {width}x{height}, stride {one.stride}",
        _folded(one.aliased_filters, one.stride),
        _folded(one.aliased_responses, one.stride),
    ]
    columns = ["filters of the first layer", "spectrum of the filters", "spectrum of their responses"]
    if one.seen:
        across = -(-len(one.seen) // 2)
        rows = [one.seen[start : start + across] for start in range(0, len(one.seen), across)]
        names = [[seen.unit.name for seen in row] for row in rows]
        cells.append(
            sheet([[s.picture for s in row] for row in rows], captions=names, margin=0, gutter=4, text_size=_TEXT)
        )
        captions.append("")
        columns.append(f"strongest channels of {one.layer}")
    return sheet([cells], captions=[captions], columns=columns, title=one.name, margin=0, gutter=14, text_size=_TEXT)


def _folded(share: float, stride: int) -> str:
    if stride == 1:
        return "stride 1 folds nothing back"
    return f"{100 * share:.0f}% lies outside of the square and is folded back by the stride"


def spectrum_picture(power: Array, stride: int, decibels: float, edge: int = _EDGE) -> Picture:
    """Power over ``fftfreq``, zero in the middle, white to black over so many decibels, at most ``edge`` pixels.

    A square holds what a stride can.
    """
    # The mean of each frequency and its neighbours: few pictures' spectra are speckled.
    steps = (-1, 0, 1)
    smooth = sum(np.roll(power, (down, right), (0, 1)) for down in steps for right in steps) / 9
    centred = np.fft.fftshift(smooth)
    # All zero where nothing answered: pictures of one colour have no frequencies.
    levels = 10 * np.log10(np.maximum(centred / max(float(centred.max()), 1e-30), 1e-12))
    shade = np.clip(1 + levels / decibels, 0, 1).astype(np.float32)
    times = max(1, edge // power.shape[0])
    large = shade.repeat(times, 0).repeat(times, 1)[..., None].repeat(3, 2)
    if stride > 1:
        half = round(shade.shape[0] / (2 * stride)) * times
        middle = large.shape[0] // 2
        low, high = middle - half, middle + half
        colour = np.array([0.84, 0.37, 0.0], np.float32)
        large[[low, low + 1, high - 2, high - 1], low:high] = colour
        large[low:high, [low, low + 1, high - 2, high - 1]] = colour
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
            most = max(1.0, *(max(curve.y) for curve in curves))
            row.append(
                _chart(curves, f"{change.name}: {title}", change.unit, "distance / that between pictures", (0.0, most))
            )
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
    most = max(_LEAST_PERCENT, *(max(curve.y) for curve in dead))
    last: list[Picture | None] = [
        _chart(dead, "dead units", "depth, % of the layers", "% of a layer's channels", (0.0, most)),
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
