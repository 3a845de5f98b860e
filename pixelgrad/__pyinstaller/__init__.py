"""Where PyInstaller finds what to pack beside the code; it asks through the entry point ``pyinstaller40``."""

from __future__ import annotations

from pathlib import Path

__all__ = ["hook_dirs"]


def hook_dirs() -> list[str]:
    """The folders of hooks."""
    return [str(Path(__file__).parent)]
