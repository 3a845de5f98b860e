"""What a dream makes stronger: values by their formulas, gradients by finite differences, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.data import shared
from helpers.gradcheck import runtime
from helpers.networks import chain

from pixelgrad.errors import NetworkError, SettingsError, UnknownLayerError
from pixelgrad.exporters import dream_objective, load_network
from pixelgrad.exporters.networks import class_scores, default_dream_layers
from pixelgrad.exporters.objectives import Content, Objective, build_loss_graphs
from pixelgrad.models import bundled_network

Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chain(tmp_path_factory.mktemp("net") / "net.onnx", classes=7)


def picture(height: int, width: int, seed: int) -> Array:
    return np.random.default_rng(seed).random((1, 3, height, width), dtype=np.float32)


def features(path: Path, image: Array, layer: str) -> Array:
    graphs = build_loss_graphs(load_network(path, preprocess="rgb"), Objective("x", (Content("c", layer, 1.0),)))
    assert graphs.evaluation is not None
    return runtime(graphs.evaluation)({"image": image})["target.c"].astype(np.float64)


class Dream:
    def __init__(self, path: Path, **settings: Any) -> None:
        graphs = build_loss_graphs(
            load_network(path, preprocess="rgb"), dream_objective(load_network(path), **settings)
        )
        self.training = runtime(graphs.training)
        self.targets = runtime(graphs.evaluation) if graphs.evaluation is not None else None

    def __call__(self, image: Array, reference: Array | None = None, **given: Array) -> dict[str, Array]:
        targets = self.targets({"image": reference}) if self.targets is not None and reference is not None else {}
        return self.training({"image": image, **targets, **given})


def check_gradient(dream: Dream, image: Array, *arguments: Any, **given: Array) -> None:
    """Along the gradient itself, where the slope is its norm."""
    gradient = dream(image, *arguments, **given)["gradient"].astype(np.float64)
    norm = np.linalg.norm(gradient)
    assert norm > 0
    step = (1e-2 * gradient / norm).astype(np.float32)
    above, below = (dream(image + s * step, *arguments, **given)["loss"] for s in (1, -1))
    assert float(above - below) / 2e-2 == pytest.approx(norm, rel=0.02)


def test_layers_are_the_growth_of_their_energy(net: Path) -> None:
    image, before = picture(24, 32, 1), picture(40, 24, 2)
    dream = Dream(net, layers={"relu1_1": 1, "relu3_1": 3})
    found = dream(image, before)
    growth = {
        layer: (features(net, image, layer) ** 2).mean() / (features(net, before, layer) ** 2).mean()
        for layer in ("r1", "r3")
    }
    assert found["loss.energy.r1"] == pytest.approx(-growth["r1"], rel=1e-4)
    assert found["loss"] == pytest.approx(-(0.25 * growth["r1"] + 0.75 * growth["r3"]), rel=1e-4)
    assert dream(image, image)["loss"] == pytest.approx(-1, rel=1e-5)
    check_gradient(dream, image, before)


def test_a_guide_is_the_best_match_at_each_position(net: Path) -> None:
    image, guide = picture(24, 32, 1), picture(16, 40, 2)
    dream = Dream(net, enhance="guide", layers=["r2"])
    mine, theirs = (features(net, x, "r2")[0].reshape(12, -1) for x in (image, guide))
    best = (theirs.T @ mine).max(0) / (theirs**2).sum(0).mean()
    assert dream(image, guide)["loss"] == pytest.approx(-best.mean(), rel=1e-4)
    check_gradient(dream, image, guide)


def test_channels_and_classes_are_what_the_caller_points_at(net: Path) -> None:
    image = picture(24, 32, 1)
    direction = np.zeros((1, 12), np.float32)
    direction[0, [3, 5]] = 0.5
    channels = Dream(net, enhance="channels", layers=["r2"])
    expected = features(net, image, "r2")[0, [3, 5]].mean()
    given = {"target.activation.r2": direction}
    assert channels(image, **given)["loss"] == pytest.approx(-expected, rel=1e-4)
    check_gradient(channels, image, **given)
    classes = Dream(net, enhance="class")
    one_hot = np.eye(7, dtype=np.float32)[4:5]
    scores = features(net, image, "logits")[0]
    rivals = np.log(np.exp(scores).sum())
    found = classes(image, **{"target.class.logits": one_hot})
    assert found["loss"] == pytest.approx(0.9 * rivals - scores[4], rel=1e-4)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"enhance": "everything"}, SettingsError, "enhance is 'everything'; it must be one of layers, channels"),
        ({"layers": ["relu9_1"]}, UnknownLayerError, "no layer 'relu9_1'; did you mean"),
        ({"enhance": "channels", "layers": ["r1", "r2"]}, SettingsError, "channels belong to one layer; 2 are named"),
        ({"enhance": "class", "layers": ["r1"]}, SettingsError, "give a class or layers, not both"),
        ({"layers": ["logits"]}, SettingsError, "'logits' is no map of features"),
        ({"layers": {"r1": 0}}, SettingsError, "layer weights must be positive"),
    ],
)
def test_what_cannot_be_dreamed_of(net: Path, settings: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        dream_objective(load_network(net), **settings)


def test_a_network_without_classes_says_so(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="'plain' is no classifier: it has no classes to choose from"):
        dream_objective(load_network(chain(tmp_path / "plain.onnx")), enhance="class")


def test_default_layers(net: Path) -> None:
    assert default_dream_layers(load_network(net)) == ["relu3_1"]
    bundled = bundled_network()
    assert bundled is not None
    assert default_dream_layers(load_network(bundled)) == ["relu5_1"]


@pytest.mark.parametrize(
    ("network", "layers", "scores"),
    [
        ("googlenet", ["inception_4c/output"], "loss3/classifier"),
        ("squeezenet1_1", ["fire8/concat_1"], "pool10_1"),
        ("vgg19_slim16x", ["relu5_1"], None),
    ],
)
def test_real_networks(network: str, layers: list[str], scores: str | None) -> None:
    loaded = load_network(shared(f"weights/{network}.onnx"))
    assert default_dream_layers(loaded) == layers
    if scores is not None:
        assert class_scores(loaded).name == scores
