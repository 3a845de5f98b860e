"""The objective of feature visualisation: its terms against their formulas, and batches of images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from helpers.gradcheck import numerical_vjp, runtime
from helpers.networks import chain
from onnx import TensorProto, helper, numpy_helper

from pixelgrad.errors import NetworkError, SettingsError
from pixelgrad.exporters import (
    Objective,
    class_scores,
    features_objective,
    first_layer,
    last_map,
    load_network,
    visualize_objective,
)
from pixelgrad.exporters.objectives import build_loss_graphs

Array = np.ndarray[Any, Any]
CLASSES = 5


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chain(tmp_path_factory.mktemp("net") / "net.onnx", classes=CLASSES)


def images(count: int, height: int = 24, width: int = 32) -> Array:
    rng = np.random.default_rng(count)
    coarse = rng.random((count, 3, -(-height // 4), -(-width // 4)), dtype=np.float32)
    return coarse.repeat(4, 2).repeat(4, 3)[:, :, :height, :width]


def graph(path: Path, layer: str | None = None, **values: Any) -> Any:
    network = load_network(path, preprocess="rgb")
    return runtime(build_loss_graphs(network, visualize_objective(network, layer, **values)).training)


def seen(path: Path, image: Array, layer: str) -> Array:
    """Features of a layer, float64."""
    network = load_network(path, preprocess="rgb")
    graphs = build_loss_graphs(network, features_objective(network, [layer]))
    assert graphs.evaluation is not None
    (found,) = runtime(graphs.evaluation)({"image": image}).values()
    return np.asarray(found, np.float64)


def direction(count: int, channels: int, *which: int) -> Array:
    result = np.zeros((count, channels), np.float32)
    result[np.arange(count), list(which)] = 1
    return result


def test_a_neuron_is_the_channel_at_the_centre(net: Path) -> None:
    """What it is before the rectifier, where that is shut."""
    image = images(1, 40, 32)
    run = graph(net, "r2", unit="neuron")
    features = seen(net, image, "c2")
    centre = features[0, :, features.shape[2] // 2, features.shape[3] // 2]
    assert (centre < 0).any()
    assert (centre > 0).any()
    for channel in range(12):
        found = run({"image": image, "target.neuron.r2": direction(1, 12, channel)})
        assert found["loss"] == pytest.approx(-centre[channel], rel=1e-4)


@pytest.mark.parametrize("layer", ["r2", "c2", "logits"])
def test_a_direction_is_followed_by_the_square_of_its_cosine(net: Path, layer: str) -> None:
    """At the centre, where there are positions, whatever its length; what points elsewhere counts a hundredth, and is
    told by what it is before the rectifier.
    """
    image = images(2, 40, 32)

    def centre(name: str) -> Array:
        found = np.concatenate([seen(net, one[None], name) for one in image])
        return found if name == "logits" else found[:, :, found.shape[2] // 2, found.shape[3] // 2]

    features, before = centre(layer), centre("c2" if layer == "r2" else layer)
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(2, *features.shape))
    for wanted in (features + 0.3 * noise[0], noise[1], -features):
        run = graph(net, layer, unit="direction", batch=2)
        loss = run({"image": image, f"target.direction.{layer}": wanted.astype(np.float32)})["loss"]
        unit = wanted / np.linalg.norm(wanted, axis=1, keepdims=True)
        products = (features * unit).sum(1)
        followed = products * np.maximum(products / np.linalg.norm(features, axis=1), 0.1) ** 2
        if layer == "r2":
            followed += (products <= 0) * (before * unit).sum(1)
        assert loss == pytest.approx(-followed.sum(), rel=1e-4)


def test_a_class_is_its_score_against_its_rivals(net: Path) -> None:
    image = images(1)
    found = graph(net, unit="class", rivals_weight=0.7)(
        {"image": image, "target.class.logits": direction(1, CLASSES, 2)}
    )
    scores = seen(net, image, "logits")[0]
    assert found["loss.class.logits"] == pytest.approx(-scores[2], rel=1e-5)
    assert found["loss.rivals.logits"] == pytest.approx(np.log(np.exp(scores).sum()), rel=1e-5)
    assert found["loss"] == pytest.approx(-scores[2] + 0.7 * np.log(np.exp(scores).sum()), rel=1e-4)


def test_the_alpha_norm(net: Path) -> None:
    image = images(2)
    targets = {"target.channel.r1": direction(2, 8, 0, 1)}
    found = graph(net, "r1", norm_weight=1.0, batch=2)({"image": image, **targets})
    expected = sum((np.abs(2 * one - 1).astype(np.float64) ** 6).mean() for one in image)
    assert found["loss.norm"] == pytest.approx(expected, rel=1e-5)


def test_likeness_is_the_cosine_between_grams(net: Path) -> None:
    image = images(3)
    targets = {"target.channel.r2": direction(3, 12, 0, 0, 0)}
    found = graph(net, "r2", diversity_weight=1.0, batch=3)({"image": image, **targets})
    grams = []
    for one in image:
        flat = seen(net, one[None], "r2")[0].reshape(12, -1)
        gram = (flat @ flat.T).ravel()
        grams.append(gram / np.linalg.norm(gram))
    expected = sum(grams[i] @ grams[j] for i in range(3) for j in range(i))
    assert found["loss.diversity.r2"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("layer", "values"),
    [
        (None, {"unit": "class", "tv_weight": 2.0}),
        ("r2", {"unit": "neuron", "norm_weight": 1.0}),
        ("r2", {"batch": 2, "diversity_weight": 0.5}),
        (None, {"unit": "class", "batch": 2, "diversity_weight": 0.5}),
        ("r2", {"unit": "direction", "batch": 2}),
        ("logits", {"unit": "direction"}),
    ],
)
def test_the_gradient_is_that_of_finite_differences(net: Path, layer: str | None, values: dict[str, Any]) -> None:
    """At a size that needs alignment."""
    count = values.get("batch", 1)
    image = images(count, 11, 13)
    run = graph(net, layer, **values)
    unit, channels = values.get("unit", "channel"), 12 if layer == "r2" else CLASSES
    name = f"target.{unit}.{layer or 'logits'}"
    targets = {name: direction(count, channels, *range(count))}
    if unit == "direction":
        targets[name] += np.linspace(0.1, 0.6, channels, dtype=np.float32)
    expected = numerical_vjp(
        lambda feeds: {"loss": run({**targets, **feeds})["loss"]},
        {"image": image},
        {"loss": np.float64(1)},
        "image",
        2e-3,
    )
    gradient = run({"image": image, **targets})["gradient"]
    assert np.linalg.norm(gradient - expected) / np.linalg.norm(expected) < 3e-2


def shut(path: Path, *, six: bool = False, rectified_scores: bool = False) -> Path:
    """``net`` with channel 3 of r2 shut for every picture, and class 1 too where the scores are rectified."""
    model = onnx.load(chain(path, classes=CLASSES))
    for tensor in model.graph.initializer:
        if tensor.name in ("b2", "fcb"):
            bias = numpy_helper.to_array(tensor).copy()
            bias[3 if tensor.name == "b2" else 1] = -50.0
            tensor.CopyFrom(numpy_helper.from_array(bias, tensor.name))
    if six:
        model.graph.initializer.extend(
            numpy_helper.from_array(np.float32(value), name) for name, value in (("low", 0), ("high", 6))
        )
        node = next(node for node in model.graph.node if node.output[0] == "r2")
        node.op_type = "Clip"
        node.input.extend(["low", "high"])
    if rectified_scores:
        model.graph.node.append(helper.make_node("Relu", ["logits"], ["scores"]))
        model.graph.output[0].name = "scores"
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    ("layer", "before", "unit", "six"),
    [("r2", "c2", "channel", False), ("r2", "c2", "channel", True), ("r2", "c2", "neuron", False)],
)
def test_a_unit_that_is_shut_is_told_what_would_open_it(
    tmp_path: Path, layer: str, before: str, unit: str, six: bool
) -> None:
    """By the activation before the rectifier; a unit that responds has its own gradient."""
    path = shut(tmp_path / "net.onnx", six=six)
    image = images(1)

    def gradient(name: str, channel: int) -> Array:
        return graph(path, name, unit=unit)({"image": image, f"target.{unit}.{name}": direction(1, 12, channel)})[
            "gradient"
        ]

    assert seen(path, image, layer)[0, 3].max() == 0
    np.testing.assert_allclose(gradient(layer, 3), gradient(before, 3), rtol=1e-5, atol=1e-9)
    assert np.abs(gradient(layer, 3)).max() > 0
    open_channel = int(seen(path, image, layer)[0].mean((1, 2)).argmax())
    assert unit == "neuron" or not np.allclose(gradient(layer, open_channel), gradient(before, open_channel), rtol=1e-2)


def test_pictures_of_a_batch_wake_each_for_itself(tmp_path: Path) -> None:
    """And through a pooling; what asks for less of a shut unit gets nothing."""
    path = shut(tmp_path / "net.onnx")
    image = images(2)
    run = graph(path, "p2", batch=2)
    towards = direction(2, 12, 3, int(seen(path, image[1:], "p2")[0].mean((1, 2)).argmax()))
    both = run({"image": image, "target.channel.p2": towards})["gradient"]
    assert np.abs(both[0]).max() > 0
    alone = graph(path, "p2")({"image": image[1:], "target.channel.p2": towards[1:]})["gradient"]
    np.testing.assert_allclose(both[1], alone[0], rtol=1e-4, atol=1e-8)
    away = run({"image": image, "target.channel.p2": -towards})["gradient"]
    assert np.abs(away[0]).max() == 0
    np.testing.assert_allclose(away[1], -both[1], rtol=1e-5)


def test_a_class_whose_score_is_rectified_is_woken_too(tmp_path: Path) -> None:
    """As in SqueezeNet, whose scores are rectified; the rivals' gradient does not stand in for it."""
    path = shut(tmp_path / "net.onnx", rectified_scores=True)
    image = images(1)

    def gradient(precision: str = "fp32", **values: Any) -> Array:
        network = load_network(path, preprocess="rgb")
        graphs = build_loss_graphs(network, visualize_objective(network, unit="class", **values), precision=precision)
        feeds = {"image": image, "target.class.scores": direction(1, CLASSES, 1)}
        scale = {"loss_scale": np.array(1024, np.float32)} if precision == "fp16" else {}
        return runtime(graphs.training)({**feeds, **scale})["gradient"]

    pre = graph(path, "logits", unit="class", rivals_weight=0.0)(
        {"image": image, "target.class.logits": direction(1, CLASSES, 1)}
    )["gradient"]
    np.testing.assert_allclose(gradient(rivals_weight=0.0), pre, rtol=1e-5, atol=1e-9)
    half = gradient("fp16", rivals_weight=0.0)
    assert np.linalg.norm(half - pre) < 0.02 * np.linalg.norm(pre)
    mixed = gradient(rivals_weight=0.9)
    assert float((mixed * pre).sum()) > 0.5 * float((pre * pre).sum())


def reshaping(path: Path, kind: str) -> Path:
    """A classifier as exporters write it that trace one image: with that image's 1 in its constants."""
    rng = np.random.default_rng(0)
    weights = {
        "w": rng.normal(size=(8, 3, 3, 3), scale=0.2).astype(np.float32),
        "split": np.array([1, 2, 4, 16, 16] if kind == "shuffle" else [1, 8, 256]),
        "back": np.array([1, 8, 16, 16]),
        "flat": np.array([1, 2048]),
        "token": rng.normal(size=(1, 8, 1)).astype(np.float32),
        "fc": rng.normal(size=(2048 if kind != "token" else 8 * 257, 4), scale=0.05).astype(np.float32),
    }
    nodes = [helper.make_node("Conv", ["image_in", "w"], ["c"], pads=[1] * 4, strides=[2, 2])]
    if kind == "shuffle":  # ShuffleNet's channel shuffle
        nodes += [
            helper.make_node("Reshape", ["c", "split"], ["s"]),
            helper.make_node("Transpose", ["s"], ["t"], perm=[0, 2, 1, 3, 4]),
            helper.make_node("Reshape", ["t", "back"], ["b"]),
            helper.make_node("Reshape", ["b", "flat"], ["f"]),
        ]
    elif kind == "token":  # a vision transformer's class token
        nodes += [
            helper.make_node("Reshape", ["c", "split"], ["s"]),
            helper.make_node("Concat", ["token", "s"], ["t"], axis=2),
            helper.make_node("Flatten", ["t"], ["f"]),
        ]
    else:  # puts the batch behind something else
        nodes += [
            helper.make_node("Reshape", ["c", "split"], ["s"]),
            helper.make_node("Transpose", ["s"], ["t"], perm=[1, 0, 2]),
            helper.make_node("Reshape", ["t", "flat"], ["f"]),
        ]
    nodes.append(helper.make_node("MatMul", ["f", "fc"], ["scores"]))
    model = helper.make_model(
        helper.make_graph(
            nodes,
            kind,
            [helper.make_tensor_value_info("image_in", TensorProto.FLOAT, [1, 3, 32, 32])],
            [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 4])],
            [numpy_helper.from_array(value, name) for name, value in weights.items()],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("kind", ["shuffle", "token"])
def test_constants_of_a_single_image_become_those_of_a_batch(tmp_path: Path, kind: str) -> None:
    """Each image's gradient in a batch is its gradient alone."""
    path = reshaping(tmp_path / "net.onnx", kind)
    image = images(3, 32, 32)
    batch = graph(path, unit="class", batch=3)({"image": image, "target.class.scores": direction(3, 4, 0, 1, 2)})
    alone = graph(path, unit="class")
    losses = []
    for index in range(3):
        found = alone({"image": image[index : index + 1], "target.class.scores": direction(1, 4, index)})
        np.testing.assert_allclose(batch["gradient"][index], found["gradient"][0], rtol=1e-3, atol=1e-6)
        losses.append(float(found["loss"]))
    assert float(batch["loss"]) == pytest.approx(sum(losses), rel=1e-5)


def test_a_network_that_mixes_a_batch_says_so(tmp_path: Path) -> None:
    path = reshaping(tmp_path / "net.onnx", "moved")
    with pytest.raises(
        NetworkError, match=r"Transpose at 't' does not keep the images of a batch apart.*one image at a time"
    ):
        graph(path, unit="class", batch=2)
    graph(path, unit="class")


def test_both_ends_of_a_network(net: Path, small_network: Path) -> None:
    network = load_network(net, preprocess="caffe")
    first = first_layer(network)
    weights = {t.name: numpy_helper.to_array(t) for t in onnx.load(net).graph.initializer}
    # Caffe's networks want BGR in 0 to 255: so 255 times as strong, and the other way round, over RGB in [0, 1].
    np.testing.assert_allclose(first.filters, 255 * weights["w1"][:, ::-1], rtol=1e-5)
    assert (first.name, first.stride) == ("c1", 1)
    assert last_map(network).name == "r3"
    assert class_scores(network).name == "logits"
    assert last_map(load_network(small_network)).name == "r3"
    with pytest.raises(NetworkError, match="'small' is no classifier"):
        class_scores(load_network(small_network))


def test_scores_are_what_goes_into_the_softmax(tmp_path: Path) -> None:
    model = onnx.load(chain(tmp_path / "net.onnx", classes=CLASSES))
    model.graph.node.append(helper.make_node("Softmax", ["logits"], ["prob"]))
    model.graph.output[0].name = "prob"
    onnx.save(model, tmp_path / "soft.onnx")
    assert class_scores(load_network(tmp_path / "soft.onnx")).name == "logits"


def test_bad_objectives(net: Path) -> None:
    network = load_network(net)
    for values, message in (
        ({"unit": "cell"}, "the unit is 'cell'; it must be one of channel, neuron, class"),
        ({"tv_weight": -1.0}, "the tv weight is -1.0; it must be a number from 0 up"),
        ({"diversity_weight": 1.0}, "diversity is between pictures, and the batch is one"),
        ({}, "name the layer whose channels, neurons or directions are to be seen"),
    ):
        with pytest.raises(SettingsError, match=message):
            visualize_objective(network, **values)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="layer 'logits' has no positions"):
        visualize_objective(network, "logits", unit="neuron")
    with pytest.raises(SettingsError, match="name at least one layer"):
        features_objective(network, [])
    assert isinstance(visualize_objective(network, "r1"), Objective)


@pytest.mark.parametrize("batch", [0, -3, 65, 1.5, True, None])
def test_a_batch_is_some_pictures(net: Path, batch: Any) -> None:
    with pytest.raises(SettingsError, match=r"it must be a whole number of pictures from 1 to 64"):
        visualize_objective(load_network(net, preprocess="rgb"), "r2", batch=batch)
