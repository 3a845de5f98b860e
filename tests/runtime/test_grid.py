"""Activation grids as a stream of events."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from helpers.networks import chain
from helpers.transformers import transformer
from onnx import numpy_helper

from pixelgrad.errors import ImageError, SettingsError, UnknownLayerError
from pixelgrad.exporters import Network, features_objective, load_network, visualize_objective, write_artifact
from pixelgrad.runtime import Artifact, GridSettings, Picture, activation_grid
from pixelgrad.runtime.tasks.grid import _apart, _cells

Array = np.ndarray[Any, Any]


def artifacts(network: Network, layer: str, folder: Path, *, batch: int = 1) -> tuple[Artifact, Artifact]:
    follow = visualize_objective(network, layer, unit="direction", batch=batch)
    first, second = (
        Artifact(write_artifact(network, objective, folder / f"{objective.kind}{batch}"), device="cpu")
        for objective in (follow, features_objective(network, [layer]))
    )
    return first, second


def made(folder: Path, layer: str, *, batch: int = 1, **shape: Any) -> tuple[Artifact, Artifact]:
    """Those of a small network."""
    return artifacts(load_network(chain(folder / "net.onnx", **shape), preprocess="rgb"), layer, folder, batch=batch)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Artifact, Artifact]:
    return made(tmp_path_factory.mktemp("net"), "r2")


def picture(width: int = 48, height: int = 32) -> Picture:
    """Stripes of another colour and direction in each quarter."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:height, :width]
    pixels = np.empty((height, width, 3), np.float32)
    for down in (0, 1):
        for across in (0, 1):
            part = np.s_[down * height // 2 :, across * width // 2 :]
            waves = np.sin((rows, columns)[(down + across) % 2][part] * (1 + down))[..., None]
            pixels[part] = 0.5 + 0.4 * waves * rng.uniform(-1, 1, 3)
    return Picture(pixels)


def settings(**values: Any) -> GridSettings:
    return GridSettings(**{"cells": 3, "size": 24, "steps": 4, "shown": 32, **values})


def test_events(pair: Any) -> None:
    """One cell after the other comes in the place of the picture."""
    events = list(activation_grid(*pair, picture(), settings(alone=True)))
    assert [event.step for event in events] == list(range(1, 2 * 3 * 4 + 1))
    whole = picture().resized(72, 48).pixels
    first, last = events[3].picture(), events[-1].picture()
    assert first.size == last.size == (72, 48)
    cell = events[-1].seen()[0]
    assert cell.unit.name == "row 1, column 1"
    np.testing.assert_array_equal(first.pixels[:24, :24], cell.picture.pixels)
    assert np.abs(first.pixels[24:, 24:] - whole[24:, 24:]).max() < 0.05  # it came by way of another size
    assert [seen.unit.index for seen in events[-1].seen()] == list(range(6))
    np.testing.assert_array_equal(last.pixels[24:48, 48:72], events[-1].seen()[-1].picture.pixels)
    assert last.recipe is not None
    assert last.recipe["task"] == "grid"
    assert last.recipe["settings"]["cells"] == 3


def test_the_picture_stands_beside_the_grid(pair: Any) -> None:
    *_, last = activation_grid(*pair, picture(), settings(steps=1))
    assert last.picture().size[0] == 12 + 72 + 8 + 72 + 12


def rewritten(folder: Path, change: Callable[[str, Array], Array], **shape: Any) -> Network:
    """A small network whose weights, by name, are others."""
    model = onnx.load(chain(folder / "net.onnx", **shape))
    for tensor in model.graph.initializer:
        array = change(tensor.name, numpy_helper.to_array(tensor))
        tensor.CopyFrom(numpy_helper.from_array(array.astype(np.float32), tensor.name))
    onnx.save(model, folder / "rewritten.onnx")
    return load_network(folder / "rewritten.onnx", preprocess="rgb")


def test_each_cell_shows_what_its_place_has(tmp_path: Path) -> None:
    """Through a network that sees nothing but colours, the colour of each quarter."""

    def seer(name: str, array: Array) -> Array:
        return np.eye(3)[:, :, None, None] * np.eye(9)[4].reshape(3, 3) if name.startswith("w") else 0 * array

    colours = np.array([[0.9, 0.1, 0.1], [0.1, 0.9, 0.1], [0.1, 0.1, 0.9], [0.9, 0.9, 0.1]], np.float32)
    pair = artifacts(rewritten(tmp_path, seer, channels=(3,) * 4, pool="AveragePool"), "r4", tmp_path)
    quarters = colours.reshape(2, 2, 3).repeat(16, 0).repeat(16, 1)
    events = activation_grid(*pair, Picture(quarters), settings(cells=2, size=32, steps=120))
    seen = list(events)[-1].seen()
    found = np.array([one.picture.pixels[12:20, 12:20].mean((0, 1)) for one in seen])
    shares = found / found.sum(1, keepdims=True)
    np.testing.assert_array_equal(shares[:3].argmax(0), [0, 1, 2])  # more of its colour than the others have
    assert shares[:, 2].argmin() == 3


def test_cells_are_means() -> None:
    found = np.random.default_rng(1).normal(size=(5, 4, 6)).astype(np.float32)
    cells = _cells(found, 3)
    assert cells.shape == (2, 3, 5)
    np.testing.assert_allclose(cells[1, 2], found[:, 2:, 4:].mean((1, 2)), rtol=1e-5)
    assert _cells(found, 64).shape == (4, 6, 5)  # no more than there are positions
    np.testing.assert_allclose(_cells(found, 64)[3, 5], found[:, 3, 5])
    assert _cells(found, 1).shape == (1, 1, 5)
    assert _cells(found[:, :1], 6).shape == (1, 6, 5)


def test_what_all_places_share_is_held_to_what_they_differ_by() -> None:
    """The first two principal components are equally strong then, and no other has changed."""
    rng = np.random.default_rng(2)
    found = (rng.normal(size=(7, 4, 6)) + 9 * rng.normal(size=(7, 1, 1))).astype(np.float32)
    before = np.linalg.svd(found.reshape(7, -1), compute_uv=False)
    after = np.linalg.svd(_apart(_cells(found, 6), found).reshape(-1, 7), compute_uv=False)
    assert before[0] > 4 * before[1]
    np.testing.assert_allclose(after, [before[1], *before[1:]], rtol=1e-4)
    same = np.broadcast_to(found[:, :1, :1], found.shape)
    np.testing.assert_array_equal(_apart(_cells(same, 6), same), _cells(same, 6))


def test_cells_that_say_nothing_are_grey(tmp_path: Path) -> None:
    """A rectified layer of a network without biases, at the black half of a picture."""
    network = rewritten(tmp_path, lambda name, array: array * (not name.startswith("b")))
    pair = artifacts(network, "r2", tmp_path)
    half = picture(64, 32).pixels.copy()
    half[:, 24:] = 0
    *_, last = activation_grid(*pair, Picture(half), settings(cells=2, alone=True))
    assert [seen.unit.index for seen in last.seen()] == [0]
    np.testing.assert_array_equal(last.picture().pixels[:, 24:], 0.5)
    with pytest.raises(SettingsError, match="layer 'r2' says nothing of this picture; name another"):
        activation_grid(*pair, Picture(np.zeros_like(half)), settings())


def test_a_network_that_takes_one_size(tmp_path: Path) -> None:
    """It sees the middle of the picture, and its cells are as large as its images."""
    network = load_network(transformer(tmp_path / "net.onnx", first=1, mixed=True), preprocess="rgb")
    pair = artifacts(network, "block", tmp_path)
    how = settings(cells=2, size=None, steps=1, alone=True)
    *_, last = activation_grid(*pair, picture(96, 32), how)
    assert last.picture().size == (64, 64)
    middle = Picture(picture(96, 32).pixels[:, 32:64])
    *_, same = activation_grid(*pair, middle, how)
    np.testing.assert_allclose(same.picture().pixels, last.picture().pixels, atol=1e-4)


def test_a_batch_gives_the_same_cells(pair: Any, tmp_path: Path) -> None:
    several = made(tmp_path, "r2", batch=4)
    one, other = (
        list(activation_grid(*both, picture(), settings(alone=True)))[-1].picture().pixels for both in (pair, several)
    )
    np.testing.assert_allclose(one, other, atol=2e-3)


def test_a_panorama_is_looked_at_in_its_middle(pair: Any) -> None:
    *_, last = activation_grid(*pair, picture(400, 20), settings(cells=8, steps=1, alone=True))
    assert last.picture().size == (8 * 24, 2 * 24)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cells": 0}, "cells is 0; it must be a whole number from 1 to 64"),
        ({"cells": 65}, "cells is 65"),
        ({"size": 4}, "size is 4"),
        ({"steps": 0}, "steps is 0"),
        ({"shown": 2}, "shown is 2"),
        ({"seed": -1}, "seed is -1"),
        ({"alone": 1}, "alone is 1; it must be True or False"),
    ],
)
def test_bad_settings(pair: Any, values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        activation_grid(*pair, picture(), settings(**values))


def test_what_it_cannot_be_made_of(pair: Any, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="the picture is 4x4 pixels"):
        activation_grid(*pair, Picture(np.zeros((4, 4, 3), np.float32)), settings())
    with pytest.raises(SettingsError, match="the artifact is not of directions"):
        activation_grid(pair[1], pair[1], picture(), settings())
    flat = made(tmp_path, "logits", classes=4)
    with pytest.raises(SettingsError, match="layer 'logits' has no positions; name one that has"):
        activation_grid(*flat, picture(), settings())
    with pytest.raises(UnknownLayerError):
        made(tmp_path / "..", "r9")
