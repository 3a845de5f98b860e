"""The cache of artifacts among processes that come and go, and where it cannot be."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
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
    kept = cached_artifact({"a": 1}, write)
    assert kept.is_dir()
    assert running.is_dir()
    assert not abandoned.exists()


def test_artifacts_in_use_are_kept_however_many_there_are(folder: Path, write: Write) -> None:
    recent = [cached_artifact({"layer": number}, write) for number in range(40)]
    assert all(path.is_dir() for path in recent)
    for path in recent:
        aged(path, 3600)
    cached_artifact({"layer": "new"}, write)
    assert len(list(folder.iterdir())) == 32


def test_another_process_that_was_faster_keeps_its_artifact(
    folder: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have finished between our look and our writing: what it made must not be removed under its feet."""
    sound, looks = cache._sound, []

    def late(place: Path) -> bool:
        looks.append(place)
        if len(looks) == 1:
            found = sound(place)
            write(place)
            (place / "in use").touch()
            return found
        return sound(place)

    def refuses(place: Path) -> None:
        raise OutputError("there is an artifact already")

    monkeypatch.setattr(cache, "_sound", late)
    assert (cached_artifact({"a": 1}, refuses) / "in use").exists()


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
