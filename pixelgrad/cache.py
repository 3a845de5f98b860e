"""What was made on demand, kept for the next time under a hash of all that went into it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from pixelgrad.errors import ArtifactError, OutputError, SettingsError
from pixelgrad.runtime import Artifact
from pixelgrad.version import __version__

__all__ = ["cached_artifact", "conversions", "home"]

_MOST = 32
_RECENT, _ABANDONED, _PATIENCE = 15 * 60, 24 * 3600, 120  # seconds


def home() -> Path:
    """Where pixelgrad keeps what it can make again: ``PIXELGRAD_HOME``, or the platform's cache folder."""
    chosen = os.environ.get("PIXELGRAD_HOME")
    if chosen:
        try:
            return Path(chosen).expanduser()
        except RuntimeError:
            raise SettingsError(
                f"PIXELGRAD_HOME is {chosen!r}, and there is no such user; set it to the path of a folder"
            ) from None
    from platformdirs import user_cache_path

    return user_cache_path("pixelgrad", appauthor=False)


def conversions() -> Path:
    """Where conversions of network files are kept; those that yesterday's exporter made are thrown away."""
    folder = home() / "conversions"
    current = folder / _exporter()[:16]
    if folder.is_dir() and not current.exists():
        for old in folder.iterdir():
            if old != current:  # which another may have made meanwhile
                shutil.rmtree(old, ignore_errors=True)
    return current


def cached_artifact(key: dict[str, Any], write: Callable[[Path], object]) -> Path:
    """The folder of the artifact for ``key``; ``write(folder)`` makes it where it is not there yet or is damaged.

    key: JSON-able, all that the artifact depends on but the exporter itself. The 32 used last are kept, and whatever
    was used in the last quarter of an hour: a strip of many layers needs all of its own.
    """
    # What JSON does not hold is no setting either: the exporter refuses it, in its own words.
    text = json.dumps({**key, "exporter": _exporter()}, sort_keys=True, default=repr)
    folder = home() / "artifacts" / hashlib.sha256(text.encode()).hexdigest()[:32]
    if not _sound(folder):
        _make(folder, write)
    with contextlib.suppress(OSError):
        os.utime(folder)
    _prune(folder.parent)
    return folder


def _make(folder: Path, write: Callable[[Path], object]) -> None:
    """Write an artifact that is missing or damaged, while others who want it wait, in this process or another."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(Timeout):  # of a process that was stopped, say: its work is done once more
            lock.acquire(timeout=_PATIENCE)
    except OSError as error:
        raise _nowhere(f"the folder {str(folder.parent)!r} cannot be written to: {error.strerror or error}") from error
    try:
        if _sound(folder):
            return
        shutil.rmtree(folder, ignore_errors=True)
        write(folder)
    except OutputError as error:
        if not _sound(folder):  # else another was faster
            raise _nowhere(str(error)) from error
    finally:
        lock.release()


def _nowhere(why: str) -> OutputError:
    return OutputError(f"{why} (pixelgrad keeps what it makes there; PIXELGRAD_HOME names another folder)")


def _sound(folder: Path) -> bool:
    try:
        artifact = Artifact(folder, device="cpu")
        return all((folder / name).stat().st_size == row["bytes"] for name, row in artifact.manifest["files"].items())
    except (ArtifactError, OSError):  # the latter where another is just taking a damaged one away
        return False


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
        used = {path: path.stat().st_mtime for path in folder.iterdir()}
        known = sorted((path for path in used if not path.name.startswith(".")), key=lambda path: used[path])
        now = time.time()
        for old in known[:-_MOST]:
            if now - used[old] > _RECENT:
                shutil.rmtree(old, ignore_errors=True)
        for path, since in used.items():
            if path.name.startswith(".") and now - since > _ABANDONED:  # by a process that was killed
                if path.suffix == ".lock":
                    path.unlink(missing_ok=True)
                else:
                    shutil.rmtree(path, ignore_errors=True)
