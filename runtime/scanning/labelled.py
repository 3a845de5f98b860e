"""Images whose classes are known: in folders that are named after them, or listed in a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pixelgrad.errors import ImageError
from pixelgrad.runtime.scanning.folder import check_folder, find_images

__all__ = ["LabelledImages", "class_folders", "labelled_folders", "labelled_list", "read_list"]

_HEADINGS = {"class", "label", "target", "truth"}


@dataclass(frozen=True)
class LabelledImages:
    """where: what a message calls the place. files: a new round over (path, bytes, time), as :func:`find_images` gives
    them. truth: the class of a path.
    """

    where: str
    files: Callable[[], Iterator[tuple[str, int, int]]]
    truth: Callable[[str], int]


def class_folders(folder: Path) -> list[str]:
    """The names of the folders in ``folder``, sorted: one for each class.

    Raises :class:`ImageError` where there is none.
    """
    check_folder(folder)
    names = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not names:
        raise ImageError(
            f"there are no folders in {str(folder)!r}; put the images of each class into a folder with its name, or "
            "list them in a CSV file of path,class (--labels)"
        )
    return names


def labelled_folders(folder: Path, classes: Mapping[str, int]) -> LabelledImages:
    """The images below the folders that ``classes`` names, each of the class of its folder; others do not count."""
    root = folder.absolute()

    def files() -> Iterator[tuple[str, int, int]]:
        for name in classes:
            yield from find_images(root / name)

    return LabelledImages(str(folder), files, lambda path: classes[Path(path).relative_to(root).parts[0]])


def read_list(path: Path, folder: Path | None = None) -> list[tuple[str, str]]:
    """The rows of a CSV file of ``path,class``, as absolute paths and the classes as they stand there.

    folder: what relative paths are relative to; the file's own folder by default. A first row of headings is left out.
    Raises :class:`ImageError` for a file that cannot be read, a row that is no pair, or an image that is not there.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [(number, row) for number, row in enumerate(csv.reader(file), 1) if any(map(str.strip, row))]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ImageError(
            f"the labels {str(path)!r} cannot be read: {reason}; it must be a CSV file of path,class"
        ) from None
    found = []
    base = (folder or path.parent).absolute()
    for number, row in rows:
        if len(row) != 2 or not row[0].strip() or not row[1].strip():
            raise ImageError(f"line {number} of {str(path)!r} is {','.join(row)!r}; it must be path,class")
        name, label = row[0].strip(), row[1].strip()
        image = base / name
        if not image.is_file():
            if number == 1 and label.lower() in _HEADINGS:
                continue
            raise ImageError(f"line {number} of {str(path)!r}: there is no image {name!r} in {str(base)!r}")
        found.append((str(image), label))
    if not found:
        raise ImageError(f"the labels {str(path)!r} name no image")
    return found


def labelled_list(where: str, rows: Iterable[tuple[str, int]]) -> LabelledImages:
    """Images with the index of their class, by absolute path."""
    truths = dict(rows)

    def files() -> Iterator[tuple[str, int, int]]:
        for path in truths:
            status = Path(path).stat()
            yield path, status.st_size, status.st_mtime_ns

    return LabelledImages(where, files, truths.__getitem__)
