"""ONNX files as they are found: old and new, in half precision, with channels last, from several exporters."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from helpers.data import shared
from helpers.networks import chain
from helpers.running import Array, run, some_image
from onnx import TensorProto, helper, numpy_helper

from pixelgrad.errors import NetworkError, SettingsError
from pixelgrad.exporters import from_torch, load_network
from pixelgrad.exporters.networks import settle_size


def test_squeezenet_gives_its_golden_output() -> None:
    folder = shared("weights/squeezenet1_1_golden")
    load: Callable[[str], Array] = lambda name: numpy_helper.to_array(  # noqa: E731
        onnx.TensorProto.FromString((folder / name).read_bytes())
    )
    given, expected = load("test_data_0_input.pb"), load("test_data_0_output.pb")
    rgb = ((given + np.asarray([104, 117, 123], np.float32).reshape(1, 3, 1, 1)) / 255)[:, ::-1]
    result = run(load_network(shared("weights/squeezenet1_1.onnx")), np.ascontiguousarray(rgb), "softmaxout_1")
    np.testing.assert_allclose(result.ravel(), expected.ravel(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("opset", [3, 6, 7, 9, 11, 13, 15, 18, 21, 23, onnx.defs.onnx_opset_version()])
def test_opsets(tmp_path: Path, opset: int) -> None:
    """A chain of Conv, Relu and MaxPool means the same in every opset; before IR 4 weights are inputs as well."""
    path = chain(tmp_path / "net.onnx")
    expected = run(load_network(path, preprocess="rgb"), some_image(), "p3")
    model = onnx.load(path)
    model.opset_import[0].version = opset
    model.ir_version = 3 if opset < 9 else 8
    if opset < 9:
        for tensor in model.graph.initializer:
            model.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    for node in model.graph.node:
        if node.op_type == "Relu" and opset < 6:
            node.attribute.append(helper.make_attribute("consumed_inputs", [0]))
    onnx.save(model, path)
    np.testing.assert_array_equal(run(load_network(path, preprocess="rgb"), some_image(), "p3"), expected)


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "double", "float16 inside"])
def test_other_precisions_are_computed_in_float32(tmp_path: Path, kind: str) -> None:
    path = chain(tmp_path / "net.onnx", classes=5)
    expected = run(load_network(path, preprocess="rgb"), some_image(), "logits")
    model = onnx.load(path)
    target = {"bfloat16": TensorProto.BFLOAT16, "double": TensorProto.DOUBLE}.get(kind, TensorProto.FLOAT16)
    numpy_type = helper.tensor_dtype_to_np_dtype(target)
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor).astype(numpy_type)
        tensor.CopyFrom(helper.make_tensor(tensor.name, target, array.shape, array.tobytes(), raw=True))
    if kind == "float16 inside":
        nodes = list(model.graph.node)
        nodes[0].input[0], nodes[-1].output[0] = "half", "half_logits"
        del model.graph.node[:]
        model.graph.node.append(helper.make_node("Cast", ["data"], ["half"], to=target))
        model.graph.node.extend(nodes)
        model.graph.node.append(helper.make_node("Cast", ["half_logits"], ["logits"], to=TensorProto.FLOAT))
    else:
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.elem_type = target
    onnx.save(model, path)
    network = load_network(path, preprocess="rgb")
    assert network.notes == (f"its file is in {kind.split()[0]}",)
    tolerance = {"bfloat16": 3e-2, "double": 1e-6}.get(kind, 3e-3)
    actual = run(network, some_image(), "logits")
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("followed", [True, False])
def test_channels_last(tmp_path: Path, followed: bool) -> None:
    """As tf2onnx writes it, with a transposition behind the input; and with another use of the input."""
    path = chain(tmp_path / "net.onnx", size=16)
    expected = run(load_network(path, preprocess="rgb"), some_image(), "p3")
    model = onnx.load(path)
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 16, 16, 3]))
    model.graph.node[0].input[0] = "first"
    source = "data" if followed else "same"
    model.graph.node.insert(0, helper.make_node("Transpose", [source], ["first"], perm=[0, 3, 1, 2]))
    if not followed:
        model.graph.node.insert(0, helper.make_node("Identity", ["data"], ["same"]))
    onnx.save(model, path)
    network = load_network(path, preprocess="rgb")
    assert (network.declared_size, len(network.notes)) == ((16, 16), 1)
    np.testing.assert_array_equal(run(network, some_image(), "p3"), expected)
    np.testing.assert_array_equal(run(network, some_image(24), "p3"), run(network, some_image(24), "p3"))
    assert sum(node.op_type == "Transpose" for node in network.model.graph) == (0 if followed else 2)


def test_external_weights_stay_in_the_folder(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    onnx.save(
        onnx.load(chain(tmp_path / "net.onnx")), inner / "net.onnx", save_as_external_data=True, location="net.data",
        size_threshold=0,
    )  # fmt: skip
    assert load_network(inner / "net.onnx").layer("p3") is not None
    model = onnx.load(inner / "net.onnx", load_external_data=False)
    for location in ("../net.data", str(tmp_path / "net.data")):
        for tensor in model.graph.initializer:
            next(entry for entry in tensor.external_data if entry.key == "location").value = location
        (inner / "net.onnx").write_bytes(model.SerializeToString())
        with pytest.raises(NetworkError, match="looks for its weights outside its own folder"):
            load_network(inner / "net.onnx")


def quiet(function: Callable[[], Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function()


def small_module() -> Any:
    torch = pytest.importorskip("torch", reason="needs PyTorch, from the 'peers' extra")
    nn = torch.nn

    class Block(nn.Module):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm, self.act = nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6), nn.SiLU()

        def forward(self, x: Any) -> Any:
            return x + self.act(self.norm(self.conv(x)))

    torch.manual_seed(0)
    body = [
        nn.Conv2d(3, 6, 3, stride=2),
        nn.GroupNorm(2, 6),
        nn.GELU(),
        Block(),
        Block(),
        nn.MaxPool2d(3, 2, ceil_mode=True),
    ]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(), nn.Linear(6, 4)]
    return nn.Sequential(nn.Sequential(*body), nn.Sequential(*head))


@pytest.mark.peer
@pytest.mark.parametrize("exporter", ["program", "trace"])
def test_live_modules(exporter: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import importlib.util

    import torch

    if exporter == "program":
        pytest.importorskip("onnxscript", reason="needs onnxscript")
    else:
        find = importlib.util.find_spec
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxscript" else find(name))
    module = small_module()
    module[0][3].eval()
    before = [part.training for part in module.modules()]
    network = from_torch(module, size=(40, 56), preprocess="rgb")
    assert [part.training for part in module.modules()] == before
    assert capsys.readouterr().out == ""
    assert (network.name, network.declared_size) == ("Sequential", (40, 56))
    image = np.random.default_rng(0).random((1, 3, 64, 48), dtype=np.float32)
    module.eval()
    with torch.no_grad():
        features = module[0][:4](torch.from_numpy(image)).numpy()
        expected = module(torch.from_numpy(image)).numpy()
    np.testing.assert_allclose(run(network, image, "0.3"), features, rtol=1e-5, atol=1e-5)
    last = str(network.model.graph.outputs[0].name)
    assert settle_size(network, [network.layer(last)]) is None
    np.testing.assert_allclose(run(network, image, last), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.peer
def test_what_is_no_module_or_cannot_be_exported() -> None:
    torch = pytest.importorskip("torch", reason="needs PyTorch, from the 'peers' extra")
    with pytest.raises(SettingsError, match=r"takes a torch\.nn\.Module; it got str"):
        from_torch("resnet50")
    with pytest.raises(
        NetworkError, match=r"PyTorch cannot export 'Linear' for an image \[1, 3, 8, 8\]: mat1 and mat2 "
    ):
        from_torch(torch.nn.Linear(3, 3), size=(8, 8))


@pytest.mark.peer
@pytest.mark.parametrize("dynamo", [True, False])
@pytest.mark.parametrize("dynamic", [True, False])
def test_files_of_both_pytorch_exporters(tmp_path: Path, dynamo: bool, dynamic: bool) -> None:
    torch = pytest.importorskip("torch", reason="needs PyTorch, from the 'peers' extra")
    if dynamo:
        pytest.importorskip("onnxscript", reason="needs onnxscript")
    module, path = small_module().eval(), tmp_path / "net.onnx"
    image = torch.from_numpy(some_image(48))
    free = {2: "height", 3: "width"}
    if dynamo:
        sizes = {0: None, 1: None, 2: torch.export.Dim("height", min=16), 3: torch.export.Dim("width", min=16)}
        options = {"dynamic_shapes": (sizes,)} if dynamic else {}
    else:
        options = {"input_names": ["x"], "dynamic_axes": {"x": free}} if dynamic else {}
    quiet(lambda: torch.onnx.export(module[0], (image,), str(path), dynamo=dynamo, verbose=False, **options))
    network = load_network(path, preprocess="rgb")
    assert network.declared_size == (None if dynamic else (48, 48))
    with torch.no_grad():
        expected = module[0](image).numpy()
    last = str(network.model.graph.outputs[0].name)
    np.testing.assert_allclose(run(network, image.numpy(), last), expected, rtol=1e-5, atol=1e-5)
    assert network.layer("3") is not None
    assert network.layer("4.act") is not None


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore")
def test_files_of_the_keras_exporter(tmp_path: Path) -> None:
    """Real channels last: what Keras 3 exports is a graph of transpositions."""
    pytest.importorskip("onnxscript", reason="needs onnxscript")
    os.environ["KERAS_BACKEND"] = "torch"
    keras = quiet(lambda: pytest.importorskip("keras", reason="needs Keras: pip install keras"))
    layers = keras.layers
    stack = [
        keras.Input((16, 16, 3)),
        layers.Conv2D(4, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(2, 3),
    ]
    model = keras.Sequential(stack)
    model(np.zeros((1, 16, 16, 3), np.float32))
    quiet(lambda: model.export(str(tmp_path / "net.onnx"), format="onnx", verbose=False))
    network = load_network(tmp_path / "net.onnx", preprocess="rgb")
    assert network.declared_size == (16, 16)
    image = some_image(16)
    expected = model(np.ascontiguousarray(image.transpose(0, 2, 3, 1))).detach().numpy().transpose(0, 3, 1, 2)
    last = str(network.model.graph.outputs[0].name)
    np.testing.assert_allclose(run(network, image, last), expected, rtol=1e-5, atol=1e-5)
