"""Optimisers on functions whose minimum is known, and the Adam graph against its formula."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from pixelgrad.errors import SettingsError
from pixelgrad.exporters.optimizer import adam_model
from pixelgrad.runtime.optimizers import LBFGS, Adam, Optimizer, make_optimizer

Array = np.ndarray[Any, Any]
Function = Callable[[Array], tuple[float, Array]]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("adam") / "optimizer_model.onnx"
    onnx.save(adam_model(), path)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


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
    optimizer = make_optimizer(name, image(), session, learning_rate=0.02)
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

    def cliff(x: Array) -> tuple[float, Array]:
        loss, gradient = bowl(x)
        return (np.nan, gradient * np.float32(np.nan)) if x.max() > 0.999 else (loss, gradient)

    losses = run(LBFGS(np.full((1, 3, 4, 4), 0.9, np.float32)), cliff, 60)
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.01 * losses[0]


@pytest.mark.parametrize("name", ["adam", "lbfgs"])
def test_resizing_goes_on_from_the_result(session: Any, name: str) -> None:
    optimizer = make_optimizer(name, image(0, 8, 8), session, learning_rate=0.02)
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
        make_optimizer("sgd", image(), session, 0.1)
