"""Columns of text, as wide as what is in them: nothing is cut when the output goes into a pipe."""

from __future__ import annotations

from collections.abc import Sequence


def columns(heads: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> list[str]:
    """Lines of ``rows`` under ``heads``; the columns in ``right`` are aligned to the right."""
    table = [list(heads), *(list(row) for row in rows)]
    widths = [max(len(row[at]) for row in table) for at in range(len(heads))]
    return [
        "  ".join(
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]


def megabytes(size: int | None) -> str:
    """A size for people; ``?`` where it is not known."""
    if size is None:
        return "?"
    return f"{size / 1e6:.0f} MB" if size >= 1e7 else f"{size / 1e6:.1f} MB"
