"""Which files of a folder are images, by their names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pixelgrad.errors import ImageError

__all__ = ["check_folder", "find_images"]

_ENDINGS = frozenset(
    f".{ending}"
    for line in ("png jpg jpeg jpe jfif webp tif tiff gif bmp avif", "jp2 j2k ppm pgm pbm pnm qoi psd")
    for ending in line.split()
)


def check_folder(folder: Path) -> None:
    """Raise :class:`ImageError` unless ``folder`` is one that can be read."""
    try:
        os.scandir(folder).close()
    except FileNotFoundError:
        what = "is not there; check its spelling"
    except NotADirectoryError:
        what = "is a file; give the folder that it is in"
    except (OSError, ValueError) as error:  # ValueError: a null character
        what = f"cannot be read: {getattr(error, 'strerror', None) or error}"
    else:
        return
    raise ImageError(f"the image folder {str(folder)!r} {what}")


def find_images(folder: Path) -> Iterator[tuple[str, int, int]]:
    """(absolute path, bytes, modification time in ns) of every image file in and below ``folder``, in no order.

    By the ending of the name; hidden files and folders are left out, and links to folders are not followed.
    Raises :class:`ImageError` where ``folder`` is none that can be read.
    """
    check_folder(folder)
    waiting = [os.fspath(folder.absolute())]
    while waiting:
        try:
            entries = os.scandir(waiting.pop())
        except OSError:
            continue  # a folder below that is closed to us, or gone meanwhile
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
