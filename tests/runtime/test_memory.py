"""Arrays on a device that pass for NumPy's, and Adam that keeps its state there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from pixelgrad.runtime import Adam, Artifact, Evaluation, memory
from pixelgrad.runtime.engine import Finish
from pixelgrad.runtime.loss_scale import LossScale
from pixelgrad.runtime.memory import DeviceArray, Memory, memory_of
from pixelgrad.runtime.verify import pattern

SHAPE = (1, 3, 24, 20)


class Counting:
    """An OrtValue that counts how often its numbers are fetched."""

    def __init__(self, value: Any, fetched: list[int]) -> None:
        self._value, self._fetched = value, fetched

    def shape(self) -> list[int]:
        return list(self._value.shape())

    def numpy(self) -> Any:
        self._fetched.append(1)
        return self._value.numpy()


def device_array(array: Any) -> tuple[DeviceArray, list[int]]:
    fetched: list[int] = []
    return DeviceArray(Counting(onnxruntime.OrtValue.ortvalue_from_numpy(array), fetched)), fetched


def test_it_passes_for_an_array_and_is_fetched_once() -> None:
    numbers = pattern(SHAPE, 1)
    array, fetched = device_array(numbers)
    assert array.shape == SHAPE
    assert fetched == []
    np.testing.assert_array_equal(np.asarray(array), numbers)
    np.testing.assert_array_equal(array + 1, numbers + 1)
    np.testing.assert_array_equal(2 * array, 2 * numbers)
    np.testing.assert_array_equal(array[:, :, ::2], numbers[:, :, ::2])
    np.testing.assert_array_equal(array.astype(np.float64), numbers.astype(np.float64))
    assert np.asarray(array, np.float64).dtype == np.float64
    assert float(array.max()) == numbers.max()
    assert np.isfinite(array).all()
    assert len(array) == 1
    assert fetched == [1]
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(array)[0, 0, 0, 0] = 1.0


def test_it_cannot_be_written_to() -> None:
    array, _ = device_array(pattern(SHAPE, 1))
    with pytest.raises(ValueError, match="read-only"):
        array += 1
    with pytest.raises(ValueError, match="read-only"):
        np.add(1, 1, out=array)


def test_the_hosts_memory_needs_none(style_artifact: Path) -> None:
    assert memory_of(Artifact(style_artifact, device="cpu").training) is None


def test_memory_that_cannot_be_reached_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """This ONNX Runtime has no CUDA, so a session that says so must be run with arrays."""

    class Session:
        def get_providers(self) -> list[str]:
            return ["CUDAExecutionProvider"]

        def get_provider_options(self) -> dict[str, dict[str, str]]:
            return {"CUDAExecutionProvider": {"device_id": "1"}}

    memory._tried.cache_clear()
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        assert memory_of(Session()) is None
    memory._tried.cache_clear()
    tried = []
    monkeypatch.setattr(memory, "_tried", lambda kind, index: tried.append((kind, index)))
    memory_of(Session())
    assert tried == [("cuda", 1)]


@pytest.fixture
def resident(monkeypatch: pytest.MonkeyPatch) -> Memory:
    """The CPU's memory taken for a device's: the same path as on a GPU."""
    place = Memory("cpu")
    for module in ("artifact", "optimizers.adam"):
        monkeypatch.setattr(f"pixelgrad.runtime.{module}.memory_of", lambda _: place)
    return place


def steps(artifact: Artifact, count: int) -> tuple[list[Evaluation], list[Any], Adam]:
    targets = artifact.targets(pattern(SHAPE, 2))
    optimizer = Adam(pattern(SHAPE, 1), artifact.optimizer)
    evaluations, pictures = [], []
    for _ in range(count):
        evaluations.append(artifact.evaluate(optimizer.image, targets))
        optimizer.update(evaluations[-1].loss, evaluations[-1].gradient)
        pictures.append(optimizer.result)
    return evaluations, pictures, optimizer


def test_resident_steps_are_the_same_steps(style_artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = steps(Artifact(style_artifact, device="cpu"), 6)
    place = Memory("cpu")
    for module in ("artifact", "optimizers.adam"):
        monkeypatch.setattr(f"pixelgrad.runtime.{module}.memory_of", lambda _: place)
    found = steps(Artifact(style_artifact, device="cpu"), 6)
    assert isinstance(found[2].image, DeviceArray)
    for ours, theirs in zip(found[0], expected[0], strict=True):
        assert (ours.loss, ours.losses, ours.norm) == (theirs.loss, theirs.losses, theirs.norm)
        np.testing.assert_array_equal(ours.gradient, theirs.gradient)
    # Every step's picture is still there after the buffers of the moments have been used again and again.
    for ours, theirs in zip(found[1], expected[1], strict=True):
        np.testing.assert_array_equal(np.asarray(ours), theirs)
    grown, known = (steps_[2].resized(28, 32) for steps_ in (found, expected))
    np.testing.assert_array_equal(np.asarray(grown.image), known.image)


def test_moments_take_turns_in_two_buffers(style_artifact: Path, resident: Memory) -> None:
    _, _, optimizer = steps(Artifact(style_artifact, device="cpu"), 2)
    places = []
    for _ in range(4):
        optimizer.update(0.0, pattern(SHAPE, 3))
        places.append(optimizer._state["first_moment"].value.data_ptr())
    assert places[0] == places[2] != places[1] == places[3]


def test_targets_are_put_there_once(style_artifact: Path, resident: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    put: list[int] = []
    original = Memory.put
    monkeypatch.setattr(Memory, "put", lambda self, array: (put.append(1), original(self, array))[1])
    artifact = Artifact(style_artifact, device="cpu")
    targets = artifact.targets(pattern(SHAPE, 2))
    for _ in range(3):
        artifact.evaluate(pattern(SHAPE, 1), targets)
    assert len(put) == len(targets)
    artifact.evaluate(pattern(SHAPE, 1), {name: target.copy() for name, target in targets.items()})
    assert len(put) == 2 * len(targets)


def test_a_scalar_is_put_there_as_a_scalar() -> None:
    assert Memory("cpu").put(np.float32(0.25)).shape == ()
    assert Memory("cpu").put(np.zeros((4, 6), np.float32)[:, ::2]).shape == (4, 3)


def test_a_picture_is_made_of_a_device_array() -> None:
    array, fetched = device_array(pattern(SHAPE, 1))
    picture = Finish({}, None)(array)  # type: ignore[arg-type]
    assert picture.size == (20, 24)
    assert fetched == [1]


def test_evaluations_know_whether_they_are_finite() -> None:
    gradient, fetched = device_array(np.full(SHAPE, np.nan, np.float32))
    assert Evaluation(1.0, {}, gradient, 2.0).finite  # type: ignore[arg-type]
    assert fetched == []
    assert not Evaluation(1.0, {}, gradient).finite  # type: ignore[arg-type]
    assert not Evaluation(float("nan"), {}, gradient, 2.0).finite  # type: ignore[arg-type]
    assert not Evaluation(1.0, {}, gradient, float("inf")).finite  # type: ignore[arg-type]


def test_the_loss_scale_finds_its_place() -> None:
    scale = LossScale()
    first = scale.value
    assert scale.accept(overflow=False)
    assert not scale.accept(overflow=True)
    assert scale.value == first / 2
    for _ in range(200):
        assert scale.accept(overflow=False)
    assert scale.value == first
    while not scale.accept(overflow=True):
        pass
    assert scale.value == 1.0
    for _ in range(300):  # below nothing is left, but what overflows is no reason to scale up
        assert scale.accept(overflow=True)
    assert scale.value == 1.0
