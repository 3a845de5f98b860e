"""Pictures to files and to standard output: checked before the work starts, whole or not at all after it."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pixelgrad.errors import OutputError
from pixelgrad.runtime.images.encoding import check_quality, check_size, encode_image, format_of

if TYPE_CHECKING:
    from pixelgrad.runtime.images.picture import Picture

__all__ = ["STANDARD_STREAM", "check_output", "check_place", "standard_output", "write_image", "written_beside"]

STANDARD_STREAM = "-"

_TEMPORARY = ".pixelgrad-{}.tmp"
_ABANDONED = 24 * 3600  # seconds
_MEGABYTE = 10**6
# What is asked for while the size of the picture is not known yet.
_ROOM = 16 * _MEGABYTE


def check_output(path: str | PathLike[str], *, force: bool = False, size: tuple[int, int] | None = None) -> Path | None:
    """Whether a picture can be written to ``path``; to be called before long work starts.

    ``path``: a file whose suffix names a format (.png, .jpg, .jpeg, .webp, .tif, .tiff), or ``-`` for PNG
    on standard output. ``force``: an existing file may be replaced. ``size``: (width, height) in pixels,
    where known, checked against the format and the free space. Returns the path as given, or ``None`` for
    standard output. ``OutputError`` where the picture could not be written.
    """
    if os.fspath(path) == STANDARD_STREAM:
        standard_output()
        return None
    if not os.fspath(path):
        raise OutputError("the name of the output is empty; name a file, such as out.png")
    path = Path(path)
    form = format_of(path)
    if size is not None:
        check_size(form, *size, name=str(path))
    check_place(path, force=force, needed=_ROOM if size is None else size[0] * size[1] * 4 + _MEGABYTE)
    return path


def check_place(path: Path, *, force: bool = False, needed: int = _ROOM) -> None:
    """``OutputError`` where no file of ``needed`` bytes, of whatever format, could be put at ``path``."""
    target = _target(path, force)
    with _os_errors(path):
        os.close(_create(probe := _beside(target)))
        probe.unlink()
    _sweep(target.parent)
    with suppress(OSError):  # not every file system can tell
        free = shutil.disk_usage(target.parent).free
        if free < needed:
            raise OutputError(f"{path}: {_disk_full(target, needed)}")


def write_image(
    picture: Picture, target: str | PathLike[str], *, quality: int = 95, force: bool = False
) -> Path | None:
    """Write ``picture`` to the file ``target``, or as PNG to standard output where ``target`` is ``-``.

    The format follows from the suffix; what each one keeps is said at ``encode_image``. The file appears
    whole or not at all: it is written beside its place under another name and then moved, and without
    ``force`` it never replaces a file, not even one that has appeared since ``check_output``. A symbolic
    link stays, and the file that it points to is written. Returns the path as given, or ``None`` for
    standard output. ``OutputError`` where it cannot be written; ``SettingsError`` for a ``quality`` outside
    1 to 100.
    """
    check_quality(quality)
    if not isinstance(target, str | PathLike):
        raise OutputError(f"cannot write to {type(target).__name__}; name a file, or write Picture.to_bytes() there")
    if os.fspath(target) == STANDARD_STREAM:
        stream = standard_output()
        _write_stream(stream, encode_image(picture, "PNG"))
        return None
    path = Path(target)
    form = format_of(path)
    _target(path, force)
    check_size(form, *picture.size, name=str(path))
    data = encode_image(picture, form.name, quality=quality)
    with written_beside(path, force=force, size=len(data)) as file:
        file.write(data)
    return path


@contextmanager
def written_beside(path: Path, *, force: bool = False, size: int = 0) -> Iterator[IO[bytes]]:
    """An open file beside ``path`` to write to, which takes its place at the end, or is gone after an error.

    size: bytes that it is going to have, where known. ``OutputError`` as :func:`write_image` says.
    """
    place = _target(path, force)
    temporary = _beside(place)
    with _os_errors(path, size):
        try:
            with os.fdopen(_create(temporary), "wb") as file:
                yield file
            if force:
                with suppress(OSError):  # who may read and write it is its owner's to say
                    shutil.copymode(place, temporary)
                os.replace(temporary, place)  # noqa: PTH105 (named as the docs name the atomic call)
            else:
                _move_without_replacing(temporary, place)
        finally:
            # Also after Ctrl-C. Gone already where it has been moved.
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def _target(path: Path, force: bool) -> Path:
    """Where ``path`` leads, if a picture may be put there."""
    if "\0" in str(path):
        raise OutputError(f"{str(path)!r} holds a null character; choose another file name")
    with _os_errors(path):
        target = Path(os.path.realpath(path))
        if not target.parent.is_dir():
            raise OutputError(f"{path}: there is no folder {path.parent}; create it, or choose another")
        try:
            mode = target.stat().st_mode
        except FileNotFoundError:
            return target
    if stat.S_ISDIR(mode):
        raise OutputError(f"{path}: is a folder; name a file in it, such as {path / 'out.png'}")
    if not stat.S_ISREG(mode):
        raise OutputError(f"{path}: is not a regular file; use - to write PNG to standard output")
    if not force:
        raise OutputError(_exists(path))
    return target


def _exists(path: Path) -> str:
    return f"{path}: exists already; choose another name, or replace it with --force (force=True in Python)"


def _sweep(folder: Path) -> None:
    """Remove what processes left behind that were killed while they wrote, a day ago or earlier."""
    with suppress(OSError):
        for left_over in folder.glob(_TEMPORARY.format("*")):
            if time.time() - left_over.stat().st_mtime > _ABANDONED:
                left_over.unlink()


def _beside(target: Path) -> Path:
    # In the same folder, since a move is atomic only within a file system. The length does not depend on the
    # target's name, which may be as long as names can be.
    return target.parent / _TEMPORARY.format(secrets.token_hex(8))


def _create(path: Path) -> int:
    # Not the tempfile module: it makes files that only their owner can read, and a picture is moved as it is.
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o666)


def _move_without_replacing(source: Path, target: Path) -> None:
    try:
        os.link(source, target)  # fails where the target exists, unlike a rename
    except FileExistsError:
        raise
    except OSError:
        # No hard links here (FAT, some network drives): take the name first, then fill it.
        os.close(_create(target))
        try:
            os.replace(source, target)  # noqa: PTH105
        except BaseException:
            with suppress(OSError):
                target.unlink()
            raise


@contextmanager
def _os_errors(path: Path, size: int = 0) -> Iterator[None]:
    """Turn the operating system's errors into an ``OutputError``; ``size``: bytes that were to be written."""
    try:
        yield
    except FileExistsError:
        raise OutputError(_exists(path)) from None
    except PermissionError:
        raise OutputError(f"{path}: no permission to write into {path.parent}; choose a folder of your own") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutputError(f"{path}: {_disk_full(path, size)}") from None
        if error.errno == errno.ENAMETOOLONG:
            raise OutputError(f"{path}: the file name is too long; choose a shorter one") from None
        if error.errno == errno.EROFS:
            raise OutputError(f"{path}: {path.parent} is read-only; choose another folder") from None
        raise OutputError(f"{path}: cannot be written ({error.strerror or error}); choose another folder") from None


def _disk_full(path: Path, needed: int) -> str:
    need = f" and the picture needs up to {max(1, needed // _MEGABYTE)} MB" if needed else ""
    try:
        free = f"{shutil.disk_usage(path.parent).free // _MEGABYTE} MB"
    except OSError:
        free = "too little"
    return f"the disk is full: {free} free{need}; free some space or choose another folder"


def standard_output() -> IO[bytes]:
    """stdout for bytes; :class:`OutputError` where it takes none, or is a terminal."""
    stream = getattr(sys.stdout, "buffer", None)
    if stream is None:
        raise OutputError("- : this program has no standard output for binary data; name a file instead")
    if sys.stdout.isatty():
        raise OutputError(
            "- : standard output is a terminal, which cannot show a picture; "
            "name a file, or send the output on with > out.png or | program"
        )
    return stream  # type: ignore[no-any-return]


def _write_stream(stream: Any, data: bytes) -> None:
    # Unbuffered where possible: what a failed write leaves in a buffer fails once more when Python exits.
    sink = getattr(stream, "raw", stream)
    rest = memoryview(data)
    try:
        sys.stdout.flush()
        while rest:
            rest = rest[sink.write(rest) or 0 :]
        sink.flush()
    except BrokenPipeError:
        raise OutputError("- : the program reading standard output has stopped; nothing was saved") from None
    except OSError as error:
        what = "the disk is full" if error.errno == errno.ENOSPC else (error.strerror or str(error))
        raise OutputError(f"- : standard output cannot be written ({what}); name a file instead") from None
