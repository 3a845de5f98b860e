"""The gradient through shifted windows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.networks import chain

from pixelgrad.exporters import dream_objective, load_network, write_artifact
from pixelgrad.runtime import Artifact, Evaluation
from pixelgrad.runtime.windows import Windows

Array = np.ndarray[Any, Any]


def eyes(artifact: Any, jitter: int = 0, tile: int = 512, seed: int = 0) -> Windows:
    return Windows(artifact, np.random.default_rng(seed), jitter=jitter, tile=tile)


def picture(height: int, width: int, seed: int = 1) -> Array:
    return np.random.default_rng(seed).random((1, 3, height, width), dtype=np.float32)


class Recorder:
    """An artifact whose loss is the mean of the image times a map, so that windows are exact."""

    def __init__(self, fixed: tuple[int, int] | None = None, alignment: int = 4, minimum: int = 1) -> None:
        self.fixed_size = fixed
        self.minimum_size = minimum
        self.manifest = {"image": {"alignment": alignment}}
        self.shapes: list[tuple[int, ...]] = []

    def evaluate(
        self, image: Array, targets: Mapping[str, Array], weights: Mapping[str, float] | None = None
    ) -> Evaluation:
        self.shapes.append(image.shape[2:])
        loss = float((image**2).mean() / 2)
        return Evaluation(loss, {"x": loss}, image.copy())


@pytest.mark.parametrize("fixed", [None, (24, 32)])
@pytest.mark.parametrize("size", [(20, 30), (64, 64), (65, 130), (24, 32), (8, 200)])
def test_every_pixel_is_seen_at_its_place(size: tuple[int, int], fixed: tuple[int, int] | None) -> None:
    """Where the gradient is the image, so it is after shifting, cutting, and putting together."""
    image = picture(*size)
    recorder = Recorder(fixed)
    for seed in range(3):
        found = eyes(recorder, jitter=5, tile=64, seed=seed).evaluate(image, {})
        np.testing.assert_allclose(found.gradient, image, rtol=1e-6)
    for height, width in recorder.shapes:
        assert (height, width) == fixed if fixed else height <= 64 and width <= 64


def test_no_window_is_larger_than_asked_for() -> None:
    """Where that is no multiple of the stride, either, which windows are made a multiple of."""
    recorder = Recorder(alignment=32)
    for size in (101, 130, 200, 389):
        eyes(recorder, tile=100).evaluate(picture(size, size), {})
    assert max(max(shape) for shape in recorder.shapes) <= 100


def test_windows_are_even_and_aligned() -> None:
    recorder = Recorder(alignment=16)
    eyes(recorder, tile=512).evaluate(picture(768, 1024), {})
    assert recorder.shapes == [(384, 512)] * 4
    recorder.shapes.clear()
    eyes(recorder, tile=64).evaluate(picture(100, 64), {})
    assert recorder.shapes == [(64, 64)] * 2  # 50 would be padded to 64 inside the graph anyway


def test_no_window_is_too_small_for_the_network() -> None:
    recorder = Recorder(minimum=80)
    for size in (80, 100, 159, 160, 300):
        eyes(recorder, tile=64).evaluate(picture(size, size), {})
    assert min(min(shape) for shape in recorder.shapes) >= 80


def test_one_window_without_shift_is_the_artifact_itself(dream_artifact: Path) -> None:
    artifact = Artifact(dream_artifact, device="cpu")
    image = picture(40, 56)
    targets = artifact.targets(image)
    plain, seen = artifact.evaluate(image, targets), eyes(artifact).evaluate(image, targets)
    np.testing.assert_array_equal(plain.gradient, seen.gradient)
    assert plain.loss == seen.loss


def test_the_shift_is_undone(dream_artifact: Path) -> None:
    """The gradient at a shifted picture, shifted back."""
    artifact = Artifact(dream_artifact, device="cpu")
    image = picture(40, 56)
    targets = artifact.targets(image)
    found = eyes(artifact, jitter=8, seed=3).evaluate(image, targets).gradient
    rng = np.random.default_rng(3)
    shift = [int(rng.integers(-8, 9)), int(rng.integers(-8, 9))]
    assert any(shift)
    expected = artifact.evaluate(np.roll(image, shift, (2, 3)), targets).gradient
    np.testing.assert_array_equal(np.roll(expected, [-s for s in shift], (2, 3)), found)


def test_windows_leave_no_seams(dream_artifact: Path) -> None:
    """On an even picture every place gets the same gradient on average; in windows that stay, their edges differ."""
    artifact = Artifact(dream_artifact, device="cpu")
    image = np.full((1, 3, 128, 128), 0.4, np.float32)
    targets = artifact.targets(image)
    shifted = eyes(artifact, tile=64)
    mean = np.mean([np.abs(shifted.evaluate(image, targets).gradient).sum((0, 1)) for _ in range(150)], 0)
    still = np.abs(artifact.evaluate(image[:, :, :64, :64], targets).gradient).sum((0, 1))

    def unevenness(profile: Array) -> float:
        smooth = profile.reshape(-1, 8).mean(1)  # finer than that is the network's stride
        return float(smooth.std() / smooth.mean())

    for axis in (0, 1):
        assert unevenness(mean.mean(axis)) < 0.2 * unevenness(still.mean(axis))


def test_a_network_of_one_size_sees_pictures_of_any(tmp_path: Path) -> None:
    network = load_network(chain(tmp_path / "net.onnx", size=32, classes=5, flatten=True))
    artifact = Artifact(write_artifact(network, dream_objective(network, enhance="class"), tmp_path / "a"))
    assert artifact.fixed_size == (32, 32)
    (name,) = artifact.given
    targets = {name: np.eye(5, dtype=np.float32)[:1]}
    for size in ((20, 70), (32, 32), (90, 40)):
        found = eyes(artifact, jitter=4).evaluate(picture(*size), targets)
        assert found.gradient.shape == (1, 3, *size)
        assert np.abs(found.gradient).sum((0, 1)).min() > 0
