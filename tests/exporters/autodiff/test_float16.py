"""Gradients of networks in float16 where every operator computes in it, as on a GPU.

ONNX Runtime's CPU computes most of them in float32 and hides what overflows; ONNX's reference implementation does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from helpers.gradcheck import reference
from onnx import TensorProto, helper, numpy_helper

from pixelgrad.exporters import vjp
from pixelgrad.exporters.autodiff import NON_DIFFERENTIABLE, RULES, Emitter, append_value_and_gradient, finish
from pixelgrad.exporters.opset18 import to_opset18
from pixelgrad.exporters.profiles.half import use_float16

Array = np.ndarray[Any, Any]
_rng = np.random.default_rng(0)


def pulled(node: onnx.NodeProto, shape: list[Any], weights: Mapping[str, Array] | None = None) -> onnx.ModelProto:
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT16, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT16, None)],
        [numpy_helper.from_array(value.astype(np.float16), name) for name, value in (weights or {}).items()],
    )
    return vjp(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))


@pytest.mark.parametrize("shape", [[1, 64, 40, 40], [1, 64, "H", "W"], [1, "C", "H", "W"]], ids=str)
@pytest.mark.parametrize("op", ["GlobalAveragePool", "ReduceMean"])
def test_a_mean_of_more_elements_than_float16_counts(op: str, shape: list[Any]) -> None:
    """102400 elements, each of which gets what one in 1600 does."""
    attributes = {} if op == "GlobalAveragePool" else {"axes": [2, 3]}
    model = pulled(helper.make_node(op, ["x"], ["y"], **attributes), shape)
    feeds = {"x": np.ones((1, 64, 40, 40), np.float16), "cotangent_y": np.ones((1, 64, 1, 1), np.float16)}
    gradient = reference(model)(feeds)["gradient_x"]
    assert gradient.dtype == np.float16
    np.testing.assert_allclose(gradient, np.full((1, 64, 40, 40), 1 / 1600), rtol=1e-3)


@pytest.mark.parametrize("size", [300, "H"])
def test_a_mean_over_more_elements_than_float16_counts(size: int | str) -> None:
    """The count itself is above 65504, the quotient is not too small."""
    model = pulled(helper.make_node("ReduceMean", ["x"], ["y"], keepdims=0), [size, size])
    feeds = {"x": np.zeros((300, 300), np.float16), "cotangent_y": np.asarray(900, np.float16)}
    np.testing.assert_allclose(reference(model)(feeds)["gradient_x"], np.full((300, 300), 0.01), rtol=1e-3)


@pytest.mark.filterwarnings("ignore:overflow")  # of the reference's own way forwards
@pytest.mark.parametrize("op", ["LayerNormalization", "InstanceNormalization"])
def test_normalisation_of_what_float16_cannot_square(op: str) -> None:
    """Values around 300, as single channels of vision transformers have."""
    x, ct = (_rng.normal(size=(1, 3, 64)) * scale for scale in (300, 1))
    x, ct = x.astype(np.float16), ct.astype(np.float16)
    weights = {name: np.full(64 if op == "LayerNormalization" else 3, value) for name, value in (("s", 1), ("b", 0))}
    model = pulled(helper.make_node(op, ["x", "s", "b"], ["y"]), [1, 3, 64], weights)
    gradient = reference(model)({"x": x, "cotangent_y": ct})["gradient_x"]
    wide, weighted = x.astype(np.float64), ct.astype(np.float64)
    deviation = np.sqrt(wide.var(-1, keepdims=True) + 1e-5)
    normal = (wide - wide.mean(-1, keepdims=True)) / deviation
    along = (weighted * normal).mean(-1, keepdims=True)
    expected = (weighted - weighted.mean(-1, keepdims=True) - normal * along) / deviation
    assert gradient.dtype == np.float16
    assert np.linalg.norm(gradient - expected) < 2e-3 * np.linalg.norm(expected)


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_network_in_mixed_precision_normalises_what_float16_cannot_square() -> None:
    x, weight = (_rng.normal(size=size).astype(np.float32) for size in ((1, 4, 64), 64))
    x *= 300
    graph = helper.make_graph(
        [helper.make_node("LayerNormalization", ["x", "s"], ["n"]), helper.make_node("Mul", ["n", "w"], ["y"])],
        "mixed",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, "T", 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.ones(64, np.float32), "s"), numpy_helper.from_array(weight, "w")],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    network = to_opset18(proto, primitives=RULES.keys() | NON_DIFFERENTIABLE)
    (image,), (layer,) = network.graph.inputs, network.graph.outputs
    copy = use_float16(network, image, [layer])[layer]
    network.graph.outputs.clear()
    loss = Emitter(network.graph).ReduceSum(copy, keepdims=0)
    loss.shape = ir.Shape([])
    append_value_and_gradient(network.graph, loss, [image])
    gradient = reference(finish(network))({"x": x})["gradient_x"]
    wide = x.astype(np.float64)
    deviation = wide.std(-1, keepdims=True)
    normal = (wide - wide.mean(-1, keepdims=True)) / deviation
    expected = (weight - weight.mean() - normal * (weight * normal).mean(-1, keepdims=True)) / deviation
    assert np.linalg.norm(gradient - expected) < 2e-3 * np.linalg.norm(expected)
