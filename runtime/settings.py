"""Checks that the settings of every task share; each names the setting, its value and what is allowed."""

from __future__ import annotations

import operator
import re
from collections.abc import Collection, Iterable
from typing import Any

from pixelgrad.errors import ImageError, SettingsError
from pixelgrad.runtime.images import Picture

__all__ = [
    "LARGEST",
    "SMALLEST",
    "check_channel_list",
    "check_choice",
    "check_content",
    "check_edge",
    "check_flag",
    "check_number",
    "check_whole",
    "is_number",
    "memory_size",
    "whole_numbers",
]

#: Pixels along the shorter edge below which a picture has too little in it to work with.
SMALLEST = 8
#: Pixels along an edge above which no picture file, and no memory, holds what would come of it.
LARGEST = 65_535
# All is computed in float32, which ends at 3.4e38; this leaves room for squares and for sums over a picture.
_MOST = 1e12

_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?", re.IGNORECASE | re.ASCII)
_LEAST_MEMORY = 1_000_000


def check_whole(settings: Any, least: int, *names: str, most: int | None = None, optional: bool = False) -> None:
    """Each named field must be a whole number from ``least`` up, or to ``most``; where ``optional``, or ``None``."""
    for name in names:
        value = getattr(settings, name)
        if value is None and optional:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= (most or value):
            allowed = f"from {least} up" if most is None else f"from {least} to {most}"
            raise SettingsError(f"{name} is {value!r}; it must be a whole number {allowed}")


def check_edge(settings: Any, *names: str, optional: bool = False) -> None:
    """Each named field must be an edge in pixels that a picture can have; ``None`` too where it is ``optional``."""
    check_whole(settings, SMALLEST, *names, most=LARGEST, optional=optional)


def is_number(value: Any, least: float = 0.0, most: float = _MOST) -> bool:
    """Whether ``value`` is a number, and in that range; no text, truth value, NaN or infinity is."""
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def check_number(
    settings: Any,
    *names: str,
    least: float = 0.0,
    most: float = _MOST,
    positive: bool = False,
    optional: bool = False,
    unit: str = "",
) -> None:
    """Each named field must be a number from ``least`` to ``most``, or above 0; ``None`` too where it is ``optional``.

    unit: what it is a number of, in a message.
    """
    for name in names:
        value = getattr(settings, name)
        if value is None and optional:
            continue
        if not is_number(value, least, most) or (positive and not value):
            low = "above 0," if positive else f"from {least:g}"
            high = f"up to {most:g}" if positive or most == _MOST else f"to {most:g}"
            raise SettingsError(f"{name} is {value!r}; it must be a number {f'of {unit} ' if unit else ''}{low} {high}")


def check_flag(settings: Any, *names: str, optional: bool = False) -> None:
    """Each named field must be ``True`` or ``False``; ``None`` too where it is ``optional``."""
    for name in names:
        value = getattr(settings, name)
        if not isinstance(value, bool) and not (value is None and optional):
            raise SettingsError(f"{name} is {value!r}; it must be True or False")


def memory_size(text: str, name: str) -> int:
    """``4GB``, ``1.5 GiB``, ``512M`` or a number of bytes, as bytes; :class:`SettingsError` for less than a megabyte.

    GB are powers of ten and GiB of two, as the SI and IEC 80000 have them.
    """
    match = _MEMORY.fullmatch(text.strip())
    base = 1024 if match and match[3] else 1000
    count = round(float(match[1]) * base ** " KMGT".index(match[2].upper() or " ")) if match else 0
    if count < _LEAST_MEMORY:
        raise SettingsError(f"{name} is {text!r}; it must be a size such as 4GB or 800MB")
    return count


def whole_numbers(name: str, values: Iterable[Any]) -> list[int]:
    """``values`` as Python's whole numbers, NumPy's among them; :class:`SettingsError` for anything else."""
    try:
        return [operator.index(None if isinstance(value, bool) else value) for value in values]  # type: ignore[arg-type]
    except TypeError:
        raise SettingsError(f"{name} is {values!r}; it must be a list of whole numbers, such as [3, 7]") from None


def check_channel_list(settings: Any) -> None:
    """``channels`` must be a list of whole numbers with at least one in it, or ``None``."""
    if settings.channels is not None and not whole_numbers("channels", settings.channels):
        raise SettingsError("there are no channels to show; give some, or none to have the strongest chosen")


def check_choice(name: str, value: Any, allowed: Collection[str]) -> None:
    """``value`` must be one of ``allowed``."""
    if not isinstance(value, str) or value not in allowed:
        raise SettingsError(f"the {name} is {value!r}; it must be one of {', '.join(allowed)}")


def check_content(name: str, picture: Picture) -> None:
    """Raise :class:`ImageError` for a picture of a few pixels, and for what is no :class:`Picture` yet."""
    if not isinstance(picture, Picture):
        raise ImageError(f"the {name} is {type(picture).__name__}, not a Picture; read_image makes one of it")
    if min(picture.size) < SMALLEST:
        raise ImageError(
            f"the {name} is {picture.size[0]}x{picture.size[1]} pixels; there is too little in it to work with, "
            f"use one of at least {SMALLEST}x{SMALLEST}"
        )
