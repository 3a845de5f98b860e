"""What the profiles rewrite computes what it did."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from helpers.networks import chain
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from pixelgrad.errors import SettingsError
from pixelgrad.exporters import load_network, style_objective
from pixelgrad.exporters.autodiff import append_value_and_gradient
from pixelgrad.exporters.objectives import build_loss_graphs
from pixelgrad.exporters.opset18 import from_opset18, to_opset18
from pixelgrad.exporters.profiles import RULES
from pixelgrad.exporters.profiles.written_out import write_out

Array = np.ndarray[Any, Any]


def model_of(node: onnx.NodeProto, channels: int) -> onnx.ModelProto:
    """One operator on x [N, channels, H, W], and the sum of its cubes as ``loss``."""
    nodes = [
        node,
        helper.make_node("Mul", ["y", "y"], ["square"]),
        helper.make_node("Mul", ["square", "y"], ["cube"]),
        helper.make_node("ReduceSum", ["cube"], ["loss"], keepdims=0),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", channels, "H", "W"])
    loss = helper.make_tensor_value_info("loss", TensorProto.FLOAT, [])
    graph = helper.make_graph(nodes, "one", [x], [loss])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def run(model: onnx.ModelProto, x: Array) -> list[Array]:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return [np.asarray(value) for value in session.run(None, {"x": x})]


# Poolings ----------------------------------------------------------------------------------------------------


def gradient_by_hand(x: Array, y: Array, kernel: int, stride: int, pad: int) -> Array:
    """Of the sum of cubes: 3 y^2 to the first largest element of each window, rows before columns."""
    result = np.zeros_like(x)
    for n, c, row, column in np.ndindex(*y.shape):
        places = [(row * stride - pad + i, column * stride - pad + j) for i, j in product(range(kernel), range(kernel))]
        places = [(i, j) for i, j in places if 0 <= i < x.shape[2] and 0 <= j < x.shape[3]]
        first = max(places, key=lambda at: (x[n, c, at[0], at[1]], -at[0], -at[1]))
        result[n, c, first[0], first[1]] += 3 * y[n, c, row, column] ** 2
    return result


@settings(max_examples=40)
@given(
    st.integers(2, 4), st.integers(1, 3), st.integers(0, 1), st.booleans(), st.integers(5, 11), st.integers(5, 9),
    st.booleans(),
)  # fmt: skip
def test_scattering_reaches_the_first_maximum_of_every_window(
    kernel: int, stride: int, pad: int, ceil: bool, height: int, width: int, ties: bool
) -> None:
    rng = np.random.default_rng(kernel + height * width)
    x = rng.normal(size=(2, 3, height, width)).astype(np.float32)
    x = np.round(x) if ties else x
    attributes = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4, "ceil_mode": int(ceil)}
    node = helper.make_node("MaxPool", ["x"], ["y"], **attributes)
    graph = to_opset18(model_of(node, 3), primitives=())
    append_value_and_gradient(graph.graph, graph.graph.outputs[0], [graph.graph.inputs[0]], rules=RULES["fast"])
    tiles = kernel == stride
    assert ("ScatterElements" in {n.op_type for n in graph.graph}) is not tiles
    if ties and tiles:
        return  # those share
    _, gradient = run(from_opset18(graph), x)
    plain = model_of(node, 3)
    plain.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, None))
    (y,) = run(plain, x)
    np.testing.assert_allclose(gradient, gradient_by_hand(x, y, kernel, stride, pad), rtol=1e-5, atol=1e-5)


# Local response normalisation --------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("beta", [0.75, 0.5])
def test_a_response_written_out_is_the_operators(size: int, beta: float) -> None:
    node = helper.make_node("LRN", ["x"], ["y"], size=size, alpha=0.3, beta=beta, bias=1.5)
    x = np.random.default_rng(0).normal(size=(2, 7, 5, 4)).astype(np.float32) * 3
    graph = to_opset18(model_of(node, 7), primitives=("LRN",))
    append_value_and_gradient(graph.graph, graph.graph.outputs[0], [graph.graph.inputs[0]])
    before = run(from_opset18(graph.clone()), x)
    write_out(graph)
    assert "LRN" not in {n.op_type for n in graph.graph}
    for found, wanted in zip(run(from_opset18(graph), x), before, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=1e-5)


# Blocks ------------------------------------------------------------------------------------------------------


def test_staying_in_blocks_changes_no_number(tmp_path: Path) -> None:
    network = load_network(chain(tmp_path / "net.onnx", channels=(16, 32, 16), pool="AveragePool"))
    objective = style_objective(network, loss="gram", style_layers=["r1", "r2"], content_layers=["r3"])
    plain = build_loss_graphs(network, objective)
    fast = build_loss_graphs(network, objective, "fast")
    rewritten = [node for node in fast.training.graph.node if node.name.startswith("blocked/")]
    assert {"Add", "Conv"} <= {node.op_type for node in rewritten}
    rng = np.random.default_rng(0)
    feeds = {"image": rng.random((1, 3, 24, 20), dtype=np.float32)}
    assert plain.evaluation is not None
    session = ort.InferenceSession(plain.evaluation.SerializeToString(), providers=["CPUExecutionProvider"])
    reference = session.run(None, {"image": rng.random((1, 3, 24, 20), dtype=np.float32)})
    feeds |= dict(zip([output.name for output in session.get_outputs()], reference, strict=True))
    gradients = []
    for graphs in (plain, fast):
        session = ort.InferenceSession(graphs.training.SerializeToString(), providers=["CPUExecutionProvider"])
        gradients.append(session.run(["gradient"], feeds)[0])
    assert np.abs(gradients[0]).max() > 0
    np.testing.assert_allclose(gradients[1], gradients[0], rtol=1e-5, atol=1e-6 * np.abs(gradients[0]).max())


def test_a_profile_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    network = load_network(chain(tmp_path / "net.onnx"))
    with pytest.raises(SettingsError, match="the profile is 'best'; it must be one of portable, fast"):
        build_loss_graphs(network, style_objective(network, style_layers=["r1"], content_layers=["r2"]), "best")
