"""A network file on disk: its bytes, its hash, and one clear message where it cannot be read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pixelgrad.errors import NetworkError

_HEAD = 512
_CHUNK = 1 << 22


@dataclass(frozen=True)
class Source:
    """A file that is there and not empty; :meth:`open` raises :class:`NetworkError` otherwise."""

    path: Path
    head: bytes
    size: int

    @classmethod
    def open(cls, path: str | Path) -> Source:
        path = Path(path)
        try:
            if path.is_dir():
                raise NetworkError(f"{path.name or str(path)!r} is a folder; name the network file inside it")
            with path.open("rb") as stream:
                head = stream.read(_HEAD)
            size = path.stat().st_size
        except FileNotFoundError:
            raise NetworkError(f"there is no network file {path.name!r} in {str(path.parent)!r}") from None
        except OSError as error:
            raise cls._unreadable(path, error) from error
        if not head:
            raise NetworkError(f"the network file {path.name!r} is empty; download or export it again")
        return cls(path, head, size)

    @property
    def name(self) -> str:
        return self.path.name

    def read(self) -> bytes:
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise self._unreadable(self.path, error) from error

    @cached_property
    def sha256(self) -> str:
        return digest(self.path)

    @staticmethod
    def _unreadable(path: Path, error: OSError) -> NetworkError:
        return NetworkError(f"the network file {path.name!r} cannot be read: {error.strerror or error}")


def digest(*paths: Path) -> str:
    """The SHA-256 of files one after the other."""
    result = hashlib.sha256()
    for path in paths:
        try:
            with path.open("rb") as stream:
                while chunk := stream.read(_CHUNK):
                    result.update(chunk)
        except OSError as error:
            raise Source._unreadable(path, error) from error
    return result.hexdigest()
