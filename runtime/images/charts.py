"""Curves in a picture: axes with round ticks, a legend, and lines that can be told apart without colour."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pixelgrad.errors import SettingsError
from pixelgrad.runtime.images.picture import Picture
from pixelgrad.runtime.images.recipes import Recipe

__all__ = ["COLOURS", "Curve", "chart", "ticks"]

#: Told apart by people who do not see all colours, too (Okabe & Ito 2008).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_GRID, _AXIS, _TEXT = "#e4e4e4", "#8a8a8a", "#1a1a1a"
_FINER = 2  # drawn larger, and shrunk: Pillow's lines have no smooth edges of their own
_PIXELS_PER_TICK = 60


@dataclass(frozen=True)
class Curve:
    """One line. x, y: as many numbers each, x rising; a y that is not a number leaves a gap.

    look: which colour and marker it has, by its place among the curves where there is none.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    look: int | None = None


def chart(
    curves: Sequence[Curve],
    *,
    title: str = "",
    x_label: str = "",
    y_label: str = "",
    size: tuple[int, int] = (420, 280),
    y_range: tuple[float, float] | None = None,
    text_size: int = 13,
    recipe: Recipe | None = None,
) -> Picture:
    """A picture of ``size`` (width, height) with the curves, each with a colour and a marker of its own.

    y_range: of the y axis; from all that is drawn, and zero where that is near, by default. The legend is left out
    where there is one curve only. Raises :class:`SettingsError` where there is nothing to draw.
    """
    points = [(np.asarray(c.x, np.float64), np.asarray(c.y, np.float64)) for c in curves]
    if any(x.shape != y.shape or x.ndim != 1 for x, y in points):
        raise SettingsError("each curve needs as many x as y")
    shown = [np.isfinite(y) for _, y in points]
    if not any(mask.any() for mask in shown):
        raise SettingsError("there is no curve to draw")
    xs = np.concatenate([x[mask] for (x, _), mask in zip(points, shown, strict=True)])
    ys = np.concatenate([y[mask] for (_, y), mask in zip(points, shown, strict=True)])
    pen = _Pen(size, text_size)
    x_ticks = ticks(float(xs.min()), float(xs.max()), max(2, size[0] // _PIXELS_PER_TICK))
    low, high = y_range or _span(float(ys.min()), float(ys.max()))
    y_ticks = ticks(low, high, max(2, size[1] // _PIXELS_PER_TICK))
    x_span = (float(xs.min()), float(xs.max()))
    y_span = (min(low, y_ticks[0]), max(high, y_ticks[-1]))
    looks = [number if curve.look is None else curve.look for number, curve in enumerate(curves)]
    legend = [(curve.name, look) for curve, look in zip(curves, looks, strict=True)] if len(curves) > 1 else []
    pen.frame(title, x_label, y_label, legend, [_number(t) for t in y_ticks])
    pen.axes(
        [(pen.place(t, x_span, horizontal=True), _number(t)) for t in x_ticks if x_span[0] <= t <= x_span[1]],
        [(pen.place(t, y_span, horizontal=False), _number(t)) for t in y_ticks],
    )
    for look, (x, y), mask in zip(looks, points, shown, strict=True):
        for run in _runs(mask):
            pen.line(
                [
                    (pen.place(a, x_span, horizontal=True), pen.place(b, y_span, horizontal=False))
                    for a, b in zip(x[run], y[run], strict=True)
                ],
                look,
            )
    return Picture(pen.pixels(), None, recipe)


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers, at most about ``most``, that cover low to high: multiples of 1, 2 or 5 times a power of ten."""
    if not high > low:
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / max(1, most)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [step * index for index in range(first, last + 1)]


def _span(low: float, high: float) -> tuple[float, float]:
    """With zero in it where that costs less than half of the room."""
    if 0 < low < 0.5 * high:
        low = 0.0
    elif 0.5 * low < high < 0:
        high = 0.0
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _number(value: float) -> str:
    text = f"{value:.6g}"
    return "0" if text in {"-0", "0"} else text


def _runs(mask: np.ndarray) -> list[slice]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [slice(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


class _Pen:
    """Draws at twice the size, in the coordinates of the finished picture."""

    def __init__(self, size: tuple[int, int], text_size: int) -> None:
        self._size, self._text = size, text_size
        self._image = Image.new("RGB", (size[0] * _FINER, size[1] * _FINER), "white")
        self._draw = ImageDraw.Draw(self._image)
        self._font = ImageFont.load_default(text_size * _FINER)
        self._box = (0.0, 0.0, float(size[0]), float(size[1]))

    def frame(
        self, title: str, x_label: str, y_label: str, legend: Sequence[tuple[str, int]], y_texts: Sequence[str]
    ) -> None:
        """Write what stands around the axes, and leave the rest to them."""
        line, gap = self._text * 1.3, self._text * 0.5
        top = gap
        if title:
            self._write(title, (gap, top), "la")
            top += line
        if y_label:
            self._write(y_label, (gap, top), "la", _AXIS)
            top += line
        right = self._size[0] - self._text
        if legend:
            x = gap
            for name, look in legend:
                width = self._width(name) + 2.4 * self._text
                if x > gap and x + width > right:
                    x, top = gap, top + line
                y = top + self._text * 0.6
                self.line([(x, y), (x + self._text * 1.6, y)], look, markers=False)
                self._marker((x + self._text * 0.8, y), look)
                self._write(name, (x + self._text * 2, top), "la")
                x += width + self._text
            top += line
        left = gap + max(self._width(text) for text in y_texts) + gap
        bottom = self._size[1] - gap - line * (2 if x_label else 1)
        self._box = (left, top + gap, right, bottom)
        if x_label:
            self._write(x_label, ((left + right) / 2, self._size[1] - gap), "md", _AXIS)

    def axes(self, x_ticks: Sequence[tuple[float, str]], y_ticks: Sequence[tuple[float, str]]) -> None:
        left, top, right, bottom = self._box
        for y, text in y_ticks:
            self._stroke([(left, y), (right, y)], _GRID, 1)
            self._write(text, (left - self._text * 0.4, y), "rm")
        for x, text in x_ticks:
            self._stroke([(x, top), (x, bottom)], _GRID, 1)
            within = self._size[0] - self._width(text) / 2 - 2  # the last number ends before the picture does
            self._write(text, (min(x, within), bottom + self._text * 0.3), "ma")
        self._stroke([(left, top), (left, bottom), (right, bottom)], _AXIS, 1)

    def place(self, value: float, span: tuple[float, float], *, horizontal: bool) -> float:
        left, top, right, bottom = self._box
        share = (value - span[0]) / (span[1] - span[0]) if span[1] > span[0] else 0.5
        return left + share * (right - left) if horizontal else bottom - share * (bottom - top)

    def line(self, points: Sequence[tuple[float, float]], number: int, *, markers: bool = True) -> None:
        self._stroke(points, COLOURS[number % len(COLOURS)], 2)
        if markers and len(points) <= 40:
            for point in points:
                self._marker(point, number)

    def pixels(self) -> np.ndarray:
        shrunk = self._image.resize(self._size, Image.Resampling.BOX)
        return np.asarray(shrunk, np.float32) / np.float32(255)

    def _marker(self, at: tuple[float, float], number: int) -> None:
        x, y, r = at[0] * _FINER, at[1] * _FINER, 3 * _FINER
        colour, shape = COLOURS[number % len(COLOURS)], number % 4
        if shape == 0:
            self._draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)
        elif shape == 1:
            self._draw.rectangle((x - r, y - r, x + r, y + r), fill=colour)
        elif shape == 2:
            self._draw.polygon([(x - r, y + r), (x + r, y + r), (x, y - r)], fill=colour)
        else:
            self._draw.polygon([(x - r, y), (x, y - r), (x + r, y), (x, y + r)], fill=colour)

    def _stroke(self, points: Sequence[tuple[float, float]], colour: str, width: int) -> None:
        self._draw.line([(x * _FINER, y * _FINER) for x, y in points], fill=colour, width=width * _FINER, joint="curve")

    def _write(self, text: str, at: tuple[float, float], anchor: str, colour: str = _TEXT) -> None:
        self._draw.text((at[0] * _FINER, at[1] * _FINER), text, fill=colour, font=self._font, anchor=anchor)

    def _width(self, text: str) -> float:
        return float(self._draw.textlength(text, font=self._font)) / _FINER
