"""Channels over snapshots of a network that is being trained."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from helpers.folders import image_folder
from helpers.networks import chain
from onnx import numpy_helper

from pixelgrad.errors import ImageError, SettingsError
from pixelgrad.exporters import learnt_layers, load_network
from pixelgrad.networks import NetworkSpec
from pixelgrad.runtime import EvolveResult, EvolveSettings, Snapshot, evolve
from pixelgrad.runtime.scanning import find_images, load_pixels, to_batch
from pixelgrad.tasks.evolve import in_training_order, open_snapshots

SETTINGS: dict[str, Any] = {"size": 40, "channels": [4, 6]}


def train(path: Path, source: Path, changes: dict[str, float]) -> Path:
    """A later snapshot: each named tensor moved by noise of so much of its own size."""
    model = onnx.load(source)
    for number, tensor in enumerate(model.graph.initializer):
        if tensor.name in changes:
            weights = numpy_helper.to_array(tensor)
            noise = np.random.default_rng(number).normal(size=weights.shape) * weights.std() * changes[tensor.name]
            tensor.CopyFrom(numpy_helper.from_array((weights + noise).astype(np.float32), tensor.name))
    onnx.save(model, path)
    return path


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The last layer moves three times, the first once."""
    place = tmp_path_factory.mktemp("snapshots")
    first = chain(place / "net_iter_900.onnx")
    second = train(place / "net_iter_1000.onnx", first, {"w1": 0.5, "w2": 0.5, "w3": 0.5})
    third = train(place / "net_iter_5000.onnx", second, {"w3": 0.5})
    return [third, first, second]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return image_folder(tmp_path_factory.mktemp("images"), 7)


def snapshots(checkpoints: list[Path], **values: Any) -> list[Snapshot]:
    settings = EvolveSettings(**{**SETTINGS, **values})
    specs = [NetworkSpec(checkpoint, preprocess="rgb") for checkpoint in checkpoints]
    return open_snapshots(specs, settings, layer="r2", device="cpu")


def run(checkpoints: list[Path], images: Path, **values: Any) -> EvolveResult:
    settings = EvolveSettings(**{**SETTINGS, **values})
    *_, last = evolve(snapshots(checkpoints, **values), images, settings)
    assert last.result is not None
    return last.result


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["n_iter_10000", "n_iter_9000", "n_iter_20000"], [9000, 10000, 20000]),
        (["run2_epoch10_v3", "run2_epoch9_v3"], [9, 10]),
        (["epoch-1-step-20", "epoch-2-step-10"], [20, 10]),
        (["b", "a"], [1, 2]),
        (["a1", "b"], [1, 2]),
    ],
)
def test_order_of_training(names: list[str], expected: list[int]) -> None:
    ordered = in_training_order([f"{name}.onnx" for name in names])
    assert [when for _, when in ordered] == sorted(expected)
    if "step" in names[0]:  # two numbers differ: the last one counts
        assert [path.stem for path, _ in ordered] == ["epoch-2-step-10", "epoch-1-step-20"]


def test_names_without_a_number_of_their_own_go_by_name() -> None:
    ordered = in_training_order(["net10.onnx", "net9b.onnx", "net9a.onnx"])
    assert [(path.stem, place) for path, place in ordered] == [("net9a", 1), ("net9b", 2), ("net10", 3)]


def test_snapshots_come_in_order(checkpoints: list[Path]) -> None:
    found = snapshots(checkpoints)
    assert [(s.name, s.when) for s in found] == [
        ("net_iter_900", 900),
        ("net_iter_1000", 1000),
        ("net_iter_5000", 5000),
    ]
    assert found[0].projector.watched == ("r1", "r2", "r3")
    assert len({s.index for s in found}) == 3


def test_movement_is_the_relative_change_of_the_features(checkpoints: list[Path], images: Path) -> None:
    result = run(checkpoints, images)
    projectors = [s.projector for s in snapshots(checkpoints)]
    batch = to_batch([load_pixels(path, (40, 40)) for path, _, _ in sorted(find_images(images))])
    for layer, found in result.movement.items():
        features = [p.features(batch, (layer,))[0].astype(np.float64) for p in projectors]
        expected = [np.linalg.norm(b - a) / np.linalg.norm(a) for a, b in pairwise(features)]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-9)
    assert result.movement["r1"][0] > 0.1
    assert result.movement["r1"][1] == result.movement["r2"][1] == 0
    assert result.movement["r3"][1] > 0.1


def test_the_strongest_activation_at_each_snapshot(checkpoints: list[Path], images: Path) -> None:
    result = run(checkpoints, images)
    assert result.channels == (4, 6)
    batch = to_batch([load_pixels(path, (40, 40)) for path, _, _ in sorted(find_images(images))])
    for number, snapshot in enumerate(snapshots(checkpoints)):
        values, _ = snapshot.projector.strongest(batch)
        for row, channel in zip(result.hits, result.channels, strict=True):
            hit = row[number]
            assert hit is not None
            assert hit.value == pytest.approx(values[:, channel].max(), rel=1e-5)
            assert np.abs(hit.projection).max() > 0
    # Nothing before the layer changed from the second to the third snapshot.
    np.testing.assert_array_equal(result.hits[0][1].projection, result.hits[0][2].projection)  # type: ignore[union-attr]


def test_events_go_forward(checkpoints: list[Path], images: Path) -> None:
    events = list(evolve(snapshots(checkpoints), images, EvolveSettings(**SETTINGS, batch=4)))
    progress = [event.progress for event in events]
    assert progress == sorted(progress)
    assert progress[-1] == 1
    stages = [event.stage for event in events]
    assert sorted(set(stages), key=stages.index) == ["scan", "project", "compare"]
    assert [event.result is None for event in events] == [True] * (len(events) - 1) + [False]


def test_a_part_of_the_images_is_compared(checkpoints: list[Path], images: Path) -> None:
    assert run(checkpoints, images, compared=3).compared == 3
    assert run(checkpoints, images, compared=100).compared == 7


def test_the_picture(checkpoints: list[Path], images: Path) -> None:
    result = run(checkpoints, images)
    picture = result.picture(40)
    assert picture == run(checkpoints, images).picture(40)
    assert picture.recipe is not None
    assert len(picture.recipe["snapshots"]) == 3
    assert result.title == "net_iter"
    assert result.grid(40).size[0] < picture.size[0]
    assert result.facts()["snapshots"][0] == {"name": "net_iter_900", "iteration": 900}


def test_from_nothing_to_something_is_infinite(tmp_path: Path, images: Path) -> None:
    first = chain(tmp_path / "a1.onnx")
    model = onnx.load(first)
    for tensor in model.graph.initializer:
        if tensor.name in {"w3", "b3"}:
            tensor.CopyFrom(numpy_helper.from_array(0 * numpy_helper.to_array(tensor), tensor.name))
    onnx.save(model, tmp_path / "a0.onnx")
    result = run([tmp_path / "a0.onnx", first], images)
    assert result.movement["r3"] == (math.inf,)
    assert result.facts()["movement"]["r3"] == [None]
    result.chart()


def test_what_does_not_fit(checkpoints: list[Path], images: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="at least two checkpoints"):
        snapshots(checkpoints[:1])
    with pytest.raises(SettingsError, match="takes at least two"):
        evolve(snapshots(checkpoints)[:1], images)
    other = chain(tmp_path / "net_iter_7.onnx", channels=(8, 10, 16))
    with pytest.raises(
        SettingsError, match=r"is no snapshot of the network of 'net_iter_7'.*12 channels at 'r2', not 10"
    ):
        evolve(snapshots([other, *checkpoints]), images)
    with pytest.raises(SettingsError, match="has no channel 99"):
        evolve(snapshots(checkpoints), images, EvolveSettings(channels=[99]))
    with pytest.raises(SettingsError, match="compared is 0"):
        evolve(snapshots(checkpoints), images, EvolveSettings(compared=0))
    with pytest.raises(ImageError, match="there is no image"):
        list(evolve(snapshots(checkpoints), tmp_path, EvolveSettings(**SETTINGS)))


def test_layers_with_weights(checkpoints: list[Path], tmp_path: Path) -> None:
    assert learnt_layers(load_network(checkpoints[0]), 7) == ["r1", "r2", "r3"]
    assert learnt_layers(load_network(checkpoints[0]), 2) == ["r1", "r3"]
    classifier = chain(tmp_path / "net.onnx", classes=5)
    assert learnt_layers(load_network(classifier, preprocess="caffe"), 7) == ["r1", "r2", "r3", "logits"]
