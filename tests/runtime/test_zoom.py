"""The endless zoom, and its folder of frames."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixelgrad.errors import OutputError, SettingsError
from pixelgrad.runtime import (
    Artifact,
    DreamSettings,
    FrameEvent,
    FrameFolder,
    Picture,
    ZoomSettings,
    read_image,
    zoom,
    zoom_recipe,
)
from pixelgrad.runtime.tasks.zoom import _closer


@pytest.fixture
def artifact(dream_artifact: Path) -> Artifact:
    return Artifact(dream_artifact, device="cpu")


@pytest.fixture(scope="module")
def source(photo: Path) -> Picture:
    return read_image(photo)


def settings(frames: int = 4, seed: int = 0, **values: Any) -> ZoomSettings:
    return ZoomSettings(frames, dream=DreamSettings(size=50, steps=2, octaves=2, jitter=3, seed=seed), **values)


def frames(*arguments: Any, **given: Any) -> list[FrameEvent]:
    return list(zoom(*arguments, **given))


def test_events(artifact: Artifact, source: Picture) -> None:
    found = frames(artifact, source, settings())
    assert [(e.frame, e.frames, e.made) for e in found] == [(n, 4, n) for n in (1, 2, 3, 4)]
    assert {(e.width, e.height) for e in found} == {(50, 32)}  # 33 is odd
    assert {e.picture.size for e in found} == {(50, 32)}
    assert [e.progress for e in found] == [0.25, 0.5, 0.75, 1.0]
    recipe = found[2].picture.recipe
    assert recipe is not None
    assert (recipe["task"], recipe["frame"]) == ("zoom", 3)
    assert set(found[0].losses) == {"energy.r2", "energy.r3"}


def test_a_frame_is_what_its_file_holds(artifact: Artifact, source: Picture, tmp_path: Path) -> None:
    for event in frames(artifact, source, settings(2)):
        path = tmp_path / f"{event.frame}.png"
        event.picture.save(path)
        np.testing.assert_array_equal(read_image(path).pixels, event.picture.pixels)


@pytest.mark.parametrize("moves", [{}, {"growth": 1.1, "rotate": 7.0, "drift": (2.0, -1.0)}, {"growth": 0.9}])
def test_going_on_from_a_frame_is_the_same_as_never_having_stopped(
    artifact: Artifact, source: Picture, moves: dict[str, Any]
) -> None:
    whole = frames(artifact, source, settings(**moves))
    rest = frames(artifact, source, settings(**moves), after=(2, whole[1].picture))
    assert [(e.frame, e.made) for e in rest] == [(3, 1), (4, 2)]
    for one, other in zip(whole[2:], rest, strict=True):
        assert one.picture == other.picture
    assert whole[2].picture != whole[3].picture


def test_the_seed_decides(artifact: Artifact, source: Picture) -> None:
    for picture in (source, None):
        one, two = (frames(artifact, picture, settings(2, seed=seed))[-1].picture.pixels for seed in (0, 1))
        assert np.abs(one - two).max() > 0.05


def test_settings_that_nobody_set(source: Picture) -> None:
    filled = ZoomSettings().filled(source)
    assert (filled.dream.steps, filled.dream.octaves, filled.dream.size, filled.dream.strength) == (4, 3, 96, 0.75)
    assert ZoomSettings().filled(None).dream.size == 512
    assert ZoomSettings().filled(Picture.from_array(np.zeros((10, 3000, 3)))).dream.size == 512


def test_frames_grow_no_harsher(artifact: Artifact, source: Picture) -> None:
    """Steps this long leave little but black, white and primary colours within a few frames, unless they are held."""

    def harshness(contrast: float) -> list[tuple[float, float]]:
        dreaming = DreamSettings(size=50, steps=3, octaves=2, jitter=3, strength=6.0)
        made = frames(artifact, source, ZoomSettings(12, contrast=contrast, dream=dreaming))
        pixels = [event.picture.pixels for event in made]
        return [(float(p.std()), float(((p == 0) | (p == 1)).mean())) for p in pixels]

    free, held = harshness(0.0), harshness(1.25)
    assert free[-1][0] > 0.38
    assert free[-1][1] > 0.3
    most = ZoomSettings.contrast * float(source.pixels.std())
    assert max(deviation for deviation, _ in held) < most
    assert max(clipped for _, clipped in held) < 0.03


@given(
    st.floats(0.5, 2),
    st.floats(-180, 180),
    st.tuples(st.floats(-50, 50), st.floats(-50, 50)),
    st.sampled_from([(8, 8), (30, 50), (64, 9)]),
)
def test_no_move_looks_beyond_the_picture(
    growth: float, rotate: float, drift: tuple[float, float], size: tuple[int, int]
) -> None:
    """Where it does, it sees the mirror image: an even picture stays even."""
    image = np.full((1, 3, *size), 0.6, np.float32)
    moved = _closer(image, ZoomSettings(growth=growth, rotate=rotate, drift=drift))
    np.testing.assert_allclose(moved, 0.6, atol=1e-5)


def test_a_disk_that_is_full_is_left_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OutputError("the disk is full")

    (tmp_path / "there").mkdir()
    for name in ("new", "there"):
        monkeypatch.setattr("pixelgrad.runtime.frames.written_beside", full)
        with pytest.raises(OutputError, match="the disk is full"):
            FrameFolder(tmp_path / name, {"task": "zoom"})
    assert [entry.name for entry in tmp_path.iterdir()] == ["there"]


def test_moves() -> None:
    """A dot goes where growth, rotation and drift send it."""

    def dot(row: int, column: int) -> Any:
        image = np.zeros((1, 3, 60, 80), np.float32)
        image[..., row - 2 : row + 2, column - 2 : column + 2] = 1
        return image

    def middle(image: Any) -> tuple[float, float]:
        rows, columns = np.mgrid[: image.shape[2], : image.shape[3]] + 0.5
        weight = image[0, 0] / image[0, 0].sum()
        return float((rows * weight).sum()), float((columns * weight).sum())

    at = dot(20, 50)  # 10 up and 10 to the right of the middle
    assert middle(_closer(at, ZoomSettings(growth=1.0))) == pytest.approx((20, 50), abs=0.05)
    assert middle(_closer(at, ZoomSettings(growth=1.5))) == pytest.approx((15, 55), abs=0.3)
    assert middle(_closer(at, ZoomSettings(growth=1.0, rotate=90))) == pytest.approx((20, 30), abs=0.3)
    # The frame moves to the right and down, so what it shows goes to the left and up.
    assert middle(_closer(at, ZoomSettings(growth=1.0, drift=(10, 5)))) == pytest.approx((17, 42), abs=0.3)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"frames": 0}, "frames is 0; it must be a whole number from 1 up"),
    ({"growth": 0.1}, "growth is 0.1; it must be a number from 0.5 to 2"),
    ({"growth": float("nan")}, "growth is nan"),
    ({"rotate": 400}, "rotate is 400"),
    ({"drift": (60, 0)}, r"drift is \(60, 0\); it must be two numbers of percent"),
    ({"drift": (1,)}, "drift is"),
    ({"contrast": -1.0}, "contrast is -1.0; it must be a number from 0 up"),
    ({"dream": DreamSettings(steps=0)}, "steps is 0"),
]


@pytest.mark.parametrize(("values", "message"), BAD, ids=[f"{next(iter(v))}-{i}" for i, (v, _) in enumerate(BAD)])
def test_bad_settings(artifact: Artifact, source: Picture, values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        zoom(artifact, source, ZoomSettings(**values))


def test_a_frame_of_another_size_is_refused(artifact: Artifact, source: Picture) -> None:
    with pytest.raises(SettingsError, match="the frame to go on from is"):
        zoom(artifact, source, settings(), after=(1, source))


class TestFolder:
    def recipe(self, artifact: Artifact, source: Picture, **values: Any) -> dict[str, Any]:
        return zoom_recipe(artifact, source, settings(**values))

    def test_it_is_taken_up_again(self, artifact: Artifact, source: Picture, tmp_path: Path) -> None:
        path, recipe = tmp_path / "frames", self.recipe(artifact, source)
        folder = FrameFolder(path, recipe)
        assert (folder.count, folder.last()) == (0, None)
        for event in frames(artifact, source, settings(2)):
            folder.add(event.picture)
        (path / ".pixelgrad-0123.tmp").write_bytes(b"left by a run that was killed")
        again = FrameFolder(path, recipe)
        last = again.last()
        assert last is not None
        assert last[0] == 2
        np.testing.assert_array_equal(last[1].pixels, event.picture.pixels)
        assert sorted(p.name for p in path.iterdir()) == ["frame_00001.png", "frame_00002.png", "zoom.json"]
        assert [p.name for p in again.frames(1)] == ["frame_00001.png"]
        again.remove()
        assert not path.exists()

    def test_more_frames_are_no_other_zoom(self, artifact: Artifact, source: Picture) -> None:
        assert self.recipe(artifact, source, frames=9) == self.recipe(artifact, source)

    def test_another_zoom_is_refused_and_kept(self, artifact: Artifact, source: Picture, tmp_path: Path) -> None:
        path = tmp_path / "frames"
        FrameFolder(path, self.recipe(artifact, source)).add(source)
        with pytest.raises(
            OutputError, match=r"holds another zoom, with settings.growth 1.04, not 1.2; choose another"
        ):
            FrameFolder(path, self.recipe(artifact, source, growth=1.2))
        other = Picture.from_array(np.zeros((64, 96, 3)))
        with pytest.raises(OutputError, match="holds another zoom, with picture "):
            FrameFolder(path, self.recipe(artifact, other))
        assert (path / "frame_00001.png").exists()

    def test_a_damaged_or_missing_frame_is_made_again(
        self, artifact: Artifact, source: Picture, tmp_path: Path
    ) -> None:
        path, recipe = tmp_path / "frames", self.recipe(artifact, source)
        folder = FrameFolder(path, recipe)
        for _ in range(4):
            folder.add(source)
        folder.frame(4).write_bytes(folder.frame(4).read_bytes()[:100])
        assert FrameFolder(path, recipe).count == 3
        folder.frame(2).unlink()
        assert FrameFolder(path, recipe).count == 1

    def test_foreign_folders_are_refused_and_kept(self, artifact: Artifact, source: Picture, tmp_path: Path) -> None:
        recipe, path = self.recipe(artifact, source), tmp_path / "mine"
        path.mkdir()
        FrameFolder(path, recipe)  # empty is fine
        (path / "zoom.json").unlink()
        (path / "thesis.txt").write_text("precious")
        with pytest.raises(OutputError, match="holds other files, and no zoom to go on with"):
            FrameFolder(path, recipe)
        for content in ("", "{}", "[1]", json.dumps({"format": "pixelgrad-zoom", "version": 9, "recipe": {}})):
            (path / "zoom.json").write_text(content)
            with pytest.raises(OutputError, match=r"zoom\.json (cannot be read|is of another format)"):
                FrameFolder(path, recipe)
        assert (path / "thesis.txt").read_text() == "precious"
        with pytest.raises(OutputError, match="is a file, and frames go into a folder"):
            FrameFolder(path / "thesis.txt", recipe)
        with pytest.raises(OutputError, match="there is no folder"):
            FrameFolder(tmp_path / "nowhere" / "frames", recipe)

    def test_an_unwritable_folder(
        self, artifact: Artifact, source: Picture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def denied(*_: Any, **__: Any) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "mkdir", denied)
        with pytest.raises(OutputError, match=r"the folder cannot be made \(Permission denied\); choose another place"):
            FrameFolder(tmp_path / "frames", self.recipe(artifact, source))
        monkeypatch.undo()
        (tmp_path / "frames").mkdir()
        monkeypatch.setattr(os, "open", denied)
        with pytest.raises(OutputError, match="no permission to write into"):
            FrameFolder(tmp_path / "frames", self.recipe(artifact, source))
