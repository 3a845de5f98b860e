"""Quantised networks as float32 networks: near to what they were made from, and to what a runtime makes of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest
from helpers.cli import invoke
from helpers.data import shared
from helpers.network_files import onnx_quantised
from helpers.networks import chain, saved
from helpers.quantising import WAYS, quantised
from helpers.running import Array, raw, run
from onnx import TensorProto, helper
from PIL import Image

from pixelgrad.errors import NetworkError
from pixelgrad.exporters import Network, dream_objective, load_network, value_and_gradient, write_artifact
from pixelgrad.models import PREPROCESSINGS
from pixelgrad.models.bundled import bundled_network
from pixelgrad.runtime import Artifact, verify

NOTE = "its file is quantised to 8 bits: read as float32, without rounding"


def picture(seed: int, height: int = 64, width: int = 80) -> Array:
    """Colours that change slowly, as those of photographs do: [1, 3, height, width] in [0, 1]."""
    coarse = Image.fromarray(np.random.default_rng(seed).integers(0, 255, (9, 12, 3), dtype=np.uint8))
    return _array(coarse.resize((width, height), Image.Resampling.BICUBIC))


def photo(name: str, edge: int = 224) -> Array:
    return _array(Image.open(shared(f"images/{name}")).convert("RGB").resize((edge, edge)))


def _array(image: Image.Image) -> Array:
    return np.ascontiguousarray(np.asarray(image, np.float32).transpose(2, 0, 1)[None] / 255)


def as_caffe(image: Array) -> Array:
    wanted = PREPROCESSINGS["caffe"]
    mean = np.asarray(wanted.mean, np.float32).reshape(1, 3, 1, 1)
    return np.ascontiguousarray(image[:, ::-1] * 255 - mean)


def far(a: Array, b: Array) -> float:
    """How far ``a`` is from ``b``, as a share of ``b``."""
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def alike(a: Array, b: Array) -> float:
    """The cosine between two arrays."""
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


def gradient(network: Network, layer: str, image: Array) -> Array:
    """That of the sum of the squares of a layer, as a dream climbs it."""
    clone = network.clone()
    node = ir.node("ReduceSumSquare", [clone.features(layer)], attributes={"keepdims": 0})
    node.outputs[0].name = "loss"
    clone.model.graph.append(node)
    clone.model.graph.outputs[:] = node.outputs
    model = value_and_gradient(ir.to_proto(clone.model), "loss", "image")
    found: Array = ort.InferenceSession(model.SerializeToString()).run(["gradient_image"], {"image": image})[0]
    return found


def kinds(network: Network) -> list[str]:
    return [node.op_type for node in network.model.graph]


# Whole networks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_the_bundled_network(tmp_path: Path, way: str) -> None:
    """In every form that ONNX Runtime writes: features, names, gradient."""
    source = bundled_network()
    assert source is not None
    image = picture(0)
    path = quantised(source, tmp_path / "net.onnx", way, [picture(seed) for seed in range(4)])
    single, network = load_network(source), load_network(path)
    assert network.entry is not None
    assert network.entry.name == "pebble"
    relus = kinds(single).count("Relu")
    note = NOTE if way.startswith("dynamic") else f"{NOTE}; {relus} ranges that begin at 0 are taken for ReLUs"
    assert network.notes == (note,)
    assert kinds(network).count("Relu") == relus
    for layer in ("relu2_1", "relu4_1", "relu5_1"):
        features, expected = run(network, image, layer), run(single, image, layer)
        assert far(features, expected) < 0.04
    # What is left is the rounding of activations, of which there is none here.
    runtime = ort.InferenceSession(path).run(None, {"image": image})[0]
    assert far(features, runtime) < 0.015
    assert far(features, expected) < 1.02 * far(runtime, expected)
    assert alike(*(gradient(each, "relu4_1", image) for each in (network, single))) > 0.95


@pytest.mark.parametrize("way", WAYS)
def test_squeezenet(tmp_path: Path, way: str) -> None:
    source, image = shared("weights/squeezenet1_1.onnx"), photo("photos/chelsea.png")
    images = [as_caffe(image), as_caffe(photo("kodak/kodim03.png"))]
    path = quantised(source, tmp_path / "net.onnx", way, images)
    single, network = load_network(source), load_network(path)
    assert network.name == "squeezenet1_1"
    assert network.preprocessing.name == "caffe"
    for layer, most in (("pool1_1", 0.02), ("fire5/concat_1", 0.06), ("fire9/concat_1", 0.1)):
        assert far(run(network, image, layer), run(single, image, layer)) < most
    scores, expected = (run(each, image, "softmaxout_1").ravel() for each in (network, single))
    (runtime,) = ort.InferenceSession(path).run(None, {"data_0": images[0]})
    assert scores.argmax() == expected.argmax() == runtime.argmax() == 285  # Egyptian cat
    np.testing.assert_allclose(scores, expected, atol=0.06)
    np.testing.assert_allclose(scores, runtime.ravel(), atol=0.06)
    assert alike(*(gradient(each, "fire5/concat_1", image) for each in (network, single))) > 0.9


@pytest.mark.parametrize(
    "way", [pytest.param(way, marks=() if way == "QOperator uint8" else pytest.mark.slow) for way in WAYS]
)
def test_googlenet(tmp_path: Path, way: str) -> None:
    """Branches, response norms between quantised layers, a fully connected layer."""
    source, image = shared("weights/googlenet.onnx"), photo("photos/chelsea.png")
    path = quantised(source, tmp_path / "net.onnx", way, [as_caffe(image), as_caffe(photo("kodak/kodim03.png"))])
    single, network = load_network(source), load_network(path)
    assert network.name == "googlenet"
    for layer, most in (("inception_3a/output", 0.05), ("inception_5b/output", 0.1)):
        assert far(run(network, image, layer), run(single, image, layer)) < most
    scores, expected = (run(each, image, "prob").ravel() for each in (network, single))
    np.testing.assert_allclose(scores, expected, atol=0.06)
    assert alike(*(gradient(each, "inception_4c/output", image) for each in (network, single))) > 0.9


@pytest.mark.parametrize("way", ["QOperator int8", "dynamic uint8"])
def test_the_gradient_is_that_of_the_loss(tmp_path: Path, way: str) -> None:
    """By finite differences: nothing is rounded in the value either."""
    path = quantised(chain(tmp_path / "float.onnx"), tmp_path / "net.onnx", way, [picture(0)])
    network = load_network(path, preprocess="rgb")
    (last,) = network.model.graph.outputs
    folder = write_artifact(network, dream_objective(network, layers=[str(last.name)]), tmp_path / "artifact")
    assert all(check.passed for check in verify(Artifact(folder, device="cpu")))


@pytest.mark.parametrize("task", ["dream", "visualize"])
def test_pictures_of_a_quantised_squeezenet(tmp_path: Path, task: str) -> None:
    """Those of the float network, as far as two networks whose weights differ by roundings go the same way."""
    source, image = shared("weights/squeezenet1_1.onnx"), shared("images/photos/chelsea.png")
    images = [as_caffe(photo("photos/chelsea.png"))]
    networks = [source, quantised(source, tmp_path / "int8.onnx", "QOperator int8", images)]
    options: dict[str, Sequence[Any]] = {
        "dream": [image, "--layers", "fire5/concat_1", "--size", 96, "--steps", 4, "--octaves", 1, "--jitter", 0],
        "visualize": ["--layer", "fire5/concat_1", "--channel", 5, "--size", 64, "--steps", 8, "--coarsest", 64],
    }
    pictures = []
    for number, network in enumerate(networks):
        target = tmp_path / f"{number}.png"
        done = invoke(task, *options[task], "-m", network, "-o", target, "--device", "cpu")
        assert done.exit_code == 0, done.output
        pictures.append(np.asarray(Image.open(target).convert("RGB"), np.float32))
    before = 128 if task == "visualize" else np.asarray(Image.open(image).convert("RGB").resize(
        (pictures[0].shape[1], pictures[0].shape[0]), Image.Resampling.LANCZOS), np.float32)  # fmt: skip
    assert alike(*(each - before for each in pictures)) > 0.7


# Ranges that do the work of an activation --------------------------------------------------------------------


def clipped(path: Path, most: float, gain: float = 3.0) -> Path:
    """Two convolutions with a Clip to [0, ``most``] behind each."""
    rng = np.random.default_rng(0)
    weights = {f"w{k}": (rng.normal(size=(8, depth, 3, 3)) * gain / depth).astype(np.float32)
               for k, depth in ((1, 3), (2, 8))}  # fmt: skip
    nodes = []
    for k, source in ((1, "data"), (2, "a1")):
        nodes += [
            helper.make_node("Conv", [source, f"w{k}"], [f"c{k}"], pads=[1] * 4),
            helper.make_node("Clip", [f"c{k}", "zero", "most"], [f"a{k}"]),
        ]
    return saved(path, nodes, {**weights, "zero": np.float32(0), "most": np.float32(most)}, "a2")


@pytest.mark.parametrize("way", ["QDQ int8", "QDQ uint8", "QOperator int8", "QOperator uint8"])
def test_relu6_comes_back(tmp_path: Path, way: str) -> None:
    """Also where only one layer reaches 6, and beyond what calibration saw."""
    source = clipped(tmp_path / "float.onnx", 6)
    images = [picture(seed) for seed in range(3)]
    path = quantised(source, tmp_path / "net.onnx", way, images)
    assert not {"Clip", "Relu"} & {node.op_type for node in onnx.load(path).graph.node}  # the quantiser left them out
    network = load_network(path, preprocess="rgb")
    assert kinds(network) == ["Conv", "Clip", "Conv", "Clip"]
    assert network.notes == (f"{NOTE}; 2 ranges that begin at 0 are taken for ReLU6s",)
    last = str(network.model.graph.outputs[0].name)
    for image in (images[0], 3 * images[0]):
        expected = ort.InferenceSession(source).run(None, {"data": image})[0]
        assert expected.max() == 6
        assert far(run(network, image, last), expected) < 0.06


@pytest.mark.parametrize("way", ["QDQ int8", "QOperator uint8"])
def test_a_relu_behind_a_sum_comes_back(tmp_path: Path, way: str) -> None:
    """As in a residual network, whose sums are of numbers of both signs."""
    rng = np.random.default_rng(0)
    weights = {f"w{k}": (rng.normal(size=(6, depth, 3, 3)) / depth).astype(np.float32) for k, depth in ((1, 3), (2, 6))}
    nodes = [
        helper.make_node("Conv", ["data", "w1"], ["c1"], pads=[1] * 4),
        helper.make_node("Conv", ["c1", "w2"], ["c2"], pads=[1] * 4),
        helper.make_node("Add", ["c1", "c2"], ["sum"]),
        helper.make_node("Relu", ["sum"], ["relu"]),
        helper.make_node("MaxPool", ["relu"], ["pool"], kernel_shape=[2, 2]),
    ]
    source = saved(tmp_path / "float.onnx", nodes, weights, "pool")
    image = picture(0)
    network = load_network(quantised(source, tmp_path / "net.onnx", way, [image]), preprocess="rgb")
    assert kinds(network) == [node.op_type for node in nodes]
    expected = ort.InferenceSession(source).run(None, {"data": image})[0]
    assert far(run(network, image, str(network.model.graph.outputs[0].name)), expected) < 0.06


@pytest.mark.parametrize("way", ["QDQ int8", "QOperator uint8"])
def test_ranges_have_no_upper_end(tmp_path: Path, way: str) -> None:
    """What calibration saw is no limit: the network and its gradient go on beyond, where the quantised one stops."""
    source = chain(tmp_path / "float.onnx")
    image = picture(0)
    path = quantised(source, tmp_path / "net.onnx", way, [image])
    single, network = (load_network(each, preprocess="rgb") for each in (source, path))
    last = str(network.model.graph.outputs[0].name)
    runtime = ort.InferenceSession(path).run(None, {"data": 8 * image})[0]
    expected = run(single, 8 * image, "p3")
    assert far(runtime, expected) > 0.5
    assert far(run(network, 8 * image, last), expected) < 0.06


def test_what_is_never_negative_needs_no_relu(tmp_path: Path) -> None:
    """Kept ReLUs are not doubled, nor the image clamped."""
    source = chain(tmp_path / "float.onnx")
    path = quantised(source, tmp_path / "net.onnx", "QDQ uint8", [picture(0)], QDQKeepRemovableActivations=True)
    assert "Relu" in {node.op_type for node in onnx.load(path).graph.node}
    network = load_network(path, preprocess="rgb")
    assert kinds(network) == kinds(load_network(source, preprocess="rgb"))
    assert _names(path)[:9] == _names(source)[:9]
    assert network.notes == (NOTE,)


def test_layers_keep_their_names(tmp_path: Path) -> None:
    """What a quantiser adds to them is gone; what precedes a ReLU that came back is called so."""
    source = chain(tmp_path / "float.onnx", classes=5)
    names = {way: _names(quantised(source, tmp_path / "net.onnx", way, [picture(0)])) for way in WAYS}
    assert names["QDQ int8"][:5] == ["r1/before_relu", "r1", "p1", "r2/before_relu", "r2"]
    assert names["QOperator int8"][:5] == ["c1/before_relu", "c1", "p1", "c2/before_relu", "c2"]
    assert names["dynamic int8"][:9] == _names(source)[:9]
    assert all(found[-1] == "logits" for found in names.values())


def _names(path: Path) -> list[str]:
    return [str(output.name) for node in load_network(path, preprocess="rgb").model.graph for output in node.outputs]


# Other files ------------------------------------------------------------------------------------------------


def test_images_in_bytes(tmp_path: Path) -> None:
    """As converted from TensorFlow Lite: the network takes integers, and says in which units."""
    model = onnx.load(onnx_quantised(tmp_path / "float.onnx"))
    expected = ort.InferenceSession(model.SerializeToString())
    quantise = model.graph.node[0]
    assert quantise.op_type == "QuantizeLinear"
    name = quantise.output[0]
    del model.graph.node[0], model.graph.input[:]
    model.graph.input.append(helper.make_tensor_value_info(name, TensorProto.UINT8, [1, 3, "height", "width"]))
    onnx.save(model, tmp_path / "bytes.onnx")
    network = load_network(tmp_path / "bytes.onnx", preprocess="rgb")
    assert network.notes[0] == "it takes images of 8-bit integers; here of the same numbers in floating point"
    image = picture(3)
    integers = np.rint(image * 255)  # units of 1/255, as this network has them
    found = raw(network, integers, str(network.model.graph.outputs[0].name))
    assert far(found, expected.run(None, {"data": (integers / 255).astype(np.float32)})[0]) < 0.03


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore")
def test_quantisation_aware_training(tmp_path: Path) -> None:
    """What PyTorch writes of its fake quantisation: weights in floating point, scales in Constant nodes."""
    torch = pytest.importorskip("torch", reason="needs PyTorch, from the 'peers' extra")

    class Block(torch.nn.Module):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fake = torch.nn.Conv2d(3, 6, 3), True
            self.scale = torch.linspace(0.003, 0.005, 6)

        def forward(self, x: Any) -> Any:
            weight = self.conv.weight
            if self.fake:
                x = torch.fake_quantize_per_tensor_affine(x, 1 / 255, 0, 0, 255)
                zero = torch.zeros(6, dtype=torch.int32)
                weight = torch.fake_quantize_per_channel_affine(weight, self.scale, zero, 0, -128, 127)
            x = torch.nn.functional.conv2d(x, weight, self.conv.bias).relu()
            return torch.fake_quantize_per_tensor_affine(x, 0.01, 0, 0, 255) if self.fake else x

    torch.manual_seed(0)
    module, image = Block().eval(), torch.from_numpy(picture(0))
    path = tmp_path / "net.onnx"
    torch.onnx.export(module, (image,), str(path), dynamo=False, opset_version=17, verbose=False)
    assert {"QuantizeLinear", "DequantizeLinear"} <= {node.op_type for node in onnx.load(path).graph.node}
    network = load_network(path, preprocess="rgb")
    assert kinds(network) == ["Conv", "Relu"]
    with torch.no_grad():
        rounded, module.fake = module(image).numpy(), False
        single = module(image).numpy()
    found = run(network, image.numpy(), str(network.model.graph.outputs[0].name))
    np.testing.assert_allclose(found, rounded, atol=0.02)
    np.testing.assert_allclose(found, single, atol=0.02)


# What cannot be read ----------------------------------------------------------------------------------------


def refused(path: Path, change: Callable[[onnx.ModelProto], object]) -> str:
    model = onnx.load(onnx_quantised(path))
    change(model)
    onnx.save(model, path)
    with pytest.raises(NetworkError) as caught:
        load_network(path)
    return str(caught.value)


def _node(model: onnx.ModelProto, op_type: str) -> onnx.NodeProto:
    return next(node for node in model.graph.node if node.op_type == op_type)


def _made(model: onnx.ModelProto, name: str) -> onnx.NodeProto:
    return next(node for node in model.graph.node if name in node.output)


def _weight(model: onnx.ModelProto, name: str) -> TensorProto:
    return next(tensor for tensor in model.graph.initializer if tensor.name == name)


def _set(model: onnx.ModelProto, name: str, array: Any) -> None:
    _weight(model, name).CopyFrom(onnx.numpy_helper.from_array(np.asarray(array), name))


def _computed_scale(model: onnx.ModelProto) -> None:
    model.graph.node.insert(0, helper.make_node("ReduceMax", ["data"], ["as it comes"], keepdims=0))
    _node(model, "QuantizeLinear").input[1] = "as it comes"


CHANGES: dict[str, tuple[Callable[[onnx.ModelProto], object], str]] = {
    "no scale": (lambda m: _node(m, "QLinearConv").input.__setitem__(4, ""), "its scale is missing"),
    "few inputs": (lambda m: _node(m, "QLinearConv").input.__delitem__(slice(3, None)), "its input 3 is missing"),
    "no numbers": (lambda m: _set(m, "ws", np.zeros(0, np.float32)), "its scale is empty, infinite or negative"),
    "infinite": (lambda m: _set(m, "ws", np.float32(np.inf)), "its scale is empty, infinite or negative"),
    "negative": (lambda m: _set(m, "s", np.float32(-1)), "its scale is empty, infinite or negative"),
    "scales for other channels": (
        lambda m: _set(m, "ws", np.ones(3, np.float32)),
        r"scales of shape \[3, 1, 1, 1\] for a tensor of shape \[4, 3, 3, 3\]",
    ),
    "scales of too many axes": (lambda m: _set(m, "ws", np.ones((4, 1, 1, 1, 2), np.float32)), "scales of shape"),
    "zero points for other channels": (lambda m: _set(m, "wz", np.zeros(3, np.int8)), "scales of shape"),
    "a scale that depends on the image": (_computed_scale, "its scale is worked out as the network runs"),
    "weights that depend on the image": (
        lambda m: _node(m, "QLinearConv").input.__setitem__(3, "data"),
        "input 'data' is worked out as integers",
    ),
    "a bias that depends on the image": (
        lambda m: _node(m, "QLinearConv").input.__setitem__(8, "data"),
        "its bias is worked out as the network runs",
    ),
    "an operator over integers": (lambda m: setattr(_node(m, "MaxPool"), "op_type", "Sign"), "Sign over integers"),
    "an operator of ONNX Runtime": (
        lambda m: setattr(_node(m, "QLinearConv"), "op_type", "QLinearFrobnicate"),
        "the network is quantised, and QLinearFrobnicate cannot be read as floating point; use the network in float32",
    ),
    "an axis that there is not": (
        lambda m: _made(m, "vd").attribute[0].__setattr__("i", 99),
        r"axis 99 of a tensor of shape \[16, 4, 3, 3\]",
    ),
    "blocks that do not fit": (
        lambda m: _made(m, "vd").attribute.append(helper.make_attribute("block_size", 3)),
        "scales of shape",
    ),
    "packed weights of another size": (
        lambda m: next(a for a in _made(m, "scores").attribute if a.name == "K").__setattr__("i", 1 << 40),
        "MatMulNBits at tensor 'scores' is quantised in a way that is not read",
    ),
    "packed weights of 3 bits": (
        lambda m: next(a for a in _made(m, "scores").attribute if a.name == "bits").__setattr__("i", 3),
        "16 numbers of 3 bits",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_does_not_fit_is_said(tmp_path: Path, change: str) -> None:
    found, expected = CHANGES[change]
    message = refused(tmp_path / "net.onnx", found)
    assert re.search(expected, message), message
    assert "is damaged" not in message
    assert "float32" in message
