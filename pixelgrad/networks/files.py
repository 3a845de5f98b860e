"""What both fetching and keeping files need: hashes, and what to say when a place cannot be written."""

from __future__ import annotations

import contextlib
import errno
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pixelgrad.errors import OutputError
from pixelgrad.models import Download

__all__ = ["Fetched", "OnProgress", "Progress", "amount", "hashes", "mismatch", "writing"]


@dataclass(frozen=True)
class Progress:
    """file: its name. done, total: bytes; ``total`` is ``None`` while it is not known. state: what is going on."""

    file: str
    done: int
    total: int | None
    state: str = "downloading"


OnProgress = Callable[[Progress], object]


@dataclass(frozen=True)
class Fetched:
    """sha256, size: of the file as it is now on disk."""

    sha256: str
    size: int


def mismatch(download: Download, sha256: str, sha1: str, size: int) -> str | None:
    """How a file differs from what its publisher says of it, in words; ``None`` where it does not."""
    if download.size is not None and size != download.size:
        return f"it has {size:,} bytes instead of {download.size:,}"
    if download.sha256 is not None and not sha256.startswith(download.sha256.lower()):
        return f"its sha256 is {sha256} instead of {download.sha256}{'...' if len(download.sha256) < 64 else ''}"
    if download.sha1 is not None and sha1 != download.sha1.lower():
        return f"its sha1 is {sha1} instead of {download.sha1}"
    return None


def hashes(path: Path) -> tuple[str, str]:
    """SHA-256 and SHA-1 of a file, in hexadecimal."""
    sha256, sha1 = hashlib.sha256(), hashlib.sha1(usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 22):
            sha256.update(chunk)
            sha1.update(chunk)
    return sha256.hexdigest(), sha1.hexdigest()


@contextlib.contextmanager
def writing(place: Path, *, resumes: bool = False) -> Iterator[None]:
    """What the file system refuses, as :class:`OutputError` that says what to do.

    resumes: whether what was written up to then is of use to the next try.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:  # no file system said so: errors of the network are of this kind too
            raise
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            kept = "; what had come is kept, and the same command goes on from there" if resumes else ""
            raise OutputError(
                f"the disk is full at {place}: make room, or set PIXELGRAD_HOME to a folder on another disk{kept}"
            ) from error
        raise OutputError(
            f"{place} cannot be written ({error.strerror or error}); set PIXELGRAD_HOME to a folder that can"
        ) from error


def amount(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size:,} bytes"
