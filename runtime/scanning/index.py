"""What a scan found, on disk: per image each channel's largest activation and its place.

An SQLite file, so that a scan that is broken off goes on where it was, two may run at once, and memory does not grow
with the number of images. Files are known by path, size and modification time.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from pixelgrad.errors import OutputError, SettingsError

__all__ = ["Found", "ScanIndex"]

Array = np.ndarray[Any, Any]
_VALUES, _PLACES = np.dtype("<f4"), np.dtype("<u4")
_CHUNK = 256
# Text goes in as bytes: a file's name need not be valid Unicode, which sqlite3 takes no str without.
_TEXT = "CAST(? AS TEXT)"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS images (
    path TEXT PRIMARY KEY, bytes INTEGER NOT NULL, modified INTEGER NOT NULL,
    maxima BLOB, positions BLOB, error TEXT
);
CREATE TEMP TABLE listing (path TEXT PRIMARY KEY, bytes INTEGER NOT NULL, modified INTEGER NOT NULL);
CREATE TEMP TABLE todo (number INTEGER PRIMARY KEY, path TEXT NOT NULL, bytes INTEGER, modified INTEGER);
"""


@dataclass(frozen=True)
class Found:
    """One of a channel's strongest images: its path, the activation, and its place in the channel's map."""

    path: str
    value: float
    position: int


class ScanIndex:
    """The index of one layer of one network at one image size.

    >>> with ScanIndex(path, description) as index:
    ...     index.update(find_images(folder))

    description: JSON-able, all that the numbers depend on but the files; an index made for another is refused with
    :class:`SettingsError`. Raises :class:`OutputError` where ``path`` cannot be written or is no index.
    """

    def __init__(self, path: str | Path, description: Mapping[str, Any]) -> None:
        self.path = Path(path)
        text = json.dumps(description, sort_keys=True)
        with self._errors():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(self.path, timeout=60, isolation_level=None)
            try:
                self._database.text_factory = _decoded
                self._database.execute("PRAGMA synchronous = NORMAL")
                self._database.executescript(_SCHEMA)
                self._database.execute("INSERT OR IGNORE INTO meta VALUES ('description', ?)", (text,))
                (found,) = self._database.execute("SELECT value FROM meta WHERE key = 'description'").fetchone()
                if found != text:
                    raise SettingsError(
                        f"the index {str(self.path)!r} is that of another network, layer or size; give another "
                        "--index, or none to have one chosen"
                    )
            except BaseException:
                self.close()  # Windows moves and removes no file that is open
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._database.close()

    # Filling it ----------------------------------------------------------------------------------------------

    def update(self, files: Iterable[tuple[str, int, int]]) -> tuple[int, int]:
        """Say which images there are now, as :func:`find_images` does; how many there are, and how many are to do.

        What is known of files below the same folders that are gone or changed is not used.
        """
        with self._errors():
            self._database.execute("BEGIN")
            self._database.execute("DELETE FROM listing")
            self._database.execute("DELETE FROM todo")
            self._database.executemany(
                f"INSERT OR REPLACE INTO listing VALUES ({_TEXT}, ?, ?)",
                ((_encoded(path), size, modified) for path, size, modified in files),
            )
            self._database.execute(
                "INSERT INTO todo (path, bytes, modified) SELECT l.path, l.bytes, l.modified FROM listing l "
                "LEFT JOIN images i ON i.path = l.path AND i.bytes = l.bytes AND i.modified = l.modified "
                "WHERE i.path IS NULL ORDER BY l.path"
            )
            self._database.execute("COMMIT")
            return self._count("SELECT count(*) FROM listing"), self._count("SELECT count(*) FROM todo")

    def pending(self) -> Iterator[tuple[str, int, int]]:
        """The images to do, by path: (path, bytes, modification time)."""
        number = 0
        while True:
            with self._errors():
                rows = self._database.execute(
                    "SELECT number, path, bytes, modified FROM todo WHERE number > ? ORDER BY number LIMIT ?",
                    (number, _CHUNK),
                ).fetchall()
            if not rows:
                return
            number = rows[-1][0]
            yield from ((path, size, modified) for _, path, size, modified in rows)

    def add(self, rows: Sequence[tuple[tuple[str, int, int], Array, Array]]) -> None:
        """Keep the maxima [C] and positions [C] of images, all or none."""
        self._write(
            (*file, maxima.astype(_VALUES).tobytes(), positions.astype(_PLACES).tobytes(), None)
            for file, maxima, positions in rows
        )

    def add_unreadable(self, file: tuple[str, int, int], reason: str) -> None:
        """Remember that a file is no image, so that it is not tried again before it changes."""
        self._write([(*file, None, None, _encoded(reason))])

    def _write(self, rows: Iterable[tuple[Any, ...]]) -> None:
        with self._errors():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                self._database.executemany(
                    f"INSERT OR REPLACE INTO images VALUES ({_TEXT}, ?, ?, ?, ?, {_TEXT})",
                    ((_encoded(path), *others) for path, *others in rows),
                )
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    # Asking it -----------------------------------------------------------------------------------------------

    def count(self) -> tuple[int, int]:
        """How many of the listed images are known, and how many of these could not be read."""
        both = "FROM listing JOIN images USING (path, bytes, modified)"
        return self._count(f"SELECT count(*) {both}"), self._count(f"SELECT count(*) {both} WHERE error IS NOT NULL")

    def unreadable(self, most: int = 10) -> list[tuple[str, str]]:
        """Some of the listed files that could not be read, with the reason."""
        with self._errors():
            return self._database.execute(
                "SELECT path, error FROM listing JOIN images USING (path, bytes, modified) "
                "WHERE error IS NOT NULL ORDER BY path LIMIT ?",
                (most,),
            ).fetchall()

    def rows(self) -> Iterator[tuple[list[str], Array, Array]]:
        """Some images at a time, by path: paths, maxima float32 [n, C], positions uint32 [n, C]."""
        last = ""
        while True:
            with self._errors():
                found = self._database.execute(
                    "SELECT path, maxima, positions FROM listing JOIN images USING (path, bytes, modified) "
                    f"WHERE path > {_TEXT} AND error IS NULL ORDER BY path LIMIT ?",
                    (_encoded(last), _CHUNK),
                ).fetchall()
            if not found:
                return
            last = found[-1][0]
            yield (
                [row[0] for row in found],
                np.stack([np.frombuffer(row[1], _VALUES) for row in found]),
                np.stack([np.frombuffer(row[2], _PLACES) for row in found]),
            )

    def strongest(self, channels: Sequence[int], top: int) -> list[list[Found]]:
        """For each channel the ``top`` images with the largest activation above zero, one place in each, best first.

        Equal activations go by path.
        """
        best: list[list[Found]] = [[] for _ in channels]
        for paths, maxima, positions in self.rows():
            for found, channel in zip(best, channels, strict=True):
                values = maxima[:, channel]
                # A stable order: of equal activations the first path.
                for image in np.argsort(-values, kind="stable")[:top]:
                    if values[image] > 0:
                        found.append(Found(paths[image], float(values[image]), int(positions[image, channel])))
                found.sort(key=lambda one: (-one.value, one.path))
                del found[top:]
        return best

    def peaks(self) -> Array:
        """Each channel's largest activation over all images, float32 [C]; empty where there is no image."""
        peaks: Array | None = None
        for _, maxima, _ in self.rows():
            highest = maxima.max(axis=0)
            peaks = highest if peaks is None else np.maximum(peaks, highest)
        return np.empty(0, np.float32) if peaks is None else peaks

    def _count(self, query: str) -> int:
        with self._errors():
            return int(self._database.execute(query).fetchone()[0])

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise OutputError(
                f"the index {str(self.path)!r} cannot be written: {error}; choose another place with --index, or free "
                "some space"
            ) from error
        except sqlite3.DatabaseError as error:
            raise OutputError(
                f"{str(self.path)!r} is not the index of a scan ({error}); choose another --index"
            ) from error
        except OSError as error:
            raise OutputError(
                f"the index {str(self.path)!r} cannot be written: {error.strerror or error}; choose another place with "
                "--index"
            ) from error


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", sys.getfilesystemencodeerrors())


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", sys.getfilesystemencodeerrors())
