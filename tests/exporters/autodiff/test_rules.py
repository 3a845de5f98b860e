"""Every gradient rule, in every form, against finite differences of ONNX's reference implementation in float64."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from helpers.cases import CASES
from helpers.gradcheck import Case, check, runtime
from onnx import TensorProto, helper

from pixelgrad.exporters import vjp
from pixelgrad.exporters.autodiff import RULES
from pixelgrad.exporters.autodiff.rules.pooling import max_pool_by_scattering

# Their gradient changes type on the way, which finite differences in one type cannot follow: tested below.
_ELSEWHERE = {"Cast", "CastLike"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_rule(case: Case) -> None:
    check(case)


def test_every_rule_has_a_row() -> None:
    assert set(RULES) - {case.op for case in CASES} - _ELSEWHERE == set()


@pytest.mark.parametrize("op", sorted(_ELSEWHERE))
def test_cast_hands_the_cotangent_back_in_the_input_type(op: str) -> None:
    node = (
        helper.make_node("Cast", ["x"], ["y"], to=TensorProto.DOUBLE)
        if op == "Cast"
        else helper.make_node("CastLike", ["x", "like"], ["y"])
    )
    graph = helper.make_graph(
        [node],
        op,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3])],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, [3])],
        [helper.make_tensor("like", TensorProto.DOUBLE, [1], [0.0])] if op == "CastLike" else [],
    )
    model = vjp(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8))
    assert model.graph.output[1].type.tensor_type.elem_type == TensorProto.FLOAT
    results = runtime(model)({"x": np.ones(3, np.float32), "cotangent_y": np.asarray([1.0, -2.0, 0.5])})
    assert results["gradient_x"].dtype == np.float32
    np.testing.assert_array_equal(results["gradient_x"], np.asarray([1.0, -2.0, 0.5], np.float32))


def test_flat_windows_share_their_gradient() -> None:
    """Four equal maxima get a quarter each, not the whole four times over."""
    node = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], strides=[2, 2])
    graph = helper.make_graph(
        [node],
        "flat",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    model = vjp(helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=8))
    flat = np.ones((1, 1, 4, 4), np.float32)
    results = runtime(model)({"x": flat, "cotangent_y": np.full((1, 1, 2, 2), 8.0, np.float32)})
    np.testing.assert_array_equal(results["gradient_x"], np.full((1, 1, 4, 4), 2.0, np.float32))


def test_the_origin_is_normalised_to_zero_and_stays() -> None:
    """A position where nothing responds must not spoil the whole gradient."""
    for p in (1, 2):
        node = helper.make_node("LpNormalization", ["x"], ["y"], axis=1, p=p)
        graph = helper.make_graph(
            [node],
            "origin",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 2])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        )
        model = vjp(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8))
        x = np.asarray([[0, 0], [3, 4]], np.float32)
        gradient = runtime(model)({"x": x, "cotangent_y": np.asarray([[1, 2], [1, 0]], np.float32)})["gradient_x"]
        expected = [[0, 0], [4 / 49, -3 / 49] if p == 1 else [16 / 125, -12 / 125]]
        np.testing.assert_allclose(gradient, expected, rtol=1e-5)


def test_scattering_counts_positions_row_by_row() -> None:
    """Whatever the order in which the node's own positions, which nobody asks for, would be counted."""
    node = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[3, 3], strides=[2, 2], storage_order=1)
    graph = helper.make_graph(
        [node],
        "columns",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2, 7, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    rng = np.random.default_rng(3)
    feeds = {
        "x": rng.normal(size=(1, 2, 7, 6)).astype(np.float32),
        "cotangent_y": rng.normal(size=(1, 2, 3, 2)).astype(np.float32),
    }
    sliced, scattered = (runtime(vjp(proto, rules=rules))(feeds) for rules in ({}, {"MaxPool": max_pool_by_scattering}))
    np.testing.assert_allclose(scattered["gradient_x"], sliced["gradient_x"], rtol=1e-6)
