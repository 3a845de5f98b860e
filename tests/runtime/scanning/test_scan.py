"""The scan and its index: broken off, gone on, kept up to date, and never growing."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.folders import draw, image_folder
from helpers.networks import chain

from pixelgrad.errors import ImageError, OutputError, SettingsError
from pixelgrad.exporters import Projection, load_network, write_projection
from pixelgrad.runtime import Projector
from pixelgrad.runtime.scanning import ScanIndex, find_images, load_pixels, scan, to_batch

SIZE = (32, 32)
KEY = {"layer": "r2"}


@pytest.fixture(scope="module")
def projector(tmp_path_factory: pytest.TempPathFactory) -> Projector:
    place = tmp_path_factory.mktemp("projection")
    network = load_network(chain(place / "net.onnx"), preprocess="rgb")
    return Projector(write_projection(network, Projection("r2"), place / "r2"), device="cpu")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return image_folder(tmp_path / "images", 11)


def index_of(tmp_path: Path, **key: Any) -> ScanIndex:
    return ScanIndex(tmp_path / "scans" / "index.sqlite", {**KEY, **key})


class Counted:
    """A projector that counts the images that it is shown."""

    def __init__(self, projector: Projector) -> None:
        self.projector, self.images = projector, 0

    def at_once(self, wanted: int) -> int:
        return self.projector.at_once(wanted)

    def strongest(self, images: Any) -> Any:
        self.images += len(images)
        return self.projector.strongest(images)


def all_maxima(projector: Projector, folder: Path) -> dict[str, Any]:
    """One image at a time, without an index."""
    return {path: projector.strongest(to_batch([load_pixels(path, SIZE)]))[0][0] for path, _, _ in find_images(folder)}


def test_every_channel_of_every_image_is_kept(projector: Projector, folder: Path, tmp_path: Path) -> None:
    expected = all_maxima(projector, folder)
    with index_of(tmp_path) as index:
        events = list(scan(projector, folder, index, SIZE, batch=4))
        assert [(e.done, e.total, e.known, e.unreadable) for e in events] == [
            (0, 11, 0, 0),
            (4, 11, 0, 0),
            (8, 11, 0, 0),
            (11, 11, 0, 0),
        ]
        assert [e.progress for e in events] == [0, 4 / 11, 8 / 11, 1]
        assert events[-1].rate > 0
        found = {path: row for paths, maxima, _ in index.rows() for path, row in zip(paths, maxima, strict=True)}
        assert found.keys() == expected.keys()
        for path, row in expected.items():
            np.testing.assert_allclose(found[path], row, rtol=1e-5)
        for channel, best in zip((3, 7), index.strongest([3, 7], 4), strict=True):
            order = sorted(expected, key=lambda path: (-float(found[path][channel]), path))
            assert [one.path for one in best] == order[:4]
            assert [one.value for one in best] == [float(found[path][channel]) for path in order[:4]]
        np.testing.assert_array_equal(index.peaks(), np.max(list(found.values()), axis=0))


def test_a_second_scan_looks_at_nothing(projector: Projector, folder: Path, tmp_path: Path) -> None:
    counted: Any = Counted(projector)
    for expected in (11, 11):
        with index_of(tmp_path) as index:
            events = list(scan(counted, folder, index, SIZE))
            assert counted.images == expected
            first = index.strongest([0], 3)
    assert [(e.done, e.total, e.known, e.progress) for e in events] == [(11, 11, 11, 1.0)]
    with index_of(tmp_path) as index:
        list(scan(counted, folder, index, SIZE))
        assert index.strongest([0], 3) == first


def test_broken_off_it_goes_on(projector: Projector, folder: Path, tmp_path: Path) -> None:
    counted: Any = Counted(projector)
    with index_of(tmp_path) as index:
        events = scan(counted, folder, index, SIZE, batch=4)
        for _ in range(3):
            next(events)
        events.close()
    assert counted.images == 8
    with index_of(tmp_path) as index:
        events = list(scan(counted, folder, index, SIZE, batch=4))
        assert (events[0].known, events[-1].done) == (8, 11)
    assert counted.images == 11


def test_only_what_is_new_or_changed_is_looked_at(projector: Projector, folder: Path, tmp_path: Path) -> None:
    counted: Any = Counted(projector)
    with index_of(tmp_path) as index:
        list(scan(counted, folder, index, SIZE))
        changed = draw(folder / "image000.png", 100)
        os.utime(changed, ns=(1, 1))
        draw(folder / "new.png", 101)
        (folder / "image001.png").unlink()
        list(scan(counted, folder, index, SIZE))
        assert counted.images == 13
        found = {path: row for paths, maxima, _ in index.rows() for path, row in zip(paths, maxima, strict=True)}
    expected = all_maxima(projector, folder)
    assert found.keys() == expected.keys()
    np.testing.assert_allclose(found[str(changed)], expected[str(changed)], rtol=1e-5)


def test_a_folder_inside_shares_the_index(projector: Projector, folder: Path, tmp_path: Path) -> None:
    counted: Any = Counted(projector)
    with index_of(tmp_path) as index:
        list(scan(counted, folder, index, SIZE))
        events = list(scan(counted, folder / "more", index, SIZE))
        assert (counted.images, events[-1].total) == (11, 3)
        assert all(Path(one.path).parent.name == "more" for one in index.strongest([0], 9)[0])


def test_unreadable_files_are_counted_and_not_tried_again(projector: Projector, folder: Path, tmp_path: Path) -> None:
    (folder / "broken.jpg").write_bytes(b"no image")
    (folder / "empty.png").write_bytes(b"")
    with index_of(tmp_path) as index:
        events = list(scan(projector, folder, index, SIZE, batch=4))
        assert (events[-1].done, events[-1].total, events[-1].unreadable) == (13, 13, 2)
        assert [Path(path).name for path, _ in index.unreadable()] == ["broken.jpg", "empty.png"]
        again = list(scan(projector, folder, index, SIZE))
        assert [(e.known, e.unreadable) for e in again] == [(13, 2)]
        draw(folder / "empty.png", 7)
        after = list(scan(projector, folder, index, SIZE))
        assert (after[0].known, after[-1].unreadable, after[-1].done) == (12, 1, 13)


def test_nothing_to_scan(projector: Projector, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    with index_of(tmp_path) as index:
        with pytest.raises(ImageError, match="there is no image in"):
            list(scan(projector, folder, index, SIZE))
        (folder / "a.png").write_bytes(b"no image")
        for _ in range(2):
            with pytest.raises(ImageError, match=r"none of the 1 image files in .* the first is a\.png: not an image"):
                list(scan(projector, folder, index, SIZE))


def test_silent_channels_have_no_strongest_image(tmp_path: Path) -> None:
    files = [(f"/{name}.png", 1, 1) for name in "ab"]
    with index_of(tmp_path) as index:
        index.update(files)
        index.add([(file, np.asarray([0.0, 2.0, -1.0]), np.asarray([0, 5, 1])) for file in files])
        silent, equal, negative = index.strongest([0, 1, 2], 9)
        assert (silent, negative) == ([], [])
        assert [(one.path, one.value, one.position) for one in equal] == [("/a.png", 2.0, 5), ("/b.png", 2.0, 5)]


def test_the_index_of_another_layer_is_refused(tmp_path: Path) -> None:
    index_of(tmp_path).close()
    with pytest.raises(SettingsError, match="is that of another network, layer or size"):
        index_of(tmp_path, layer="r3")


def test_an_index_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match=r"cannot be written: .*; choose another place with --index"):
        ScanIndex(tmp_path / "file" / "index.sqlite", KEY)
    with pytest.raises(OutputError, match="cannot be written"):
        ScanIndex(tmp_path, KEY)
    (tmp_path / "notes.txt").write_text("these are notes, and no database at all " * 40)
    with pytest.raises(OutputError, match="is not the index of a scan"):
        ScanIndex(tmp_path / "notes.txt", KEY)


def test_two_scans_at_once(projector: Projector, folder: Path, tmp_path: Path) -> None:
    with index_of(tmp_path) as one, index_of(tmp_path) as other:
        first, second = scan(projector, folder, one, SIZE, batch=3), scan(projector, folder, other, SIZE, batch=4)
        for _ in range(3):
            next(first), next(second)
        list(first)
        list(second)
        assert one.count() == other.count() == (11, 0)
        assert one.strongest([2], 9) == other.strongest([2], 9)
    with sqlite3.connect(tmp_path / "scans" / "index.sqlite") as database:
        assert database.execute("SELECT count(*) FROM images").fetchone() == (11,)
    database.close()
