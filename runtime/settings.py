"""Checks that the settings of every task share; each names the setting, its value and what is allowed."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from pixelgrad.errors import ImageError, SettingsError
from pixelgrad.runtime.images import Picture

__all__ = ["LARGEST", "SMALLEST", "check_choice", "check_content", "check_edge", "check_number", "check_whole"]

#: Pixels along the shorter edge below which a picture has too little in it to work with.
SMALLEST = 8
#: Pixels along an edge above which no picture file, and no memory, holds what would come of it.
LARGEST = 65_535


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


def check_number(settings: Any, *names: str, positive: bool = False, optional: bool = False) -> None:
    """Each named field must be a finite number from 0 up, or above 0; ``None`` too where it is ``optional``."""
    for name in names:
        value = getattr(settings, name)
        if value is None and optional:
            continue
        if not (math.isfinite(value) and (value > 0 if positive else value >= 0)):
            raise SettingsError(f"{name} is {value}; it must be a number {'above 0' if positive else 'from 0 up'}")


def check_choice(name: str, value: Any, allowed: Collection[str]) -> None:
    """``value`` must be one of ``allowed``."""
    if value not in allowed:
        raise SettingsError(f"the {name} is {value!r}; it must be one of {', '.join(allowed)}")


def check_content(name: str, picture: Picture) -> None:
    """Raise :class:`ImageError` for a picture of a few pixels."""
    if min(picture.size) < SMALLEST:
        raise ImageError(
            f"the {name} is {picture.size[0]}x{picture.size[1]} pixels; there is too little in it to work with, "
            f"use one of at least {SMALLEST}x{SMALLEST}"
        )
