"""Caffe networks: real snapshots against an independent forward pass, and layers in both formats."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format
from helpers.data import shared
from helpers.running import run, run_several, some_image

from pixelgrad.errors import NetworkError, UnknownLayerError
from pixelgrad.exporters import load_network
from pixelgrad.exporters.networks import default_layers
from pixelgrad.exporters.networks.readers.caffe_schema import message_class
from pixelgrad.exporters.networks.readers.source import digest

SNAPSHOTS = [10000, 20000, 30000, 40000, 50000, 60000, 65000, 70000]
MEAN = np.asarray([125.307, 122.950, 113.865]).reshape(1, 3, 1, 1)


@pytest.mark.peer
@pytest.mark.parametrize("iteration", SNAPSHOTS)
def test_snapshots_agree_with_an_independent_forward_pass(iteration: int) -> None:
    torch = pytest.importorskip("torch", reason="needs PyTorch, from the 'peers' extra")
    from helpers import caffe_oracle

    path = shared(f"weights/cifar10_full/cifar10_full_iter_{iteration}.caffemodel")
    network = load_network(path)
    assert (network.format, network.declared_size) == ("Caffe", (32, 32))
    image = some_image(32, seed=iteration)
    prepared = torch.from_numpy(image.astype(np.float64) * 255 - MEAN)
    expected = caffe_oracle.cifar10_full(caffe_oracle.v1_weights(path.read_bytes()), prepared)
    for name, actual in zip(expected, run_several(network, image, list(expected)), strict=True):
        reference = expected[name].numpy()
        scale = np.abs(reference).max()
        np.testing.assert_allclose(actual, reference, rtol=0, atol=2e-6 * scale, err_msg=name)


def test_a_blob_is_what_its_in_place_layers_leave(tmp_path: Path) -> None:
    network = load_network(shared("weights/cifar10_full/cifar10_full_iter_70000.caffemodel"))
    assert network.layer("relu2") is network.layer("conv2")
    assert network.layer("relu1") is network.layer("pool1")
    image = some_image(32)
    before, after = run_several(network, image, ["conv2/before_relu2", "conv2"])
    assert before.min() < 0
    np.testing.assert_array_equal(after, np.maximum(before, 0))


def test_steps_within_a_layer_are_no_layers(tmp_path: Path) -> None:
    path = shared("weights/cifar10_full/cifar10_full_iter_70000.caffemodel")
    for _ in range(2):  # read, and from its conversion
        network = load_network(path, cache=tmp_path)
        assert default_layers(network) == (["pool1", "conv3"], ["conv3"])
        with pytest.raises(UnknownLayerError):
            network.layer("norm1/base")


def test_the_description_beside_the_weights_is_found(tmp_path: Path) -> None:
    """A deploy file serves every snapshot in the folder; the solvers and the training net do not come into question."""
    folder = shared("weights/cifar10_full")
    snapshot = "cifar10_full_iter_60000.caffemodel"
    network = load_network(folder / snapshot)
    assert network.sha256 == digest(folder / snapshot, folder / "cifar10_full.prototxt")
    shutil.copy(folder / snapshot, tmp_path)
    alone = load_network(tmp_path / snapshot)
    assert alone.declared_size is None
    np.testing.assert_array_equal(run(alone, some_image(32), "pool3"), run(network, some_image(32), "pool3"))
    given = load_network(tmp_path / snapshot, prototxt=folder / "cifar10_full.prototxt")
    assert (given.declared_size, given.sha256) == ((32, 32), network.sha256)
    for name in ("a", "b"):
        shutil.copy(folder / "cifar10_full.prototxt", tmp_path / f"{name}.prototxt")
    with pytest.raises(NetworkError, match=r"several descriptions .* fit it: a\.prototxt, b\.prototxt; say which"):
        load_network(tmp_path / snapshot)
    shutil.copy(folder / "cifar10_full.prototxt", tmp_path / "cifar10_full_iter_60000.prototxt")
    assert load_network(tmp_path / snapshot).declared_size == (32, 32)
    with pytest.raises(NetworkError, match="describes no network"):
        load_network(tmp_path / snapshot, prototxt=folder / "cifar10_full_solver.prototxt")


def test_the_mean_image_is_used_where_it_is_there(tmp_path: Path) -> None:
    folder = shared("weights/cifar10_full")
    for name in ("cifar10_full_iter_60000.caffemodel", "cifar10_full.prototxt"):
        shutil.copy(folder / name, tmp_path)
    path = tmp_path / "cifar10_full_iter_60000.caffemodel"
    assert any("mean.binaryproto is not there" in note for note in load_network(path).notes)
    values = np.repeat(np.asarray([10.0, 20.0, 30.0]), 1024)
    blob = message_class("BlobProto")(num=1, channels=3, height=32, width=32, data=[values.astype("<f4").tobytes()])
    (tmp_path / "mean.binaryproto").write_bytes(blob.SerializeToString())
    network = load_network(path)
    assert network.preprocessing.mean == (10.0, 20.0, 30.0)
    assert not any("mean" in note for note in network.notes)


HEAD = """name: "test" layer { name: "data" type: "Input" top: "data"
    input_param { shape { dim: 1 dim: 3 dim: 9 dim: 9 } } }"""


def save(folder: Path, layers: str, weights: dict[str, list[Any]], head: str = HEAD) -> Path:
    """A network in the new format: its description, and the weights as Caffe saves them."""
    text = f"{head} {layers}"
    net = message_class("NetParameter")()
    text_format.Parse(text, net)
    for layer in net.layer:
        for array in weights.get(layer.name, []):
            blob = layer.blobs.add(data=[np.asarray(array, "<f4").tobytes()])
            blob.shape.dim.extend(np.shape(array))
    folder.mkdir(exist_ok=True)
    (folder / "net.prototxt").write_text(text)
    (folder / "net.caffemodel").write_bytes(net.SerializeToString())
    return folder / "net.caffemodel"


RNG = np.random.default_rng(7)
CONV = """layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
    convolution_param { num_output: 4 kernel_size: 1 } }"""
WEIGHTS = {"conv": [RNG.normal(size=(4, 3, 1, 1)), RNG.normal(size=4)]}


def after_conv(image: Any) -> Any:
    weight, bias = WEIGHTS["conv"]
    return np.einsum("oi,nihw->nohw", weight[:, :, 0, 0], image.astype(np.float64)) + bias.reshape(1, -1, 1, 1)


# layer type, its parameters, its weights, and the result in NumPy from the layer's input.
ELEMENTWISE = [
    ("ReLU", "relu_param { negative_slope: 0.1 }", [], lambda x: np.where(x > 0, x, 0.1 * x)),
    (
        "PReLU",
        "",
        [np.asarray([0.1, 0.2, 0.3, 0.4])],
        lambda x: np.where(x > 0, x, x * np.r_[1:5].reshape(4, 1, 1) / 10),
    ),
    ("ELU", "elu_param { alpha: 0.5 }", [], lambda x: np.where(x > 0, x, 0.5 * np.expm1(x))),
    ("Sigmoid", "", [], lambda x: 1 / (1 + np.exp(-x))),
    ("TanH", "", [], np.tanh),
    ("AbsVal", "", [], np.abs),
    ("BNLL", "", [], lambda x: np.log1p(np.exp(x))),
    ("Power", "power_param { power: 2 scale: 0.5 shift: 3 }", [], lambda x: (3 + 0.5 * x) ** 2),
    ("Power", "power_param { scale: 0.5 shift: 3 }", [], lambda x: 3 + 0.5 * x),
    ("Exp", "exp_param { base: 2 scale: 0.5 shift: 1 }", [], lambda x: 2.0 ** (1 + 0.5 * x)),
    ("Log", "log_param { base: 10 scale: 0.1 shift: 9 }", [], lambda x: np.log10(9 + 0.1 * x)),
    (
        "BatchNorm",
        "batch_norm_param { eps: 0.01 }",
        [np.asarray([2.0, 4, 6, 8]), np.asarray([2.0, 3, 4, 5]), np.asarray([2.0])],
        lambda x: (x - np.r_[1:5].reshape(4, 1, 1)) / np.sqrt(np.r_[2:6].reshape(4, 1, 1) / 2 + 0.01),
    ),
    (
        "Scale",
        "scale_param { bias_term: true }",
        [np.asarray([1.0, 2, 3, 4]), np.asarray([4.0, 3, 2, 1])],
        lambda x: x * np.r_[1:5].reshape(4, 1, 1) + np.r_[4:0:-1].reshape(4, 1, 1),
    ),
    ("Bias", "", [np.asarray([4.0, 3, 2, 1])], lambda x: x + np.r_[4:0:-1].reshape(4, 1, 1)),
    (
        "MVN",
        "",
        [],
        lambda x: (x - x.mean((2, 3), keepdims=True)) / (x.std((2, 3), keepdims=True) + 1e-9),
    ),
    ("Softmax", "", [], lambda x: np.exp(x) / np.exp(x).sum(1, keepdims=True)),
    ("Permute", "permute_param { order: 0 order: 1 order: 3 order: 2 }", [], lambda x: x.swapaxes(2, 3)),
]


@pytest.mark.parametrize(("kind", "parameters", "weights", "expected"), ELEMENTWISE)
def test_layers(tmp_path: Path, kind: str, parameters: str, weights: list[Any], expected: Any) -> None:
    layers = f'{CONV} layer {{ name: "last" type: "{kind}" bottom: "conv" top: "last" {parameters} }}'
    network = load_network(save(tmp_path, layers, WEIGHTS | {"last": weights}), preprocess="rgb")
    image = some_image(9)
    np.testing.assert_allclose(run(network, image, "last"), expected(after_conv(image)), rtol=1e-5, atol=1e-5)


def test_layers_with_several_bottoms_and_tops(tmp_path: Path) -> None:
    layers = f"""{CONV}
        layer {{ name: "halves" type: "Slice" bottom: "conv" top: "left" top: "right"
                 slice_param {{ slice_point: 1 }} }}
        layer {{ name: "both" type: "Concat" bottom: "right" bottom: "left" top: "both" }}
        layer {{ name: "copies" type: "Split" bottom: "both" top: "copy1" top: "copy2" }}
        layer {{ name: "sum" type: "Eltwise" bottom: "copy1" bottom: "conv" top: "sum"
                 eltwise_param {{ operation: SUM coeff: 2 coeff: -1 }} }}
        layer {{ name: "product" type: "Eltwise" bottom: "copy2" bottom: "conv" bottom: "sum" top: "product"
                 eltwise_param {{ operation: PROD }} }}
        layer {{ name: "largest" type: "Eltwise" bottom: "conv" bottom: "both" top: "largest"
                 eltwise_param {{ operation: MAX }} }}
        layer {{ name: "label" type: "ArgMax" bottom: "largest" top: "label" }}"""
    network = load_network(save(tmp_path, layers, WEIGHTS), preprocess="rgb")
    image = some_image(9)
    x = after_conv(image)
    both = np.concatenate([x[:, 1:], x[:, :1]], 1)
    expected = {"sum": 2 * both - x, "product": both * x * (2 * both - x), "largest": np.maximum(x, both)}
    for name, actual in zip(expected, run_several(network, image, list(expected)), strict=True):
        np.testing.assert_allclose(actual, expected[name], rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.peer
@pytest.mark.parametrize("method", ["MAX", "AVE"])
@pytest.mark.parametrize(("kernel", "stride", "pad"), [(3, 2, 0), (3, 2, 1), (2, 2, 0), (5, 3, 2), (3, 1, 1)])
@pytest.mark.parametrize("size", [9, 10, 12])
def test_pooling_rounds_and_counts_as_caffe_does(
    tmp_path: Path, method: str, kernel: int, stride: int, pad: int, size: int
) -> None:
    torch = pytest.importorskip("torch", reason="needs PyTorch, from the 'peers' extra")
    from helpers import caffe_oracle

    layers = (
        f'{CONV} layer {{ name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param {{ pool: {method} '
        f"kernel_size: {kernel} stride: {stride} pad: {pad} }} }}"
    )
    network = load_network(save(tmp_path, layers, WEIGHTS), preprocess="rgb")
    image = some_image(size)
    expected = caffe_oracle.pool(torch.from_numpy(after_conv(image)), kernel, stride, pad, average=method == "AVE")
    actual = run(network, image, "pool")
    np.testing.assert_allclose(actual, expected.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.peer
@pytest.mark.parametrize("region", ["ACROSS_CHANNELS", "WITHIN_CHANNEL"])
def test_response_norm(tmp_path: Path, region: str) -> None:
    torch = pytest.importorskip("torch", reason="needs PyTorch, from the 'peers' extra")
    from helpers import caffe_oracle

    layers = (
        f'{CONV} layer {{ name: "norm" type: "LRN" bottom: "conv" top: "norm" '
        f"lrn_param {{ local_size: 3 alpha: 0.5 beta: 0.75 norm_region: {region} }} }}"
    )
    network = load_network(save(tmp_path, layers, WEIGHTS), preprocess="rgb")
    image = some_image(9)
    x = torch.from_numpy(after_conv(image))
    if region == "WITHIN_CHANNEL":
        expected = caffe_oracle.norm_within_channel(x, 3, 0.5, 0.75)
    else:
        expected = torch.nn.functional.local_response_norm(x, 3, 0.5, 0.75, 1.0)
    np.testing.assert_allclose(run(network, image, "norm"), expected.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.peer
def test_convolutions_with_groups_dilation_and_two_sizes(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="needs PyTorch, from the 'peers' extra")
    weights = {
        **WEIGHTS,
        "grouped": [RNG.normal(size=(6, 2, 3, 5)), RNG.normal(size=6)],
        "up": [RNG.normal(size=(6, 5, 4, 4))],
        "full": [RNG.normal(size=(7, 5 * 18 * 18)), RNG.normal(size=7)],
    }
    layers = f"""{CONV}
        layer {{ name: "grouped" type: "Convolution" bottom: "conv" top: "grouped" convolution_param {{
            num_output: 6 kernel_h: 3 kernel_w: 5 pad_h: 2 pad_w: 4 group: 2 dilation: 2 stride: 1 }} }}
        layer {{ name: "up" type: "Deconvolution" bottom: "grouped" top: "up" convolution_param {{
            num_output: 5 kernel_size: 4 stride: 2 pad: 1 bias_term: false }} }}
        layer {{ name: "full" type: "InnerProduct" bottom: "up" top: "full" inner_product_param {{ num_output: 7 }} }}
        layer {{ name: "drop" type: "Dropout" bottom: "full" top: "full" }}"""
    network = load_network(save(tmp_path, layers, weights), preprocess="rgb")
    image = some_image(9)
    given = {name: [torch.from_numpy(np.asarray(a)) for a in arrays] for name, arrays in weights.items()}
    functional = torch.nn.functional
    x = functional.conv2d(torch.from_numpy(after_conv(image)), *given["grouped"], padding=(2, 4), dilation=2, groups=2)
    x = functional.conv_transpose2d(x, *given["up"], stride=2, padding=1)
    expected = {"up": x, "full": functional.linear(x.flatten(1), *given["full"])}
    for name, actual in zip(expected, run_several(network, image, list(expected)), strict=True):
        np.testing.assert_allclose(actual, expected[name].numpy(), rtol=1e-4, atol=1e-4, err_msg=name)


def test_what_the_data_layer_says_of_its_input(tmp_path: Path) -> None:
    head = """name: "t" layer { name: "d" type: "Data" top: "data" top: "label" include { phase: TEST }
        transform_param { scale: 0.5 mean_value: 1 mean_value: 2 mean_value: 3 crop_size: 12 } }
        layer { name: "d" type: "Data" top: "data" include { phase: TRAIN } transform_param { crop_size: 24 } }"""
    tail = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "conv" bottom: "label" top: "loss" }'
    network = load_network(save(tmp_path, f"{CONV} {tail}", WEIGHTS, head))
    assert network.declared_size == (12, 12)
    image = some_image(12)
    prepared = (image[:, ::-1] * 255 - np.asarray([1, 2, 3]).reshape(1, 3, 1, 1)) * 0.5
    np.testing.assert_allclose(run(network, image, "conv"), after_conv(prepared), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("layers", "weights", "message"),
    [
        (
            f'{CONV} layer {{ name: "x" type: "Quantum" bottom: "conv" top: "x" }}',
            WEIGHTS,
            r"type that is not supported: Quantum; supported are AbsVal, ",
        ),
        (CONV.replace("kernel_size: 1", "kernel_size: 3"), WEIGHTS, r"weights for a 1x1 kernel, not 3x3"),
        (CONV.replace("num_output: 4", "num_output: 5"), WEIGHTS, r"weights for 4 channels, not 5"),
        (CONV.replace('bottom: "data"', 'bottom: "nowhere"'), WEIGHTS, "must have one input, an image; it has 0"),
        (
            f'{CONV} layer {{ name: "x" type: "ReLU" bottom: "nowhere" top: "x" }}',
            WEIGHTS,
            r"layer 'x' \(ReLU\) takes 'nowhere', which no layer before it makes",
        ),
        (CONV, {"conv": [np.full((4, 3, 1, 1), np.nan), np.zeros(4)]}, "hold NaN or infinity"),
    ],
)
def test_networks_that_cannot_be_used(tmp_path: Path, layers: str, weights: Any, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        load_network(save(tmp_path, layers, weights))


def test_files_that_do_not_belong_together(tmp_path: Path) -> None:
    path = save(tmp_path, CONV, WEIGHTS)
    other = tmp_path / "other"
    save(other, CONV.replace('"conv"', '"first"'), {"first": WEIGHTS["conv"]})
    with pytest.raises(NetworkError, match=r"no weights for its layers first"):
        load_network(path, prototxt=other / "net.prototxt")
    with pytest.raises(NetworkError, match=r"'net\.caffemodel' is not a Caffe network description"):
        load_network(path, prototxt=path)
    with pytest.raises(NetworkError, match=r"description 'none\.prototxt' cannot be read"):
        load_network(path, prototxt=other / "none.prototxt")


@pytest.mark.slow
@pytest.mark.parametrize("old", [True, False])
def test_googlenet_is_the_same_as_its_onnx_file(tmp_path: Path, old: bool) -> None:
    from helpers.caffe_googlenet import write_googlenet

    source = shared("weights/googlenet.onnx")
    caffe = load_network(write_googlenet(source, tmp_path, old=old))
    exported = load_network(source)
    assert (caffe.name, caffe.preprocessing.name) == ("googlenet", "caffe")
    assert caffe.layer("mixed4c") is caffe.layer("inception_4c/output")
    image = some_image(224)
    layers = ["conv1/7x7_s2", "pool2/3x3_s2", "inception_4c/output", "loss3/classifier", "prob"]
    for name, a, b in zip(layers, *(run_several(n, image, layers) for n in (caffe, exported)), strict=True):
        np.testing.assert_allclose(a.ravel(), b.ravel(), rtol=0, atol=1e-5 * np.abs(b).max(), err_msg=name)


def test_pools_in_ceil_mode_may_average_at_a_free_size() -> None:
    network = load_network(shared("weights/cifar10_full/cifar10_full_iter_70000.caffemodel"), pool="avg")
    kinds = [node.op_type for node in network.model.graph]
    assert "MaxPool" not in kinds
    assert kinds.count("AveragePool") == 5  # three pools, and the means of two normalisations
