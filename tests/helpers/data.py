"""Real networks and pictures, from the folder that PIXELGRAD_TEST_DATA names (default ``../shared``)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def shared(relative: str) -> Path:
    """A file of the test data; the test is skipped where it is absent."""
    folder = Path(os.environ.get("PIXELGRAD_TEST_DATA", ROOT.parent / "shared"))
    path = folder / relative
    if not path.exists():
        pytest.skip(f"needs {relative} under PIXELGRAD_TEST_DATA ({folder}), which is not there")
    return path
