"""Networks that are no chains of convolutions: what works does, and for the rest the message says why not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from helpers.networks import chain
from onnx import TensorProto, helper, numpy_helper

from pixelgrad.errors import NetworkError, SettingsError, UnknownLayerError
from pixelgrad.exporters import (
    depth_layers,
    first_layer,
    inversion_objective,
    load_network,
    style_objective,
    texture_objective,
    write_artifact,
)
from pixelgrad.exporters.networks.stages import learnt_layers
from pixelgrad.exporters.objectives import build_loss_graphs
from pixelgrad.models.bundled import bundled_network
from pixelgrad.runtime import Artifact, verify

Tensor = Any


def weight(name: str, *shape: int, dtype: Any = np.float32) -> onnx.TensorProto:
    rng = np.random.default_rng(len(name) + sum(shape))
    return numpy_helper.from_array((rng.normal(size=shape) / 3).astype(dtype), name)


def given(**values: Any) -> list[onnx.TensorProto]:
    return [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()]


def saved(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    weights: Sequence[onnx.TensorProto],
    *,
    size: Sequence[Any] = ("H", "W"),
    opset: int = 18,
    domain: str | None = None,
) -> Path:
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, *size])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    opsets = [helper.make_opsetid("", opset), *([helper.make_opsetid(domain, 1)] if domain else [])]
    graph = helper.make_graph(list(nodes), "g", [image], [result], list(weights))
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def conv(source: str = "x", target: str = "c") -> onnx.NodeProto:
    return helper.make_node("Conv", [source, "w"], [target], pads=[1, 1, 1, 1])


W = weight("w", 8, 3, 3, 3)


def test_layers_that_are_named_need_no_default(tmp_path: Path) -> None:
    """Where none stands out as one to take style from, the advice is to name some: that must help."""
    nodes = [
        helper.make_node("Conv", ["x", "patches"], ["patch"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("GlobalAveragePool", ["patch"], ["y"]),
    ]
    network = load_network(saved(tmp_path / "patches.onnx", nodes, [weight("patches", 8, 3, 8, 8)]))
    with pytest.raises(NetworkError, match=r"name some of both \(style_layers=..., content_layers=..."):
        style_objective(network)
    objective = style_objective(network, style_layers=["patch"], content_layers=["patch"])
    assert [term.layer for term in objective.terms] == ["patch", "patch", None]


@pytest.mark.parametrize("zero", [True, False])
@pytest.mark.parametrize("kind", [np.int8, np.uint8])
@pytest.mark.parametrize("opset", [13, 21])
def test_weights_in_8_bits_are_unpacked(tmp_path: Path, opset: int, kind: type, zero: bool) -> None:
    """A step computes what it does with (q - zero) * scale in float32, per channel, and the gradient is as well its
    own: against finite differences."""
    path = chain(tmp_path / "float.onnx", opset=opset)
    single, packed = onnx.load(path), onnx.load(path)
    rng = np.random.default_rng(0)
    for tensor in list(packed.graph.initializer):
        values = numpy_helper.to_array(tensor)
        if values.ndim != 4:
            continue
        scale = np.abs(values).max(axis=(1, 2, 3)) / np.float32(100)
        zeros = rng.integers(1, 9, len(scale)).astype(kind) + (kind(110) if kind is np.uint8 else kind(0))
        zeros = zeros if zero else np.zeros_like(zeros)
        spread = [slice(None), None, None, None]
        q = np.clip(np.rint(values / scale[*spread]) + zeros[*spread], *(np.iinfo(kind).min, np.iinfo(kind).max))
        name = tensor.name
        parts = {f"{name}_q": q.astype(kind), f"{name}_s": scale, **({f"{name}_z": zeros} if zero else {})}
        packed.graph.initializer.remove(tensor)
        packed.graph.initializer.extend(numpy_helper.from_array(part, part_name) for part_name, part in parts.items())
        packed.graph.node.insert(0, helper.make_node("DequantizeLinear", list(parts), [name], axis=0))
        exact = (q - zeros[*spread]).astype(np.float32) * scale[*spread]
        next(t for t in single.graph.initializer if t.name == name).CopyFrom(numpy_helper.from_array(exact, name))
    onnx.save(packed, tmp_path / "packed.onnx")
    onnx.save(single, path)
    network = load_network(tmp_path / "packed.onnx")
    assert "3 of its weights are kept in 8 bits or fewer, and unpacked" in network.notes
    image = rng.random((1, 3, 24, 32), np.float32)
    found = []
    for each in (network, load_network(path)):
        folder = write_artifact(each, inversion_objective(each, "r3"), tmp_path / f"{each.name}.pixelgrad")
        artifact = Artifact(folder, device="cpu")
        assert all(check.passed for check in verify(artifact))
        found.append(artifact.evaluate(image, artifact.targets(image[..., ::-1].copy())))
    assert found[0].loss == pytest.approx(found[1].loss, rel=1e-6)
    np.testing.assert_allclose(found[0].gradient, found[1].gradient, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("behind", [True, False])
def test_operators_of_one_runtime_are_named(tmp_path: Path, behind: bool) -> None:
    """Not the shape that nobody can infer behind them."""
    nodes = [helper.make_node("FusedConv", ["x", "w"], ["c" if behind else "y"], domain="com.microsoft")]
    if behind:
        nodes.append(helper.make_node("Relu", ["c"], ["y"]))
    network = load_network(saved(tmp_path / "fused.onnx", nodes, [W], domain="com.microsoft"))
    with pytest.raises(NetworkError, match=r"outside the ONNX standard: com\.microsoft\.FusedConv\."):
        write_artifact(network, inversion_objective(network, "y"), tmp_path / "out")


def test_a_branch_that_uses_a_tensor_does_not_hide_the_depth(tmp_path: Path) -> None:
    bodies = [
        helper.make_graph(
            [helper.make_node(operator, ["c"], [name])],
            name,
            [],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)],
        )
        for operator, name in (("Relu", "a"), ("Neg", "b"))
    ]
    nodes = [
        conv(),
        helper.make_node("ReduceSum", ["c"], ["s"], keepdims=0),
        helper.make_node("Greater", ["s", "zero"], ["positive"]),
        helper.make_node("If", ["positive"], ["y"], then_branch=bodies[0], else_branch=bodies[1]),
    ]
    network = load_network(saved(tmp_path / "if.onnx", nodes, [W, *given(zero=np.float32(0))]))
    assert depth_layers(network) == ["y"]


def test_a_weight_is_no_layer(tmp_path: Path) -> None:
    """One in float16 is cast by a node of the graph."""
    nodes = [helper.make_node("Cast", ["h"], ["w"], to=TensorProto.FLOAT), conv("x", "y")]
    network = load_network(saved(tmp_path / "half.onnx", nodes, [weight("h", 8, 3, 3, 3, dtype=np.float16)]))
    with pytest.raises(UnknownLayerError) as found:
        network.layer("w")
    assert "w" not in found.value.matches
    assert network.layer("y").name == "y"


def test_what_cannot_be_computed_is_one_clear_error(tmp_path: Path) -> None:
    """Maps that are added to each other and fit at no size that is tried."""
    strided = helper.make_node("Conv", ["x", "w"], ["d"], strides=[3, 3], kernel_shape=[3, 3])
    nodes = [conv(), strided, helper.make_node("Add", ["c", "d"], ["y"])]
    network = load_network(saved(tmp_path / "odd.onnx", nodes, [W]))
    with pytest.raises(NetworkError, match=r"odd|image|size"):
        write_artifact(network, inversion_objective(network, "y"), tmp_path / "out")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_layer_weights_are_numbers(tmp_path: Path, value: float) -> None:
    network = load_network(chain(tmp_path / "net.onnx"))
    with pytest.raises(SettingsError, match="layer weights must be positive numbers"):
        style_objective(network, style_layers={"relu1_1": value, "relu2_1": 1})


def test_a_layer_by_itself_is_no_list_of_letters(tmp_path: Path) -> None:
    network = load_network(chain(tmp_path / "net.onnx"))
    assert [term.layer for term in texture_objective(network, layers="relu2_1").terms if term.layer] == ["r2"]


def test_weights_that_are_cast_are_weights(tmp_path: Path) -> None:
    """As in the bundled network, whose file is in float16: what looks for a layer's filters must find them."""
    nodes = [helper.make_node("Cast", ["h"], ["w"], to=TensorProto.FLOAT), conv("x", "y")]
    half = weight("h", 8, 3, 3, 3, dtype=np.float16)
    network = load_network(saved(tmp_path / "half.onnx", nodes, [half]), preprocess="rgb")
    assert first_layer(network).filters.shape == (8, 3, 3, 3)
    np.testing.assert_array_equal(first_layer(network).filters, numpy_helper.to_array(half).astype(np.float32))
    assert [node.op_type for node in network.model.graph] == ["Conv"]


def test_the_bundled_network_can_be_compared() -> None:
    bundled = bundled_network()
    if bundled is None:
        pytest.skip("this checkout has no bundled network")
    network = load_network(bundled)
    assert first_layer(network).filters.shape == (16, 3, 3, 3)
    assert learnt_layers(network, 3)[0] == "relu1_1"


def test_a_network_that_computes_no_numbers_is_refused(tmp_path: Path) -> None:
    """An artifact that says so of itself could not be read."""
    nodes = [conv(), helper.make_node("Exp", ["c"], ["y"])]
    path = saved(tmp_path / "net.onnx", nodes, given(w=np.full((8, 3, 3, 3), 1e3, np.float32)))
    network = load_network(path, preprocess="rgb")
    with pytest.raises(NetworkError, match="computes no finite numbers for a picture of noise"):
        write_artifact(network, inversion_objective(network, "y"), tmp_path / "artifact")
    assert not (tmp_path / "artifact").exists()


def test_an_inversion_of_a_layer_whose_shape_is_unknown_is_one_clear_error(tmp_path: Path) -> None:
    network = load_network(_saved(tmp_path))
    with pytest.raises(NetworkError, match=r"the rank of tensor .* is not known before the network runs"):
        build_loss_graphs(network, inversion_objective(network, "y"))


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        (["x w>y"], r"node 'y' uses 'w', which nothing in the file provides"),
        (["x b>a", "a x>b", "b x>y"], r"node 'a' uses what is computed from its own output"),
    ],
)
def test_a_network_that_cannot_be_computed_in_any_order(
    tmp_path: Path, nodes: list[str], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = _saved(tmp_path)
    model = onnx.load(path)
    del model.graph.node[:]
    ends = [node.split(">") for node in nodes]
    model.graph.node.extend(helper.make_node("Add", inputs.split(), [output]) for inputs, output in ends)
    onnx.save(model, path)
    with pytest.raises(NetworkError, match=message):
        load_network(path)
    assert not caplog.records


def test_nodes_in_another_order_are_read(tmp_path: Path) -> None:
    path = _saved(tmp_path)
    model = onnx.load(path)
    del model.graph.node[:]
    model.graph.node.extend(helper.make_node("Relu", [a], [b]) for a, b in (("a", "y"), ("x", "a")))
    onnx.save(model, path)
    assert load_network(path).layer("a").name == "a"


def _saved(folder: Path) -> Path:
    """A network of an operator that ONNX does not have."""
    image, out = (helper.make_tensor_value_info(name, 1, shape) for name, shape in (("x", [1, 3, 8, 8]), ("y", None)))
    graph = helper.make_graph([helper.make_node("Foo", ["x"], ["y"])], "g", [image], [out])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), folder / "net.onnx")
    return folder / "net.onnx"
