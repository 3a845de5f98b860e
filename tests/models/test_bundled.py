"""The network in the box: what is promised of it, on the file itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from pixelgrad.exporters import load_network, style_objective, write_artifact
from pixelgrad.exporters.networks import Network, default_layers
from pixelgrad.models import BUNDLED, CATALOGUE, bundled_network
from pixelgrad.networks import find_network
from pixelgrad.runtime import Artifact

STRIDES = {"relu1_1": 1, "relu2_1": 2, "relu3_1": 4, "relu4_1": 8, "relu4_2": 8, "relu5_1": 16}
#: Cells beyond the image that a layer has on every side, being the first of two convolutions behind one padding.
RINGS = {"relu1_1": 1, "relu2_1": 1, "relu3_1": 1, "relu4_1": 1, "relu4_2": 0, "relu5_1": 0}
CHANNELS = {"relu1_1": 16, "relu2_1": 32, "relu3_1": 64, "relu4_1": 128, "relu4_2": 128, "relu5_1": 128}


def path() -> Path:
    found = bundled_network()
    assert found is not None
    return found


@pytest.fixture(scope="module")
def network() -> Network:
    return load_network(path())


@pytest.fixture(scope="module")
def artifact(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    folder = write_artifact(network, style_objective(network), tmp_path_factory.mktemp("bundled") / "style")
    return Artifact(folder, device="cpu")


def features(image: np.ndarray, layer: str) -> np.ndarray:
    """A layer of the file itself, by ONNX Runtime: nothing of ours in between."""
    model = onnx.load(path())
    del model.graph.output[:]
    model.graph.output.append(onnx.helper.make_tensor_value_info(layer, onnx.TensorProto.FLOAT, None))
    (found,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"image": image})
    return found


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A smooth random picture, [1, 3, H, W] in [0, 1]."""
    rng, rows, columns = np.random.default_rng(seed), np.arange(height)[:, None], np.arange(width)[None, :]
    waves = [
        np.sin(rows * rng.uniform(-0.4, 0.4) + columns * rng.uniform(-0.4, 0.4) + rng.uniform(0, 6)) for _ in range(12)
    ]
    colours = rng.normal(scale=0.15, size=(3, 12))
    return np.clip(0.5 + np.einsum("cn,nhw->chw", colours, waves), 0, 1)[None].astype(np.float32)


def test_it_is_in_the_box_and_small() -> None:
    assert path().name == f"{BUNDLED}.onnx"
    assert path().stat().st_size <= 4 * 2**20


def test_it_is_the_default_and_has_a_name() -> None:
    assert find_network(None) == find_network(BUNDLED) == path()


def test_it_is_recognised_with_its_licence_and_layers(network: Network) -> None:
    assert network.entry is CATALOGUE[BUNDLED]
    assert (network.name, network.licence, network.preprocessing.name) == (BUNDLED, "MIT", "rgb")
    style, content = default_layers(network)
    assert list(style) == ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]
    assert style_objective(network).settings["style_layers"] == dict.fromkeys(style, 0.2)
    assert content == ["relu4_2"]


def test_no_other_network_bears_its_signature() -> None:
    mine = set(CATALOGUE[BUNDLED].signature)
    for entry in CATALOGUE.values():
        if entry.name != BUNDLED and entry.signature:
            assert not set(entry.signature) <= {*mine, *CHANNELS}, entry.name


def test_layers_have_the_strides_and_widths_of_a_quarter_vgg(network: Network) -> None:
    geometries = network.geometries()
    for name, stride in STRIDES.items():
        value = network.layer(name)
        assert geometries[value].stride == stride
        ring = 2 * RINGS[name]
        assert features(picture(64, 48), name).shape == (1, CHANNELS[name], 64 // stride + ring, 48 // stride + ring)
    assert geometries[network.layer("relu5_1")].receptive_field == pytest.approx(160, abs=60)


def test_every_channel_says_something() -> None:
    image = np.concatenate([picture(96, 96, seed) for seed in range(6)])
    for name in STRIDES:
        found = features(image, name)
        assert np.isfinite(found).all()
        active = (found > 0).mean(axis=(0, 2, 3))
        assert (active > 0).mean() > 0.9, name
        assert 0.2 < found.mean() < 5, f"{name}: layers are scaled to a mean activation near 1"


def test_pooling_averages_and_padding_reflects() -> None:
    operators = [node.op_type for node in onnx.load(path()).graph.node]
    assert "MaxPool" not in operators
    assert operators.count("AveragePool") == 4
    for node in onnx.load(path()).graph.node:
        if node.op_type == "Pad":
            assert next(a for a in node.attribute if a.name == "mode").s == b"reflect"


def test_nothing_lies_behind_a_border() -> None:
    """A picture that is mirrored at its edge has the same features there as in its middle.

    With zero padding the border's error is many times the inner one, and pictures grow dark borders.
    """
    half = picture(64, 64)
    whole = np.concatenate([half[..., ::-1], half[..., 1:]], axis=3)  # mirrored about the column that both share
    shared = features(np.ascontiguousarray(whole[:, :, :, 63:]), "relu1_1")[..., 1]
    inner = features(whole, "relu1_1")[..., 64]
    np.testing.assert_allclose(shared, inner, atol=1e-4)


def test_weights_are_stored_in_half_precision() -> None:
    kernels = [numpy_helper.to_array(t) for t in onnx.load(path()).graph.initializer if len(t.dims) == 4]
    assert sum(k.dtype == np.float16 for k in kernels) == 13
    assert all(np.isfinite(k.astype(np.float32)).all() for k in kernels)


def test_a_grey_picture_gives_a_flat_response() -> None:
    """No vignette: without anything in the picture, no place is like no other."""
    grey = np.full((1, 3, 96, 96), 0.6, np.float32)
    for name in STRIDES:
        found = features(grey, name)
        np.testing.assert_allclose(found, np.broadcast_to(found[..., :1, :1], found.shape), atol=1e-3)


def test_its_gradient_has_no_checkerboard(artifact: Artifact) -> None:
    """The share of the gradient's energy near the Nyquist frequency; white noise has 0.44."""
    targets = artifact.targets(picture(96, 96, 1))
    gradient = artifact.evaluate(picture(96, 96, 2), targets).gradient[0]
    power = np.abs(np.fft.fft2(gradient)) ** 2
    high = np.abs(np.fft.fftfreq(96)) > 0.375
    along_either = high[:, None] | high[None, :]
    assert power[:, along_either].sum() / power.sum() < 0.15


def test_one_picture_gets_nearer_to_another(artifact: Artifact) -> None:
    image, targets = picture(64, 64, 3), artifact.targets(picture(64, 64, 4))
    first = artifact.evaluate(image, targets)
    step = 0.02 * first.gradient / np.abs(first.gradient).max()
    assert artifact.evaluate(np.clip(image - step, 0, 1), targets).loss < first.loss
