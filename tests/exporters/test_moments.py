"""The moment loss, against SciPy's matrix square root in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from helpers.gradcheck import runtime

from pixelgrad.exporters.autodiff import Emitter, append_value_and_gradient, finish
from pixelgrad.exporters.objectives import Grain
from pixelgrad.exporters.objectives.moments import RIDGE, WIDEST, Moments, schedule
from pixelgrad.exporters.opset18 import infer_shapes

Array = np.ndarray[Any, Any]
scipy_linalg = pytest.importorskip("scipy.linalg")
scipy_fft = pytest.importorskip("scipy.fft")


def graphs(channels: int, kind: type[Moments] = Moments) -> tuple[Any, Any]:
    """features -> target, and features, target -> loss and its gradient."""
    wide = channels * 9 if kind is Grain else channels
    models = []
    for wanted in ("target", "loss"):
        features = ir.Value(name="x", shape=ir.Shape([1, channels, "H", "W"]), type=ir.TensorType(ir.DataType.FLOAT))
        graph = ir.Graph([features], [], nodes=[], opset_imports={"": 18}, name=wanted)
        model = ir.Model(graph, ir_version=8)
        op, term = Emitter(graph), kind("style.x", "x", 1.0)
        if wanted == "target":
            output = op.Identity(term.target(op, features))
            output.name, output.dtype = "target", ir.DataType.FLOAT
            graph.outputs.append(output)
            infer_shapes(model)
        else:
            groups = -(-wide // WIDEST)
            width = -(-wide // groups)
            shape = ir.Shape([groups, width, width + 1])
            target = ir.Value(name="target", shape=shape, type=ir.TensorType(ir.DataType.FLOAT))
            graph.inputs.append(target)
            loss = op.Identity(term.loss(op, features, target))
            loss.name, loss.dtype, loss.shape = "loss", ir.DataType.FLOAT, ir.Shape([])
            infer_shapes(model)
            append_value_and_gradient(graph, loss, [features])
        models.append(finish(model))
    assert all(node.domain == "" for model in models for node in model.graph.node)
    return tuple(runtime(model) for model in models)


def grouped(features: Array) -> Array:
    """[groups, channels of each, positions] of [channels, positions]: the blocks turned by SciPy's transform."""
    groups = -(-len(features) // WIDEST)
    width = -(-len(features) // groups)
    padded = np.pad(features.astype(np.float64), [(0, groups * width - len(features)), (0, 0)])
    return np.asarray(scipy_fft.dct(padded.reshape(groups, width, -1), axis=0, norm="ortho"))


def reference(x: Array, y: Array) -> tuple[float, Array]:
    """Loss and gradient by the textbook form, for features [groups, channels of each, positions]."""

    def gaussians(features: Array) -> tuple[Array, Array]:
        mean = features.mean(axis=2, keepdims=True)
        return mean, (features - mean) @ (features - mean).swapaxes(1, 2) / features.shape[2]

    (means, covariances), (others, wanted) = gaussians(x), gaussians(y)
    variance = np.trace(wanted, axis1=1, axis2=2).sum()
    energy = (others**2).sum() + variance
    identity = np.eye(x.shape[1])
    ridge = RIDGE * variance / (x.shape[0] * x.shape[1]) * identity
    value, gradient, n = 0.0, np.zeros_like(x), x.shape[2]
    for group, (m1, s1, m2, s2) in enumerate(zip(means, covariances + ridge, others, wanted + ridge, strict=True)):
        root = scipy_linalg.sqrtm(s2).real
        middle = scipy_linalg.sqrtm(root @ s1 @ root).real
        value += ((m1 - m2) ** 2).sum() + np.trace(s1) + np.trace(s2) - 2 * np.trace(middle)
        slope = identity - root @ np.linalg.inv(middle) @ root
        gradient[group] = 2 * (m1 - m2) / n + 2 * slope @ (x[group] - m1) / n
    return value / energy, gradient / energy


def features(channels: int, positions: int, seed: int) -> Array:
    """Rectified, with a spectrum that falls as those of networks do."""
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(channels, channels)) / np.arange(1, channels + 1)
    return np.maximum(mix @ rng.normal(size=(channels, positions)), 0).astype(np.float32)


CASES = {
    "regular": (features(16, 600, 1), features(16, 480, 2)),
    "singular target": (features(48, 2000, 1), features(48, 20, 2)),
    "singular image": (features(48, 24, 1), features(48, 2000, 2)),
    "both singular": (features(48, 24, 1), features(48, 18, 2)),
    "silent channels": (features(16, 600, 1) * (np.arange(16) % 2)[:, None], features(16, 600, 2)),
    "as wide as pebble": (features(128, 600, 1), features(128, 900, 2)),
    "far more colourful": (features(48, 24, 1) * 8, features(48, 18, 2)),
    "far paler": (features(48, 24, 1) / 8, features(48, 2000, 2)),
}


@pytest.mark.parametrize("case", CASES)
def test_value_and_gradient_are_those_of_scipy(case: str) -> None:
    x, y = (np.asarray(array, np.float32) for array in CASES[case])
    target, loss = graphs(len(x))
    found = loss({"x": x[None, :, :, None], "target": target({"x": y[None, :, :, None]})["target"]})
    value, (gradient,) = reference(grouped(x), grouped(y))
    assert float(found["loss"]) == pytest.approx(value, rel=1e-5)
    error = np.linalg.norm(found["gradient_x"][0, :, :, 0] - gradient) / np.linalg.norm(gradient)
    assert error < (2e-5 if case == "far more colourful" else 1e-5)


@pytest.mark.parametrize("channels", [WIDEST + 4, 2 * WIDEST + 1])
def test_wide_layers_are_taken_in_groups(channels: int) -> None:
    """Of directions that are at right angles to each other: never more than the distance of all together."""
    x, y = features(channels, 300, 1), features(channels, 260, 2)
    target, loss = graphs(channels)
    found = loss({"x": x[None, :, :, None], "target": target({"x": y[None, :, :, None]})["target"]})
    value, gradient = reference(grouped(x), grouped(y))
    assert float(found["loss"]) == pytest.approx(value, rel=1e-5)
    turned_back = scipy_fft.idct(gradient, axis=0, norm="ortho").reshape(-1, x.shape[1])[:channels]
    error = np.linalg.norm(found["gradient_x"][0, :, :, 0] - turned_back) / np.linalg.norm(gradient)
    assert error < 1e-5
    whole, _ = reference(x[None].astype(np.float64), y[None].astype(np.float64))
    assert 0.3 * whole < value <= whole


def test_features_like_the_target_s_cost_nothing() -> None:
    """Their order does not matter; a shift of the mean costs its square, a scaling that of the deviations."""
    y = features(16, 500, 3)
    target, loss = graphs(16)
    given = target({"x": y[None, :, :, None]})["target"]

    def at(x: Array) -> float:
        return float(loss({"x": x[None, :, None, :].astype(np.float32), "target": given})["loss"])

    energy = float((y.astype(np.float64) ** 2).sum() / y.shape[1])
    assert abs(at(y[:, ::-1])) < 1e-6
    assert at(y + 0.5) == pytest.approx(16 * 0.25 / energy, rel=1e-3)
    centred = y - y.mean(axis=1, keepdims=True)
    variance = float((centred.astype(np.float64) ** 2).sum() / y.shape[1])
    assert at(y + centred) == pytest.approx(variance / energy, rel=0.02)  # the ridge is not scaled


def test_the_grain_is_that_of_patches() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((3, 9, 12)), np.maximum(rng.normal(size=(3, 10, 8)), 0)

    def patches(image: Array) -> Array:
        padded = np.pad(image, [(0, 0), (1, 1), (1, 1)], mode="edge")
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
        return windows.transpose(0, 3, 4, 1, 2).reshape(1, 27, -1)

    target, loss = graphs(3, Grain)
    given = target({"x": y[None].astype(np.float32)})["target"]
    found = loss({"x": x[None].astype(np.float32), "target": given})
    assert float(found["loss"]) == pytest.approx(reference(patches(x), patches(y))[0], rel=1e-5)
    way = rng.normal(size=x.shape)
    ahead, behind = (reference(patches(x + step * way), patches(y))[0] for step in (1e-5, -1e-5))
    assert float((found["gradient_x"][0] * way).sum()) == pytest.approx((ahead - behind) / 2e-5, rel=1e-4)


@pytest.mark.parametrize("least", [0.3, 1e-2, 1e-5])
def test_the_steps_take_every_value_to_one(least: float) -> None:
    values = np.geomspace(least, 1, 1000)
    for linear, cubic in schedule(least):
        values = linear * values - cubic * values**3
        assert values.max() <= 1 + 1e-12
        assert values.min() > min(least, 0.4)  # none falls so low that float32 would forget it
    assert values.min() > 1 - 1e-6
    plain, count = least, 0
    while plain < 1 - 1e-6:
        plain, count = 1.5 * plain - 0.5 * plain**3, count + 1
    assert len(schedule(least)) < 0.8 * count or least == 0.3
