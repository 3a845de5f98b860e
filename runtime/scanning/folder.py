"""Which files of a folder are images, by their names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pixelgrad.errors import ImageError

__all__ = ["find_images"]

_ENDINGS = frozenset(
    f".{ending}"
    for line in ("png jpg jpeg jpe jfif webp tif tiff gif bmp avif", "jp2 j2k ppm pgm pbm pnm qoi psd")
    for ending in line.split()
)


def find_images(folder: Path) -> Iterator[tuple[str, int, int]]:
    """(absolute path, bytes, modification time in ns) of every image file in and below ``folder``, in no order.

    By the ending of the name; hidden files and folders are left out, and links to folders are not followed.
    Raises :class:`ImageError` where ``folder`` is none that can be read.
    """
    if not folder.is_dir():
        what = "is a file; give the folder that it is in" if folder.is_file() else "is not there; check its spelling"
        raise ImageError(f"the image folder {str(folder)!r} {what}")
    waiting = [os.fspath(folder.absolute())]
    first = True
    while waiting:
        try:
            entries = os.scandir(waiting.pop())
        except OSError as error:
            if first:
                raise ImageError(f"the image folder {str(folder)!r} cannot be read: {error.strerror}") from error
            continue  # a folder below that is closed to us, or gone meanwhile
        first = False
        with entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                try:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    elif Path(entry.name).suffix.lower() in _ENDINGS and entry.is_file():
                        status = entry.stat()
                        yield entry.path, status.st_size, status.st_mtime_ns
                except OSError:
                    continue
