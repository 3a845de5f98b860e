"""Reading networks: their input convention, their layers' names and geometry, and files that cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from helpers.data import shared
from helpers.gradcheck import runtime
from helpers.networks import chain
from onnx import TensorProto, helper, numpy_helper

from pixelgrad.errors import NetworkError, SettingsError, UnknownLayerError
from pixelgrad.exporters import load_network
from pixelgrad.exporters.autodiff import finish
from pixelgrad.exporters.networks import default_layers, minimum_size, settle_size, upstream
from pixelgrad.models import PREPROCESSINGS

Array = np.ndarray[Any, Any]


def run(network: Any, image: Array, tensor: str) -> Array:
    """A tensor of a loaded network, computed by ONNX Runtime."""
    clone = network.clone()
    clone.model.graph.outputs.clear()
    clone.model.graph.outputs.append(clone.layer(tensor))
    return next(iter(runtime(finish(clone.model))({"image": image}).values()))


def image(size: int = 16, seed: int = 0) -> Array:
    return np.random.default_rng(seed).random((1, 3, size, size), dtype=np.float32)


@pytest.mark.parametrize("name", sorted(PREPROCESSINGS))
def test_the_graph_normalises_the_image_itself(tmp_path: Path, name: str) -> None:
    """RGB in [0, 1] through the loaded network equals prepared input through the file."""
    path = chain(tmp_path / "net.onnx")
    row, x = PREPROCESSINGS[name], image()
    ordered = x[:, ["RGB".index(c) for c in row.order]]
    mean, std = (np.asarray(v, np.float32).reshape(1, 3, 1, 1) for v in (row.mean, row.std))
    expected = runtime(onnx.load(path))({"data": (ordered * np.float32(row.scale) - mean) / std})["p3"]
    np.testing.assert_allclose(run(load_network(path, preprocess=name), x, "p3"), expected, rtol=2e-4, atol=2e-4)


def test_known_networks_bring_their_preprocessing() -> None:
    network = load_network(shared("weights/googlenet.onnx"))
    assert (network.name, network.preprocessing.name) == ("googlenet", "caffe")
    assert network.entry is not None
    assert load_network(shared("weights/vgg19_slim16x.onnx")).preprocessing.name == "rgb"
    assert load_network(shared("weights/squeezenet1_1.onnx")).preprocessing.name == "caffe"


def test_squeezenet_gives_its_golden_output() -> None:
    """The published test vector: input in Caffe's convention, so the preprocessing is inverted first."""
    folder = shared("weights/squeezenet1_1_golden")
    load = lambda name: numpy_helper.to_array(onnx.TensorProto.FromString((folder / name).read_bytes()))  # noqa: E731
    given, expected = load("test_data_0_input.pb"), load("test_data_0_output.pb")
    rgb = ((given + np.asarray([104, 117, 123], np.float32).reshape(1, 3, 1, 1)) / 255)[:, ::-1]
    network = load_network(shared("weights/squeezenet1_1.onnx"))
    result = run(network, np.ascontiguousarray(rgb), "softmaxout_1")
    np.testing.assert_allclose(result.ravel(), expected.ravel(), atol=1e-5)


def test_layer_names_and_aliases(tmp_path: Path) -> None:
    network = load_network(chain(tmp_path / "net.onnx"))
    assert network.layer("r2") is network.layer("relu2_1")
    assert network.layer("c3") is network.layer("conv3_1")
    assert network.layer("p1") is network.layer("pool1")


def test_aliases_of_known_networks() -> None:
    googlenet = load_network(shared("weights/googlenet.onnx"))
    assert googlenet.layer("mixed4c") is googlenet.layer("inception_4c/output")
    squeezenet = load_network(shared("weights/squeezenet1_1.onnx"))
    assert squeezenet.layer("fire5") is squeezenet.layer("fire5/concat") is squeezenet.layer("fire5/concat_1")
    slim = load_network(shared("weights/vgg19_slim16x.onnx"))
    assert slim.layer("relu4_2").name == "relu4_2"


def test_a_typo_gets_the_closest_names(tmp_path: Path) -> None:
    network = load_network(chain(tmp_path / "net.onnx"))
    with pytest.raises(UnknownLayerError, match=r"no layer 'relu2_2'; did you mean relu2_1") as caught:
        network.layer("relu2_2")
    assert caught.value.matches[0] == "relu2_1"
    with pytest.raises(UnknownLayerError, match=r"no layer 'zzzzzz'; there are "):
        network.layer("zzzzzz")


def test_a_branching_network_gets_no_block_numbers() -> None:
    assert "conv1_1" not in load_network(shared("weights/googlenet.onnx")).aliases


def test_default_layers(tmp_path: Path) -> None:
    style, content = default_layers(load_network(chain(tmp_path / "net.onnx", channels=(4, 4, 4, 4, 4))))
    assert style == [f"relu{block}_1" for block in range(1, 6)]
    assert content == ["relu4_1"]


def test_default_layers_of_an_unknown_branching_network(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], pads=[1] * 4, strides=[2, 2]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "v"], ["c"], pads=[1] * 4, strides=[2, 2]),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("Sigmoid", ["c"], ["e"]),
        helper.make_node("Add", ["d", "e"], ["f"]),
    ]
    rng = np.random.default_rng(0)
    weights = {"w": rng.normal(size=(4, 3, 3, 3)), "v": rng.normal(size=(4, 4, 3, 3))}
    graph = helper.make_graph(
        nodes,
        "branches",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, "H", "W"])],
        [helper.make_tensor_value_info("f", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()],
    )
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), path)
    assert default_layers(load_network(path)) == (["b", "d"], ["f"])


@pytest.mark.parametrize("size", [17, 20, 33])
def test_geometry_says_where_a_layer_looks(tmp_path: Path, size: int) -> None:
    """Perturbing one pixel changes exactly the positions whose receptive field holds it."""
    network = load_network(chain(tmp_path / "net.onnx", pool="AveragePool"), preprocess="rgb")
    geometry = {str(value.name): g for value, g in network.geometries().items()}
    assert (geometry["r2"].stride, geometry["r2"].receptive_field) == (2, 8)
    assert (geometry["p3"].stride, geometry["p3"].receptive_field) == (8, 22)
    x = image(64)
    y = x.copy()
    y[0, :, 32, 32] += 1
    changed = np.argwhere((run(network, x, "r3") != run(network, y, "r3")).any((0, 1)))
    extent = int((changed.max(0) - changed.min(0)).max()) + 1
    field, stride = geometry["r3"].receptive_field, geometry["r3"].stride
    assert field is not None
    assert stride is not None
    assert extent <= -(-field // stride) + 1


def test_a_map_that_a_global_average_scales_keeps_its_stride(tmp_path: Path) -> None:
    """Squeeze and excitation: every position sees the whole image, and still has its place in it."""
    model = onnx.load(chain(tmp_path / "net.onnx", channels=(4,)))
    nodes = [
        onnx.helper.make_node("GlobalAveragePool", ["p1"], ["squeezed"]),
        onnx.helper.make_node("Sigmoid", ["squeezed"], ["gate"]),
        onnx.helper.make_node("Mul", ["p1", "gate"], ["excited"]),
        onnx.helper.make_node("MaxPool", ["excited"], ["last"], kernel_shape=[2, 2], strides=[2, 2]),
    ]
    model.graph.node.extend(nodes)
    model.graph.output[0].name = "last"
    onnx.save(model, tmp_path / "gated.onnx")
    network = load_network(tmp_path / "gated.onnx", preprocess="rgb")
    geometry = {str(value.name): (g.stride, g.receptive_field) for value, g in network.geometries().items()}
    assert geometry["gate"] == (None, None)
    assert geometry["excited"] == (2, None)
    assert geometry["last"] == (4, None)


def test_minimum_size_is_the_smallest_that_runs() -> None:
    network = load_network(shared("weights/vgg19_slim16x.onnx"))
    for layer in ("relu1_1", "relu3_1", "relu5_1"):
        least = minimum_size(upstream([network.layer(layer)]))
        assert run(network, image(least), layer).size
        with pytest.raises(Exception, match=r"(?i)pad|dim|shape|reflect"):
            run(network, image(least - 1), layer)


def test_fixed_sizes_are_freed_where_the_layers_allow_it(tmp_path: Path) -> None:
    path = chain(tmp_path / "net.onnx", size=32, classes=5, flatten=True)
    network = load_network(path)
    assert network.declared_size == (32, 32)
    assert settle_size(network, [network.layer("p3")]) is None
    assert run(network, image(40), "p3").shape[2:] == (5, 5)
    assert settle_size(network, [network.layer("logits")]) == (32, 32)
    with pytest.raises(Exception, match="32"):
        run(network, image(40), "logits")


def test_a_network_that_pools_over_the_map_takes_any_size(tmp_path: Path) -> None:
    network = load_network(chain(tmp_path / "net.onnx", size=32, classes=5))
    assert settle_size(network, [network.layer("logits")]) is None
    assert run(network, image(48), "logits").shape == (1, 5)


def test_average_pooling_for_max_pooling(tmp_path: Path) -> None:
    path = chain(tmp_path / "net.onnx")
    network = load_network(path, pool="avg", preprocess="rgb")
    x = image()
    features = run(network, x, "r1")
    expected = features.reshape(1, 8, 8, 2, 8, 2).mean((3, 5))
    np.testing.assert_allclose(run(network, x, "p1"), expected, rtol=1e-5, atol=1e-6)
    assert not any(node.op_type == "MaxPool" for node in network.model.graph)
    with pytest.raises(SettingsError, match="pool is 'mean'; it must be one of max, avg"):
        load_network(path, pool="mean")
    with pytest.raises(SettingsError, match="preprocess is 'caffee'; it must be one of rgb, "):
        load_network(path, preprocess="caffee")


def test_external_weights(tmp_path: Path) -> None:
    path = chain(tmp_path / "net.onnx")
    expected = run(load_network(path), image(), "p3")
    model = onnx.load(path)
    other = tmp_path / "other"
    other.mkdir()
    onnx.save(model, other / "net.onnx", save_as_external_data=True, location="net.data", size_threshold=0)
    network = load_network(other / "net.onnx")
    np.testing.assert_array_equal(run(network, image(), "p3"), expected)
    (other / "net.data").write_bytes((other / "net.data").read_bytes()[:-4] + b"\0\0\0\0")
    assert load_network(other / "net.onnx").sha256 != network.sha256
    (other / "net.data").unlink()
    with pytest.raises(NetworkError, match=r"separate file that is not there: net\.data"):
        load_network(other / "net.onnx")


def bad_model(path: Path, kind: str) -> Path:
    model = onnx.load(chain(path))
    if kind == "nan":
        weight = numpy_helper.to_array(model.graph.initializer[0]).copy()
        weight.flat[3] = np.nan
        model.graph.initializer[0].CopyFrom(numpy_helper.from_array(weight, "w1"))
    elif kind == "two inputs":
        model.graph.input.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, [1]))
    elif kind == "vector":
        model.graph.input[0].CopyFrom(helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3]))
    elif kind == "grey":
        model.graph.input[0].CopyFrom(helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 1, 8, 8]))
    elif kind == "bytes":
        model.graph.input[0].CopyFrom(helper.make_tensor_value_info("data", TensorProto.UINT8, [1, 3, 8, 8]))
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("nan", r"the weights 'w1' of 'net\.onnx' hold NaN or infinity"),
        ("two inputs", r"must have one input, an image; it has 2: data .*, other"),
        ("vector", r"no image input: its input is data \[1,3\], and an image is \[N, 3, H, W\]"),
        ("grey", r"no image input: its input is data \[1,1,8,8\]"),
        ("bytes", r"takes UINT8 images; export it in float32"),
    ],
)
def test_networks_that_cannot_be_used(tmp_path: Path, kind: str, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        load_network(bad_model(tmp_path / "net.onnx", kind))


def test_files_that_are_no_network(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    with pytest.raises(NetworkError, match=r"no network file 'net\.onnx'"):
        load_network(path)
    path.write_bytes(b"")
    with pytest.raises(NetworkError, match=r"'net\.onnx' is empty"):
        load_network(path)
    for content in (b"not a network at all", b"\1\2\3\4" + bytes(64), bytes(100)):
        path.write_bytes(content)
        with pytest.raises(NetworkError, match=r"'net\.onnx' is not an ONNX network"):
            load_network(path)
    with pytest.raises(NetworkError, match="is a folder"):
        load_network(tmp_path)
    whole = chain(path).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(NetworkError, match="is not an ONNX network"):
        load_network(path)
