"""Projections: against a deconvnet in NumPy that shares nothing with ours, on small and on real networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from helpers.data import shared
from helpers.deconvnet import project
from helpers.gradcheck import numerical_vjp, runtime
from helpers.networks import chain, saved
from onnx import helper

from pixelgrad.errors import NetworkError, SettingsError, UnknownLayerError
from pixelgrad.exporters import Projection, class_scores, load_network
from pixelgrad.exporters.projections import PROJECTION_RULES, build_projection_graphs

Array = np.ndarray[Any, Any]


def picture(height: int, width: int, seed: int = 1) -> Array:
    rng = np.random.default_rng(seed)
    coarse = rng.random((1, 3, -(-height // 4), -(-width // 4)))
    return coarse.repeat(4, 2).repeat(4, 3)[:, :, :height, :width].astype(np.float32)


def one_hot_at_maximum(channel: int) -> Any:
    """The paper's start: one activation with its value, all others zero."""

    def seed(features: Array) -> Array:
        result = np.zeros_like(features)
        place = np.unravel_index(features[0, channel].argmax(), features.shape[2:])
        result[0, channel, *place] = features[0, channel, *place]
        return result

    return seed


def assert_projections_agree(
    path: Path, layer: str, size: tuple[int, int], rule: str, preprocess: str = "rgb", channels: int = 3
) -> None:
    """To 1e-5 of the largest value, for the channels that respond most strongly."""
    loaded = load_network(path, preprocess=preprocess)
    graphs = build_projection_graphs(loaded, Projection(layer, rule))
    scan, down = runtime(graphs.evaluation), runtime(graphs.training)
    image = picture(*size)
    seen = scan({"image": image})
    model = onnx.load(path)
    own = image.astype(np.float64)
    if preprocess == "caffe":
        own = own[:, ::-1] * 255 - np.asarray([104.0, 117.0, 123.0])[None, :, None, None]
    for channel in np.argsort(-seen["maxima"][0])[:channels]:
        seed = one_hot_at_maximum(int(channel))
        features, expected = project(model, own, graphs.layer, seed, rule)
        assert seen["maxima"][0, channel] == pytest.approx(features[0, channel].max(), rel=1e-4)
        assert seen["positions"][0, channel] == features[0, channel].argmax()
        if preprocess == "caffe":
            expected = expected[:, ::-1] * 255
        found = down({"image": image, "cotangent": seed(features).astype(np.float32)})["projection"]
        assert np.abs(expected).max() > 0
        error = np.abs(found - expected).max() / np.abs(expected).max()
        assert error < 1e-5, f"channel {channel}: {error:.2g}"


@pytest.mark.parametrize("rule", PROJECTION_RULES)
@pytest.mark.parametrize("layer", ["r1", "p2", "c3", "r3"])
def test_small_network(tmp_path: Path, rule: str, layer: str) -> None:
    assert_projections_agree(chain(tmp_path / "net.onnx"), layer, (37, 30), rule)


@pytest.mark.parametrize("rule", PROJECTION_RULES)
@pytest.mark.parametrize("layer", ["relu1_1", "relu3_1", "relu4_1"])
def test_slim_vgg(rule: str, layer: str) -> None:
    assert_projections_agree(shared("weights/vgg19_slim16x.onnx"), layer, (64, 72), rule)


@pytest.mark.parametrize("layer", ["conv2/3x3", "inception_3b/output", "inception_4a/output"])
def test_googlenet_with_lrn_overlapping_pools_and_concat(layer: str) -> None:
    assert_projections_agree(shared("weights/googlenet.onnx"), layer, (64, 72), "deconvnet", "caffe", channels=2)


def test_googlenet_class_scores() -> None:
    """From a class down: through the classifier, the global pooling and nine inceptions."""
    path = shared("weights/googlenet.onnx")
    loaded = load_network(path)
    assert class_scores(loaded).name == "loss3/classifier"
    graphs = build_projection_graphs(loaded, Projection("loss3/classifier"))
    image = picture(64, 64)
    seed = np.zeros((1, 1000), np.float32)
    seed[0, 281] = 1
    own = image[:, ::-1].astype(np.float64) * 255 - np.asarray([104.0, 117.0, 123.0])[None, :, None, None]
    features, expected = project(onnx.load(path), own, "loss3/classifier", lambda _: seed)
    found = runtime(graphs.training)({"image": image, "cotangent": seed})["projection"]
    expected = expected[:, ::-1] * 255
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()
    seen = runtime(graphs.evaluation)({"image": image})
    np.testing.assert_allclose(seen["maxima"], features, rtol=1e-4, atol=1e-4)
    assert not seen["positions"].any()


@pytest.mark.parametrize("layer", ["conv1", "conv2", "conv3", "ip1"])
def test_caffe_cifar10(layer: str) -> None:
    """Caffe's example: poolings that are rounded up, maxima before the ReLU, averages, contrast within a channel."""
    loaded = load_network(shared("weights/cifar10_full/cifar10_full_iter_70000.caffemodel"), preprocess="rgb255")
    graphs = build_projection_graphs(loaded, Projection(layer))
    image = picture(32, 32)
    seen = runtime(graphs.evaluation)({"image": image})
    model = ir.to_proto(loaded.model)
    channel = int(seen["maxima"][0].argmax())
    seed = one_hot_at_maximum(channel)
    features, expected = project(model, image, graphs.layer, seed)
    assert seen["maxima"][0, channel] == pytest.approx(features[0, channel].max(), rel=1e-5)
    cotangent = seed(features).astype(np.float32)
    found = runtime(graphs.training)({"image": image, "cotangent": cotangent})["projection"]
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()


def test_a_window_of_zeros_has_one_switch(tmp_path: Path) -> None:
    """Dark image, negative weights: the map is zero everywhere, and still each window passes its signal once."""
    weights = {"w": -np.ones((1, 3, 1, 1), np.float32)}
    nodes = [
        helper.make_node("Conv", ["data", "w"], ["c"]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Relu", ["p"], ["out"]),
    ]
    graphs = build_projection_graphs(
        load_network(saved(tmp_path / "net.onnx", nodes, weights, "out"), preprocess="rgb"), Projection("out")
    )
    image = np.full((1, 3, 4, 6), 0.5, np.float32)
    found = runtime(graphs.training)({"image": image, "cotangent": np.ones((1, 1, 2, 3), np.float32)})["projection"]
    expected = np.zeros((4, 6))
    expected[::2, ::2] = -1
    np.testing.assert_array_equal(found[0, 0], expected)


def test_overlapping_windows_with_one_maximum_add_up(tmp_path: Path) -> None:
    weights = {"w": np.ones((1, 3, 1, 1), np.float32) / 3}
    nodes = [
        helper.make_node("Conv", ["data", "w"], ["c"]),
        helper.make_node("MaxPool", ["c"], ["out"], kernel_shape=[3, 3], strides=[2, 2]),
    ]
    graphs = build_projection_graphs(
        load_network(saved(tmp_path / "net.onnx", nodes, weights, "out"), preprocess="rgb"), Projection("out")
    )
    image = np.zeros((1, 3, 5, 5), np.float32)
    image[:, :, 2, 2] = 1  # in all four windows
    found = runtime(graphs.training)({"image": image, "cotangent": np.ones((1, 1, 2, 2), np.float32)})["projection"]
    expected = np.zeros((5, 5), np.float32)
    expected[2, 2] = 4 / 3
    np.testing.assert_allclose(found[0, 0], expected, rtol=1e-6)


def test_global_maximum_has_one_switch(tmp_path: Path) -> None:
    weights = {"w": np.ones((2, 3, 1, 1), np.float32)}
    nodes = [helper.make_node("Conv", ["data", "w"], ["c"]), helper.make_node("GlobalMaxPool", ["c"], ["out"])]
    graphs = build_projection_graphs(
        load_network(saved(tmp_path / "net.onnx", nodes, weights, "out"), preprocess="rgb"),
        Projection("out", "gradient"),
    )
    image = np.full((1, 3, 3, 4), 0.5, np.float32)
    cotangent = np.asarray([1.0, 2.0], np.float32).reshape(1, 2, 1, 1)
    found = runtime(graphs.training)({"image": image, "cotangent": cotangent})["projection"]
    expected = np.zeros((1, 3, 3, 4))
    expected[:, :, 0, 0] = 3
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("activation", ["Relu", "LeakyRelu", "Elu", "Clip", "Sigmoid"])
def test_rules_at_an_activation(tmp_path: Path, activation: str) -> None:
    """The signal's positive part; where the derivative lets it pass; both. A sigmoid is no rectifier."""
    weights = {"w": np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1), "low": np.float32(0), "high": np.float32(6)}
    inputs = ["c", "low", "high"] if activation == "Clip" else ["c"]
    nodes = [helper.make_node("Conv", ["data", "w"], ["c"]), helper.make_node(activation, inputs, ["out"])]
    loaded = load_network(saved(tmp_path / "net.onnx", nodes, weights, "out"), preprocess="rgb")
    image = np.asarray([-0.5, 0.3, 0.8, -0.2], np.float32).reshape(1, 1, 1, 4).repeat(3, 1)
    signal = np.asarray([1.0, -1.0, 2.0, -3.0], np.float32).reshape(1, 1, 1, 4).repeat(3, 1)
    feeds = {"image": image, "cotangent": signal}
    found = {
        rule: runtime(build_projection_graphs(loaded, Projection("out", rule)).training)(feeds)["projection"]
        for rule in PROJECTION_RULES
    }
    slope = {
        "Relu": image > 0,
        "Clip": image > 0,
        "LeakyRelu": np.where(image > 0, 1, 0.01),
        "Elu": np.where(image > 0, 1, np.exp(image)),
        "Sigmoid": 1 / (2 + np.exp(image) + np.exp(-image)),
    }[activation]
    np.testing.assert_allclose(found["gradient"], signal * slope, rtol=1e-5)
    if activation == "Sigmoid":
        np.testing.assert_array_equal(found["deconvnet"], found["gradient"])
        return
    np.testing.assert_array_equal(found["deconvnet"], np.maximum(signal, 0))
    np.testing.assert_allclose(found["guided"], np.maximum(signal, 0) * slope, rtol=1e-5)


@pytest.mark.parametrize("form", ["Mul", "swapped", "Div"])
def test_contrast_normalisation_written_out_is_passed(tmp_path: Path, form: str) -> None:
    """As Caffe's WITHIN_CHANNEL normalisation reads; other products keep their derivative."""
    weights = {
        "w": np.random.default_rng(0).normal(size=(4, 3, 1, 1)).astype(np.float32),
        "alpha": np.float32(0.5),
        "one": np.float32(1),
        "beta": np.float32(0.75 if form == "Div" else -0.75),
    }
    last = {
        "Mul": helper.make_node("Mul", ["c", "factor"], ["out"]),
        "swapped": helper.make_node("Mul", ["factor", "c"], ["out"]),
        "Div": helper.make_node("Div", ["c", "factor"], ["out"]),
    }[form]
    pool = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}
    nodes = [
        helper.make_node("Conv", ["data", "w"], ["c"]),
        helper.make_node("Mul", ["c", "c"], ["square"]),
        helper.make_node("AveragePool", ["square"], ["mean"], **pool),
        helper.make_node("Mul", ["mean", "alpha"], ["scaled"]),
        helper.make_node("Add", ["scaled", "one"], ["base"]),
        helper.make_node("Pow", ["base", "beta"], ["factor"]),
        last,
    ]
    loaded = load_network(saved(tmp_path / "net.onnx", nodes, weights, "out"), preprocess="rgb")
    image = picture(5, 6)
    signal = np.random.default_rng(1).normal(size=(1, 4, 5, 6)).astype(np.float32)
    feeds = {"image": image, "cotangent": signal}
    found = runtime(build_projection_graphs(loaded, Projection("out")).training)(feeds)["projection"]
    np.testing.assert_allclose(found, np.einsum("nohw,ocij->nchw", signal, weights["w"]), rtol=1e-5, atol=1e-6)
    true = build_projection_graphs(loaded, Projection("out", "gradient"))
    forward = runtime(true.evaluation)
    expected = numerical_vjp(
        lambda f: {"features": forward({"image": f["image"]})["features"]},
        {"image": image},
        {"features": signal},
        "image",
        1e-2,
    )
    gradient = runtime(true.training)(feeds)["projection"]
    np.testing.assert_allclose(gradient, expected, atol=2e-3 * np.abs(expected).max())
    assert np.abs(gradient - found).max() > 0.05 * np.abs(found).max()
    square = build_projection_graphs(loaded, Projection("square"))
    plain = runtime(square.training)(feeds)["projection"]
    twice = 2 * signal * runtime(square.evaluation)({"image": image})["features"] ** 0.5
    assert np.abs(plain).max() > 0.1
    assert plain.shape == (1, 3, *twice.shape[2:])


@pytest.mark.parametrize("name", ["googlenet", "squeezenet1_1", "vgg19_slim16x"])
def test_a_batch_is_its_images_one_by_one(name: str) -> None:
    loaded = load_network(shared(f"weights/{name}.onnx"))
    layer = {"googlenet": "inception_3a/output", "squeezenet1_1": "fire3", "vgg19_slim16x": "relu2_2"}[name]
    graphs = build_projection_graphs(loaded, Projection(layer))
    assert graphs.batch is None
    scan, down = runtime(graphs.evaluation), runtime(graphs.training)
    images = np.concatenate([picture(48, 56, seed) for seed in (1, 2, 3)])
    together = scan({"image": images})
    cotangent = np.random.default_rng(0).random(together["features"].shape).astype(np.float32)
    projections = down({"image": images, "cotangent": cotangent})["projection"]
    for number in range(3):
        one = slice(number, number + 1)
        alone = scan({"image": images[one]})
        np.testing.assert_allclose(together["maxima"][one], alone["maxima"], rtol=1e-4, atol=1e-4)
        expected = down({"image": images[one], "cotangent": cotangent[one]})["projection"]
        np.testing.assert_allclose(projections[one], expected, atol=1e-4 * np.abs(expected).max())


def test_a_network_for_one_image_takes_one(tmp_path: Path) -> None:
    weights = {"w": np.ones((2, 3, 1, 1), np.float32), "shape": np.asarray([1, 2, 4, 4])}
    nodes = [helper.make_node("Conv", ["data", "w"], ["c"]), helper.make_node("Reshape", ["c", "shape"], ["out"])]
    path = saved(tmp_path / "net.onnx", nodes, weights, "out", (1, 3, 4, 4))
    graphs = build_projection_graphs(load_network(path, preprocess="rgb"), Projection("out"))
    assert (graphs.batch, graphs.fixed_size) == (1, (4, 4))
    assert runtime(graphs.evaluation)({"image": picture(4, 4)})["maxima"].shape == (1, 2)


def test_watched_layers_come_out_of_the_scan(tmp_path: Path) -> None:
    path = chain(tmp_path / "net.onnx")
    graphs = build_projection_graphs(load_network(path, preprocess="rgb"), Projection("r2", watched=("relu3_1", "c1")))
    assert graphs.watched == ("r3", "c1")
    seen = runtime(graphs.evaluation)({"image": picture(16, 16)})
    assert seen["features.r3"].shape == (1, 16, 4, 4)
    assert seen["features.c1"].shape == (1, 8, 16, 16)
    assert "w3" not in {t.name for t in graphs.training.graph.initializer}


def test_errors(tmp_path: Path) -> None:
    loaded = load_network(chain(tmp_path / "net.onnx"))
    with pytest.raises(SettingsError, match="the rule is 'cam'; it must be one of deconvnet, gradient, guided"):
        build_projection_graphs(loaded, Projection("r1", "cam"))
    with pytest.raises(UnknownLayerError, match="relu9"):
        build_projection_graphs(loaded, Projection("relu9"))
    weights = {"w": np.ones((2, 3, 1, 1), np.float32), "shape": np.asarray([0, -1, 2])}
    nodes = [helper.make_node("Conv", ["data", "w"], ["c"]), helper.make_node("Reshape", ["c", "shape"], ["out"])]
    odd = load_network(saved(tmp_path / "net.onnx", nodes, weights, "out"))
    with pytest.raises(NetworkError, match="starts from channels"):
        build_projection_graphs(odd, Projection("out"))
