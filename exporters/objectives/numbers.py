"""Checks of what an objective is told in numbers."""

from __future__ import annotations

from typing import Any

from pixelgrad.errors import SettingsError

__all__ = ["check_batch", "check_number", "is_number"]

# The loss is computed in float32, which ends at 3.4e38; this leaves room for squares and for sums over a picture.
_MOST = 1e12
# What one picture takes of memory, so many times.
_MOST_IMAGES = 64


def is_number(value: Any, least: float = 0.0, most: float = _MOST) -> bool:
    """Whether ``value`` is a number, and in that range; no text, truth value, NaN or infinity is."""
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def check_number(name: str, value: Any, least: float = 0.0, most: float = _MOST) -> None:
    """Raise :class:`SettingsError` unless ``value`` is a number from ``least`` to ``most``."""
    if not is_number(value, least, most):
        raise SettingsError(f"{name} is {value!r}; it must be a number from {least:g} up to {most:g}")


def check_batch(batch: Any) -> None:
    """Raise :class:`SettingsError` unless so many images can be evaluated at once."""
    if isinstance(batch, bool) or not isinstance(batch, int) or not 1 <= batch <= _MOST_IMAGES:
        raise SettingsError(f"batch is {batch!r}; it must be a whole number of pictures from 1 to {_MOST_IMAGES}")
