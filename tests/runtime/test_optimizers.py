"""Optimisers on functions whose minimum is known, and the Adam graph against its formula."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from pixelgrad.errors import SettingsError
from pixelgrad.exporters.lbfgs import lbfgs_models
from pixelgrad.exporters.optimizer import adam_model
from pixelgrad.runtime.memory import DeviceArray, Memory
from pixelgrad.runtime.optimizers import LBFGS, Adam, Optimizer, lbfgs_vectors, make_optimizer

Array = np.ndarray[Any, Any]
Function = Callable[[Array], tuple[float, Array]]


def opened(model: onnx.ModelProto) -> Any:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def session() -> Any:
    return opened(adam_model())


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """The sessions of L-BFGS, the CPU's memory taken for a device's."""
    monkeypatch.setattr(lbfgs_vectors, "memory_of", lambda _: Memory("cpu"))
    accept, propose = (opened(model) for model in lbfgs_models().values())
    return accept, propose


def made(name: str, x: Array, session: Any) -> Optimizer:
    return make_optimizer(name, x, SimpleNamespace(optimizer=session, lbfgs=None), 0.02)


def image(seed: int = 0, height: int = 6, width: int = 5) -> Array:
    return np.random.default_rng(seed).random((1, 3, height, width), dtype=np.float32)


def bowl(x: Array) -> tuple[float, Array]:
    """An ill-conditioned quadratic with its minimum inside the box."""
    scale = np.geomspace(1, 300, x.size).reshape(x.shape)
    d = x.astype(np.float64) - 0.4
    return float((scale * d**2).sum()), (2 * scale * d).astype(np.float32)


def outside(x: Array) -> tuple[float, Array]:
    """A coupled quadratic whose minimum lies outside the box in places."""
    target = np.random.default_rng(9).uniform(-1, 2, x.shape)
    d = x.astype(np.float64) - target
    d = d + 0.2 * np.roll(d, 1, axis=3)
    gradient = 2 * (d + 0.2 * np.roll(d, -1, axis=3))
    return float((d**2).sum()), gradient.astype(np.float32)


def cliff(x: Array) -> tuple[float, Array]:
    """No number where the bowl's edge is passed: every step that far must be taken back."""
    loss, gradient = bowl(x)
    return (np.nan, gradient * np.float32(np.nan)) if x.max() > 0.97 else (loss, gradient)


def run(optimizer: Optimizer, function: Function, steps: int) -> list[float]:
    losses = []
    for _ in range(steps):
        loss, gradient = function(optimizer.image)
        optimizer.update(loss, gradient)
        losses.append(function(optimizer.result)[0])
    return losses


def test_adam_is_adam(session: Any) -> None:
    """Ten steps of Kingma & Ba's algorithm 1 in float64, clamped and averaged."""
    x = image()
    optimizer = Adam(x, session, learning_rate=0.05)
    z, m, v, a = x.astype(np.float64), 0.0, 0.0, 0.0
    for t in range(1, 11):
        loss, gradient = bowl(optimizer.image)
        optimizer.update(loss, gradient)
        g = gradient.astype(np.float64)
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g**2
        z = np.clip(z - 0.05 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.99**t)) + 1e-8), 0, 1)
        a = 0.99 * a + 0.01 * z
        np.testing.assert_allclose(optimizer.image, z, atol=2e-5)
        np.testing.assert_allclose(optimizer.result, a / (1 - 0.99**t), atol=2e-5)
        z = optimizer.image.astype(np.float64)


@pytest.mark.parametrize("name", ["adam", "lbfgs"])
@pytest.mark.parametrize("function", [bowl, outside])
def test_optimisers_go_downhill_and_stay_in_the_box(session: Any, name: str, function: Function) -> None:
    optimizer = made(name, image(), session)
    start = function(optimizer.image)[0]
    losses = run(optimizer, function, 150)
    assert losses[-1] < 0.35 * start
    for x in (optimizer.image, optimizer.result):
        assert x.dtype == np.float32
        assert x.min() >= 0
        assert x.max() <= 1


def test_lbfgs_finds_the_minimum_of_a_quadratic() -> None:
    losses = run(LBFGS(image()), bowl, 150)
    assert losses[-1] < 1e-6


def test_lbfgs_finds_the_constrained_minimum() -> None:
    """Against projected gradient descent run to the end."""
    z = image().astype(np.float64)
    for _ in range(4000):
        z = np.clip(z - 0.2 * outside(z)[1], 0, 1)
    losses = run(LBFGS(image()), outside, 80)
    assert losses[-1] == pytest.approx(outside(z)[0], rel=1e-4)


def test_lbfgs_never_shows_a_worse_image() -> None:
    losses = run(LBFGS(image()), outside, 60)
    assert all(after <= before + 1e-9 for before, after in pairwise(losses))


def test_lbfgs_survives_a_trial_that_is_not_a_number() -> None:
    """A step that leaves the function's domain is taken back and shortened."""

    losses = run(LBFGS(np.full((1, 3, 4, 4), 0.9, np.float32)), cliff, 60)
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.01 * losses[0]


@pytest.mark.parametrize("function", [bowl, outside, cliff])
@pytest.mark.parametrize("shape", [(1, 3, 6, 5), (2, 3, 4, 9)])
def test_lbfgs_on_a_device_is_lbfgs(
    graphs: tuple[Any, Any], function: Function, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The graphs follow the two-loop recursion, trials that are taken back and a history that is full included; the
    bowl, of condition 300, grows the rounding of float32 in both."""
    start = np.random.default_rng(3).uniform(0, 0.96, shape).astype(np.float32)
    expected, found = LBFGS(start), LBFGS(start, graphs)
    for _ in range(30):
        losses = []
        for optimizer in (expected, found):
            loss, gradient = function(np.asarray(optimizer.image))
            optimizer.update(loss, gradient)
            losses.append(function(np.asarray(optimizer.result))[0])
        assert losses[1] == pytest.approx(losses[0], rel=2e-3)
    np.testing.assert_allclose(np.asarray(found.image), expected.image, atol=2e-3)
    assert len(expected._vectors._pairs) == lbfgs_vectors.PAIRS or function is not bowl  # type: ignore[attr-defined]


def test_lbfgs_starts_again_on_a_device_too(graphs: tuple[Any, Any]) -> None:
    """Where nothing helps, it takes twelve trials back and then goes down the gradient, scaled as the first step."""
    start = np.full((1, 3, 4, 4), 0.5, np.float32)
    expected, found = LBFGS(start), LBFGS(start, graphs)
    rng = np.random.default_rng(0)
    for step in range(34):
        loss, gradient = float(step > 3), rng.normal(size=start.shape).astype(np.float32)
        for optimizer in (expected, found):
            optimizer.update(loss - (0.01 * step if step <= 3 else 0), gradient)
        np.testing.assert_allclose(np.asarray(found.image), expected.image, atol=1e-5)


def test_only_numbers_cross_between_previews(graphs: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[tuple[int, ...]] = []
    original = DeviceArray.numpy
    monkeypatch.setattr(DeviceArray, "numpy", lambda self: (fetched.append(self.shape), original(self))[1])
    memory, start = Memory("cpu"), image(0, 8, 8)
    optimizer = LBFGS(start, graphs)
    places = set()
    for step in range(15):
        optimizer.update(-float(step), memory.put(image(step, 8, 8)))
        places.add(optimizer._vectors._history.value.data_ptr())  # type: ignore[attr-defined]
    assert set(fetched) == {(2 * lbfgs_vectors.PAIRS + 1, 3), ()}
    assert len(places) == 2
    assert isinstance(optimizer.image, DeviceArray)
    grown = optimizer.resized(12, 10)
    assert isinstance(grown.image, DeviceArray)
    assert grown.image.shape == (1, 3, 10, 12)


@pytest.mark.parametrize("name", ["adam", "lbfgs"])
def test_resizing_goes_on_from_the_result(session: Any, name: str) -> None:
    optimizer = made(name, image(0, 8, 8), session)
    run(optimizer, bowl, 5)
    grown = optimizer.resized(12, 16)
    assert grown.image.shape == grown.result.shape == (1, 3, 16, 12)
    assert grown.image.mean() == pytest.approx(float(optimizer.result.mean()), abs=0.02)
    run(grown, bowl, 3)


def test_adam_carries_its_moments(session: Any) -> None:
    """The first step at a new size goes where the last ones went, even where its own gradient is nothing."""
    optimizer = Adam(np.full((1, 3, 8, 8), 0.5, np.float32), session, 0.02)
    for _ in range(5):
        optimizer.update(1.0, np.ones((1, 3, 8, 8), np.float32))
    grown = optimizer.resized(12, 12)
    before = grown.image
    grown.update(1.0, np.zeros((1, 3, 12, 12), np.float32))
    assert float((grown.image - before).max()) < -0.005


def test_an_unknown_optimizer_is_named(session: Any) -> None:
    with pytest.raises(SettingsError, match="the optimizer is 'sgd'; it must be one of adam, lbfgs"):
        made("sgd", image(), session)
