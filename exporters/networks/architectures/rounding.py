"""How the mobile networks of Google round numbers of channels."""

from __future__ import annotations

__all__ = ["rounded"]


def rounded(channels: float, multiple: int = 8, least: float = 0.9) -> int:
    """The nearest multiple, or the next if that would lose more than a tenth (Sandler et al. 2018, their code)."""
    found = max(multiple, int(channels + multiple / 2) // multiple * multiple)
    return found if found >= least * channels else found + multiple
