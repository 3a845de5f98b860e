"""The cache of artifacts among processes that come and go, and where it cannot be."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from helpers.cli import error_of, invoke
from helpers.networks import chain

from pixelgrad import cache
from pixelgrad.cache import cached_artifact, home
from pixelgrad.errors import OutputError, SettingsError

Write = Callable[[Path], None]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PIXELGRAD_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "artifacts"


@pytest.fixture
def write(style_artifact: Path) -> Write:
    """Writes an artifact, without computing one."""

    def written(place: Path) -> None:
        shutil.copytree(style_artifact, place)

    return written


def aged(path: Path, seconds: float) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    os.utime(path, (time.time() - seconds,) * 2)
    return path


def test_what_a_killed_process_left_is_swept_away_and_what_runs_stays(folder: Path, write: Write) -> None:
    abandoned, running = aged(folder / ".abc.dead", 2 * 24 * 3600), aged(folder / ".abc.alive", 60)
    lock = folder / ".abc.lock"
    lock.touch()
    os.utime(lock, (0, 0))
    kept = cached_artifact({"a": 1}, write)
    assert kept.is_dir()
    assert running.is_dir()
    assert not abandoned.exists()
    assert not lock.exists()


def test_artifacts_in_use_are_kept_however_many_there_are(folder: Path, write: Write) -> None:
    recent = [cached_artifact({"layer": number}, write) for number in range(40)]
    assert all(path.is_dir() for path in recent)
    for path in recent:
        aged(path, 3600)
    cached_artifact({"layer": "new"}, write)
    assert len(list(folder.glob("[!.]*"))) == 32


@pytest.mark.parametrize("damaged", [False, True])
def test_those_who_want_one_artifact_wait_for_the_first(folder: Path, write: Write, damaged: bool) -> None:
    """Each opens it at once: what one has made is not made again, nor taken away under its feet."""
    if damaged:
        (cached_artifact({"a": 1}, write) / "weights.bin").write_bytes(b"")
    written = []

    def slowly(place: Path) -> None:
        time.sleep(0.2)
        write(place)
        written.append(place.stat().st_ino)

    def wanted(_: int) -> int:
        return cached_artifact({"a": 1}, slowly).stat().st_ino

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(wanted, range(4))) == written * 4


def test_whoever_holds_the_place_too_long_is_not_waited_for(
    folder: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was stopped in the terminal; when it goes on, it takes what another has made meanwhile."""
    monkeypatch.setattr(cache, "_PATIENCE", 0.1)
    found = []

    def overtaken(place: Path) -> None:
        found.append(cached_artifact({"a": 1}, write))
        (found[0] / "in use").touch()
        raise OutputError("there is an artifact already")

    assert cached_artifact({"a": 1}, overtaken) == found[0]
    assert (found[0] / "in use").exists()


def test_where_nothing_can_be_kept_the_message_names_the_variable(
    photo: Path, painting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PIXELGRAD_HOME", str(tmp_path / "file" / "home"))
    network = chain(tmp_path / "net.onnx")
    message = error_of(invoke("style", photo, painting, "-o", tmp_path / "out.png", "--model", network, "--size", 48))
    assert "PIXELGRAD_HOME names another folder" in message


def test_a_home_of_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIXELGRAD_HOME", "~nobody-of-this-name/x")
    with pytest.raises(SettingsError, match="there is no such user"):
        home()
