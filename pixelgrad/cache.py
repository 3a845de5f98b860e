"""What was made on demand, kept for the next time under a hash of all that went into it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from pixelgrad.errors import ArtifactError, OutputError
from pixelgrad.runtime import Artifact
from pixelgrad.version import __version__

__all__ = ["cached_artifact", "conversions", "home"]

_MOST = 32


def home() -> Path:
    """Where pixelgrad keeps what it can make again: ``PIXELGRAD_HOME``, or the platform's cache folder."""
    chosen = os.environ.get("PIXELGRAD_HOME")
    if chosen:
        return Path(chosen).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("pixelgrad", appauthor=False)


def conversions() -> Path:
    """Where conversions of network files are kept; those that yesterday's exporter made are thrown away."""
    folder = home() / "conversions"
    current = folder / _exporter()[:16]
    if folder.is_dir() and not current.exists():
        for old in folder.iterdir():
            shutil.rmtree(old, ignore_errors=True)
    return current


def cached_artifact(key: dict[str, Any], write: Callable[[Path], object]) -> Path:
    """The folder of the artifact for ``key``; ``write(folder)`` makes it where it is not there yet or is damaged.

    key: JSON-able, all that the artifact depends on but the exporter itself. The 32 used last are kept.
    """
    text = json.dumps({**key, "exporter": _exporter()}, sort_keys=True)
    folder = home() / "artifacts" / hashlib.sha256(text.encode()).hexdigest()[:32]
    if not _sound(folder):
        try:
            shutil.rmtree(folder, ignore_errors=True)
            write(folder)
        except OutputError:
            if not _sound(folder):  # else another process was faster
                raise
    with contextlib.suppress(OSError):
        os.utime(folder)
    _prune(folder.parent)
    return folder


def _sound(folder: Path) -> bool:
    try:
        artifact = Artifact(folder, device="cpu")
    except ArtifactError:
        return False
    return all((folder / name).stat().st_size == row["bytes"] for name, row in artifact.manifest["files"].items())


@cache
def _exporter() -> str:
    """The version, and a hash of the exporter's own code: an artifact of yesterday's exporter is not today's."""
    digest = hashlib.sha256(__version__.encode())
    for package in ("pixelgrad.exporters", "pixelgrad.models"):
        waiting = [resources.files(package)]
        while waiting:
            for entry in sorted(waiting.pop().iterdir(), key=lambda e: e.name):
                if entry.is_dir() and entry.name not in {"__pycache__", "training"}:
                    waiting.append(entry)
                elif entry.name.endswith(".py"):
                    digest.update(entry.read_bytes())
    return digest.hexdigest()


def _prune(folder: Path) -> None:
    with contextlib.suppress(OSError):
        known = sorted((p for p in folder.iterdir() if not p.name.startswith(".")), key=lambda p: p.stat().st_mtime)
        for old in known[:-_MOST]:
            shutil.rmtree(old, ignore_errors=True)
