"""The network in the box."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

__all__ = ["BUNDLED", "bundled_network"]

BUNDLED = "pebble"


def bundled_network() -> Path | None:
    """The file of the bundled network, or ``None`` in an installation without one."""
    path = Path(str(resources.files("pixelgrad.models") / f"{BUNDLED}.onnx"))
    return path if path.is_file() else None
