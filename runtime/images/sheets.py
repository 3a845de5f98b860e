"""Contact sheets: pictures in rows, with captions, headings and a title that can be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pixelgrad.errors import SettingsError
from pixelgrad.runtime.images.arrays import Floats
from pixelgrad.runtime.images.picture import Picture
from pixelgrad.runtime.images.recipes import Recipe
from pixelgrad.runtime.images.resizing import fit_size

__all__ = ["sheet"]

_SMALLEST_TEXT, _LARGEST_TEXT = 12, 28
_CELLS_PER_TEXT = 15  # a caption of some 25 letters to a cell
_TITLE = 1.4
_LEADING = 1.25
_MOST_LINES = 3
_ROW_NAME_CELLS = 0.75
_WHITE, _BLACK = 1.0, 0.1


def sheet(
    rows: Sequence[Sequence[Picture | None]],
    *,
    title: str | None = None,
    columns: Sequence[str] | None = None,
    row_names: Sequence[str] | None = None,
    captions: Sequence[Sequence[str | None]] | None = None,
    cell: int | None = None,
    gutter: int = 8,
    margin: int = 12,
    text_size: int | None = None,
    recipe: Recipe | None = None,
) -> Picture:
    """One picture of many: ``rows`` of pictures on white, each column as wide as its widest.

    rows: may differ in length; ``None`` leaves a cell empty. A sheet without ``margin`` may be a cell of another.
    title: above all. columns: a heading over each column. row_names: left of each row. captions: under each picture,
        shaped as ``rows``. What is too long for its place is wrapped, then cut.
    cell: pictures are made to fit a square of so many pixels: shrunk by Lanczos, enlarged only by a whole number of
        times and without interpolation, so that small features stay what they are. As they are by default.
    gutter: pixels between cells; margin: around the sheet; text_size: in pixels, by the cells' width by default.

    Raises :class:`SettingsError` where there is no picture, or where the texts do not match the rows.
    """
    _check(rows, columns, row_names, captions)
    cells = [[None if picture is None else _pixels(picture, cell) for picture in row] for row in rows]
    across = max(len(row) for row in cells)
    shapes = [(index, pixels.shape) for row in cells for index, pixels in enumerate(row) if pixels is not None]
    widths = [max((shape[1] for index, shape in shapes if index == column), default=0) for column in range(across)]
    widest = max(widths)
    size = text_size or min(_LARGEST_TEXT, max(_SMALLEST_TEXT, round(widest / _CELLS_PER_TEXT)))
    font = ImageFont.load_default(size)

    canvas = _Canvas()
    names = [_Text.fit(name, font, max(6 * size, round(_ROW_NAME_CELLS * widest))) for name in row_names or ()]
    left = margin + (max(name.width for name in names) + gutter if names else 0)
    starts = [left + sum(widths[:column]) + gutter * column for column in range(across)]
    right = starts[-1] + widths[-1]
    y = margin
    if title:
        text = _Text.fit(title, ImageFont.load_default(round(_TITLE * size)), right - margin)
        canvas.write(text, margin, y)
        y += text.height + gutter
    if columns:
        headings = [_Text.fit(name, font, width) for name, width in zip(columns, widths, strict=True)]
        base = y + max(heading.height for heading in headings)
        for heading, start, width in zip(headings, starts, widths, strict=True):
            canvas.write(heading, start + (width - heading.width) // 2, base - heading.height)
        y = base + gutter // 2
    for number, row in enumerate(cells):
        tallest = max((pixels.shape[0] for pixels in row if pixels is not None), default=0)
        if names:
            name = names[number]
            canvas.write(name, left - gutter - name.width, y + max(0, (tallest - name.height) // 2))
        below = 0
        for column, pixels in enumerate(row):
            if pixels is None:
                continue
            x = starts[column] + (widths[column] - pixels.shape[1]) // 2
            canvas.paste(pixels, x, y)
            caption = captions[number][column] if captions else None
            if caption:
                text = _Text.fit(caption, font, widths[column])
                canvas.write(text, starts[column] + (widths[column] - text.width) // 2, y + pixels.shape[0] + 4)
                below = max(below, pixels.shape[0] - tallest + 4 + text.height)
        y += max(tallest, names[number].height if names else 0) + below + gutter
    return Picture(canvas.drawn(right + margin, y - gutter + margin), None, recipe)


def _check(
    rows: Sequence[Sequence[Picture | None]],
    columns: Sequence[str] | None,
    row_names: Sequence[str] | None,
    captions: Sequence[Sequence[str | None]] | None,
) -> None:
    if not any(picture is not None for row in rows for picture in row):
        raise SettingsError("a sheet needs at least one picture")
    across = max(len(row) for row in rows)
    if columns is not None and len(columns) != across:
        raise SettingsError(f"the sheet has {across} columns and {len(columns)} headings; give one for each")
    if row_names is not None and len(row_names) != len(rows):
        raise SettingsError(f"the sheet has {len(rows)} rows and {len(row_names)} names for them; give one for each")
    if captions is not None and [len(row) for row in captions] != [len(row) for row in rows]:
        raise SettingsError("the captions are not as many as the pictures; give one (or None) for each, row by row")


def _pixels(picture: Picture, cell: int | None) -> Floats:
    """[H, W, 3], laid over white and made to fit."""
    flat = picture.flattened()
    if cell is None:
        return flat.pixels
    longest = max(flat.size)
    if longest > cell:
        return flat.resized(*fit_size(*flat.size, cell)).pixels
    times = cell // longest
    return flat.pixels.repeat(times, axis=0).repeat(times, axis=1)


@dataclass(frozen=True)
class _Text:
    """Lines of text in a font, and the room that they take."""

    lines: tuple[str, ...]
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont
    width: int
    height: int

    @classmethod
    def fit(cls, text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> _Text:
        lines = _wrapped(text, font, width)
        wide = max((_length(line, font) for line in lines), default=0)
        return cls(tuple(lines), font, wide, _line_height(font) * len(lines))


def _wrapped(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    lines: list[str] = []
    for paragraph in text.splitlines():
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}".strip()
            if line and _length(longer, font) > width:
                lines.append(line)
                line = word
            else:
                line = longer
        lines.append(line)
    if len(lines) > _MOST_LINES:
        lines[_MOST_LINES - 1 :] = [" ".join(lines[_MOST_LINES - 1 :])]
    return [_cut(line, font, width) for line in lines]


def _cut(line: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """The line, with its middle left out where it is too long: layer names differ at both ends."""
    if _length(line, font) <= width:
        return line
    for kept in range(len(line) - 1, 0, -1):
        shorter = f"{line[: (kept + 1) // 2]}…{line[len(line) - kept // 2 :]}"
        if _length(shorter, font) <= width:
            return shorter
    return line[:1]


def _length(line: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> int:
    return -int(-font.getlength(line) // 1)


def _line_height(font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> int:
    return round(_LEADING * getattr(font, "size", _SMALLEST_TEXT))


class _Canvas:
    """What goes where, drawn when the size is known. Pictures keep their floating-point samples."""

    def __init__(self) -> None:
        self._pictures: list[tuple[Floats, int, int]] = []
        self._texts: list[tuple[_Text, int, int]] = []

    def paste(self, pixels: Floats, x: int, y: int) -> None:
        self._pictures.append((pixels, x, y))

    def write(self, text: _Text, x: int, y: int) -> None:
        """The left upper corner of ``text``; its lines are centred in its width."""
        self._texts.append((text, x, y))

    def drawn(self, width: int, height: int) -> Floats:
        ink = Image.new("L", (width, height), 0)
        draw = ImageDraw.Draw(ink)
        for text, x, y in self._texts:
            for number, line in enumerate(text.lines):
                indent = (text.width - _length(line, text.font)) // 2
                draw.text((x + indent, y + number * _line_height(text.font)), line, fill=255, font=text.font)
        cover = np.asarray(ink, np.float32)[..., None] / np.float32(255)
        result = np.repeat(_WHITE + (_BLACK - _WHITE) * cover, 3, axis=2).astype(np.float32)
        for pixels, x, y in self._pictures:
            result[y : y + pixels.shape[0], x : x + pixels.shape[1]] = pixels
        return result
