"""Where pictures are written: checked first, then whole or not at all."""

from __future__ import annotations

import errno
import io
import os
import shutil
import stat
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from pixelgrad.errors import OutputError, SettingsError
from pixelgrad.runtime.images import Picture, check_output, encode_image, read_image, write_image, writing

from .samples import gradient

PICTURE = Picture.from_array(gradient(), {"seed": 1})
PNG = encode_image(PICTURE)
SUFFIXES = [".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".PNG", ".Jpg"]


def _says(error: pytest.ExceptionInfo[OutputError], *parts: str) -> None:
    for part in parts:
        assert part in str(error.value)
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__ or error.value.__context__ is None


class _Standard:
    def __init__(self, sink: Any, terminal: bool = False) -> None:
        self.buffer = sink
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    def flush(self) -> None:
        pass


# check_output ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_good_place(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    assert check_output(path) == path
    assert check_output(str(path), size=(4000, 3000)) == path
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["out", "out.gif", "out.png.txt", ".png", "out.onnx"])
def test_the_suffix_must_name_a_format(tmp_path: Path, name: str) -> None:
    for attempt in (check_output, lambda path: write_image(PICTURE, path)):
        with pytest.raises(OutputError) as error:
            attempt(tmp_path / name)
        _says(error, ".png, .jpg, .jpeg, .webp, .tif, .tiff", "-")


@pytest.mark.parametrize("target", [io.BytesIO(), b"out.png", None])
def test_what_is_no_path_is_told_of_bytes(target: Any) -> None:
    with pytest.raises(OutputError, match=rf"cannot write to {type(target).__name__}; name a file, .*to_bytes"):
        PICTURE.save(target)


def test_no_such_folder(tmp_path: Path) -> None:
    for attempt in (check_output, lambda path: write_image(PICTURE, path)):
        with pytest.raises(OutputError) as error:
            attempt(tmp_path / "no" / "out.png")
        _says(error, str(tmp_path / "no"), "create it")


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "out.png").mkdir()
    for force in (False, True):
        with pytest.raises(OutputError) as error:
            check_output(tmp_path / "out.png", force=force)
        _says(error, "is a folder")


def test_a_file_in_the_way(tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    path.write_bytes(b"precious")
    for attempt in (check_output, lambda path: write_image(PICTURE, path)):
        with pytest.raises(OutputError) as error:
            attempt(path)
        _says(error, "out.png", "exists already", "--force", "force=True")
    assert path.read_bytes() == b"precious"
    assert check_output(path, force=True) == path
    assert path.read_bytes() == b"precious"


def test_names_that_cannot_be(tmp_path: Path) -> None:
    for name, part in (("x" * 300 + ".png", "too long"), ("a\0b.png", "null character")):
        with pytest.raises(OutputError) as error:
            check_output(tmp_path / name)
        _says(error, part)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipes_are_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "out.png")
    with pytest.raises(OutputError) as error:
        check_output(tmp_path / "out.png", force=True)
    _says(error, "not a regular file", "use -")


@pytest.mark.parametrize(
    ("number", "part"),
    [(errno.EACCES, "no permission"), (errno.EROFS, "read-only"), (errno.EIO, "cannot be written")],
)
def test_folders_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, part: str
) -> None:
    def refuse(*_: Any) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", refuse)  # the tests may run as root, whom no permission stops
    for attempt in (check_output, lambda path: write_image(PICTURE, path)):
        with pytest.raises(OutputError) as error:
            attempt(tmp_path / "out.png")
        _says(error, "out.png", part, "folder")


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 0)() == 0, reason="root may write anywhere")
def test_a_folder_of_somebody_else(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="no permission"):
            check_output(tmp_path / "out.png")
    finally:
        tmp_path.chmod(0o700)


class _Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_too_little_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: _Usage(10**12, 10**12, 5 * 10**6))
    with pytest.raises(OutputError) as error:
        check_output(tmp_path / "out.png")
    _says(error, "disk is full", "5 MB free")
    assert check_output(tmp_path / "out.png", size=(800, 600)) is not None
    with pytest.raises(OutputError) as error:
        check_output(tmp_path / "out.png", size=(4000, 3000))
    _says(error, "49 MB")


def test_space_that_cannot_be_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Any) -> Any:
        raise OSError(errno.ENOSYS, "not here")

    monkeypatch.setattr(shutil, "disk_usage", fail)
    assert check_output(tmp_path / "out.png") is not None


def test_a_size_that_the_format_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(OutputError) as error:
        check_output(tmp_path / "out.webp", size=(16_384, 10))
    _says(error, "out.webp", "16383", "PNG")
    assert check_output(tmp_path / "out.png", size=(16_384, 10)) is not None


# write_image ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_write_and_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    assert write_image(PICTURE, path) == path
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    again = read_image(path)
    assert again.size == PICTURE.size
    assert again.recipe == PICTURE.recipe
    kinds = {".png": b"\x89PNG", ".jpg": b"\xff\xd8", ".jpeg": b"\xff\xd8", ".webp": b"RIFF"}
    assert path.read_bytes().startswith(kinds.get(suffix.lower(), b"II*\0"))


def test_two_runs_write_identical_bytes(tmp_path: Path) -> None:
    for suffix in SUFFIXES[:5]:
        one, two = tmp_path / f"one{suffix}", tmp_path / f"a much longer name{suffix}"
        PICTURE.save(one)
        PICTURE.save(two)
        assert one.read_bytes() == two.read_bytes()


def test_quality_is_passed_on(tmp_path: Path) -> None:
    PICTURE.save(tmp_path / "a.jpg", quality=20)
    assert (tmp_path / "a.jpg").read_bytes() == encode_image(PICTURE, "JPEG", quality=20)
    with pytest.raises(SettingsError, match="from 1 to 100"):
        PICTURE.save(tmp_path / "b.png", quality=0)
    assert not (tmp_path / "b.png").exists()


def test_force_replaces(tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    path.write_bytes(b"old")
    assert write_image(PICTURE, path, force=True) == path
    assert path.read_bytes() == PNG
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.png"]


@pytest.mark.skipif(os.name != "posix", reason="permission bits are a POSIX matter")
def test_what_is_replaced_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    path.write_bytes(b"old")
    path.chmod(0o640)
    PICTURE.save(path, force=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.skipif(os.name != "posix", reason="permission bits are a POSIX matter")
def test_the_file_has_ordinary_permissions(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        PICTURE.save(tmp_path / "out.png")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "out.png").stat().st_mode) == 0o644


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.png"
    try:
        link.symlink_to(tmp_path / "real" / "out.png")
    except OSError:
        pytest.skip("this system allows no symbolic links")
    assert write_image(PICTURE, link) == link  # a dangling one is filled
    assert (tmp_path / "real" / "out.png").read_bytes() == PNG
    assert link.is_symlink()
    assert link.read_bytes() == PNG
    with pytest.raises(OutputError, match="exists already"):
        write_image(PICTURE, link)
    write_image(Picture(np.zeros((1, 1, 3))), link, force=True)
    assert link.is_symlink()
    assert read_image(link).size == (1, 1)


@pytest.mark.parametrize("hard_links", [True, False])
def test_a_file_that_appears_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hard_links: bool
) -> None:
    path = tmp_path / "out.png"
    encode = writing.encode_image

    def slow(*arguments: Any, **options: Any) -> bytes:
        path.write_bytes(b"precious")
        return encode(*arguments, **options)

    monkeypatch.setattr(writing, "encode_image", slow)
    if not hard_links:
        monkeypatch.setattr(os, "link", _no_links)
    with pytest.raises(OutputError) as error:
        write_image(PICTURE, path)
    _says(error, "exists already", "--force")
    assert path.read_bytes() == b"precious"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.png"]


def _no_links(*_: Any, **__: Any) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


def test_file_systems_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", _no_links)
    path = tmp_path / "out.png"
    assert write_image(PICTURE, path) == path
    assert path.read_bytes() == PNG

    def fail(*_: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OutputError, match="cannot be written"):
        write_image(PICTURE, tmp_path / "two.png")
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.png"]


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    ("number", "part"),
    [(errno.ENOSPC, "disk is full"), (errno.EDQUOT, "disk is full"), (errno.EIO, "cannot be written")],
)
def test_a_disk_that_fills_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, part: str, force: bool
) -> None:
    path = tmp_path / "out.png"
    if force:
        path.write_bytes(b"precious")
    before = sorted(entry.name for entry in tmp_path.iterdir())

    class Full(io.FileIO):
        def write(self, data: Any) -> int:
            super().write(data[:100])
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fdopen", lambda descriptor, _: Full(descriptor, "wb"))
    with pytest.raises(OutputError) as error:
        write_image(PICTURE, path, force=force)
    _says(error, "out.png", part)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == before
    if force:
        assert path.read_bytes() == b"precious"


@pytest.mark.parametrize("force", [False, True])
def test_nothing_is_left_after_a_failed_move_or_ctrl_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, force: bool
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace" if force else "link", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_image(PICTURE, tmp_path / "out.png", force=force)
    assert list(tmp_path.iterdir()) == []


def test_readers_never_see_half_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.png"
    path.write_bytes(b"old")
    seen = []
    replace = os.replace

    def watch(source: Any, target: Any) -> None:
        seen.append((path.read_bytes(), Path(source).read_bytes(), Path(source).parent))
        replace(source, target)

    monkeypatch.setattr(os, "replace", watch)
    write_image(PICTURE, path, force=True)
    assert seen == [(b"old", PNG, tmp_path)]


def test_too_large_for_the_format_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OutputError) as error:
        Picture(np.zeros((1, 16_384, 3))).save(tmp_path / "out.webp")
    _says(error, "out.webp", "16383")
    assert list(tmp_path.iterdir()) == []


# Standard output ------------------------------------------------------------------------------------------


def test_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    sink = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", _Standard(sink))
    assert check_output("-") is None
    assert sink.getvalue() == b""
    assert write_image(PICTURE, "-") is None
    assert sink.getvalue() == PNG


def test_not_onto_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    sink = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", _Standard(sink, terminal=True))
    for attempt in (check_output, lambda path: write_image(PICTURE, path)):
        with pytest.raises(OutputError) as error:
            attempt("-")
        _says(error, "terminal", "> out.png")
    assert sink.getvalue() == b""


@pytest.mark.parametrize("stdout", [None, io.StringIO()])
def test_no_binary_standard_output(monkeypatch: pytest.MonkeyPatch, stdout: Any) -> None:
    monkeypatch.setattr(sys, "stdout", stdout)
    with pytest.raises(OutputError) as error:
        check_output("-")
    _says(error, "name a file")


def test_a_sink_that_takes_a_little_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = bytearray()

    class Slow:
        def write(self, data: Any) -> int:
            taken.extend(data[:100])
            return len(data[:100])

        def flush(self) -> None:
            pass

    monkeypatch.setattr(sys, "stdout", _Standard(Slow()))
    write_image(PICTURE, "-")
    assert bytes(taken) == PNG


def test_a_reader_that_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    reading_end, writing_end = os.pipe()
    os.close(reading_end)
    with os.fdopen(writing_end, "wb", buffering=0) as sink:
        monkeypatch.setattr(sys, "stdout", _Standard(sink))
        with pytest.raises(OutputError) as error:
            write_image(PICTURE, "-")
        _says(error, "has stopped")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_device_on_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("wb") as sink:
        monkeypatch.setattr(sys, "stdout", _Standard(sink))
        with pytest.raises(OutputError) as error:
            write_image(PICTURE, "-")
        _says(error, "disk is full")
    # Closing the device raises nothing: no byte was left in its buffer to fail once more.
