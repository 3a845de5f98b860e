"""AffineGrid, written out: what ONNX Runtime's own computes, and the gradient of theta by finite differences."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from helpers.gradcheck import assert_close, numerical_vjp, runtime
from onnx import TensorProto, helper, numpy_helper

from pixelgrad.exporters import vjp

_rng = np.random.default_rng(0)


def model(sizes: list[int], aligned: int, theta: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> onnx.ModelProto:
    """The grid of sizes that are known."""
    graph = helper.make_graph(
        [helper.make_node("AffineGrid", ["theta", "size"], ["y"], align_corners=aligned)],
        "grid",
        [helper.make_tensor_value_info("theta", TensorProto.DOUBLE, theta.shape)],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, None)],
        [numpy_helper.from_array(np.asarray(sizes, np.int64), "size")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


@pytest.mark.parametrize("aligned", [0, 1])
@pytest.mark.parametrize("sizes", [[1, 2, 4, 5], [2, 2, 4, 5], [2, 1, 3, 4, 5]], ids=str)
def test_values_and_the_gradient_of_theta(sizes: list[int], aligned: int) -> None:
    count = len(sizes) - 2
    feeds = {"theta": _rng.normal(size=(sizes[0], count, count + 1))}
    proto = model(sizes, aligned, feeds["theta"])
    own = runtime(proto)
    expected = own(feeds)["y"]
    ct = _rng.normal(size=expected.shape)
    found = runtime(vjp(proto))({**feeds, "cotangent_y": ct})
    np.testing.assert_allclose(found["y"], expected, atol=1e-12)
    assert_close(found["gradient_theta"], numerical_vjp(own, feeds, {"y": ct}, "theta", 1e-6), 1e-6, "gradient")


def test_an_image_turned_by_a_known_theta() -> None:
    """As PyTorch exports a rotation: the grid is a constant of the network."""
    turned = np.asarray([[[0.9, 0.1, 0.02], [-0.1, 0.8, 0.03]]], np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("AffineGrid", ["theta", "size"], ["grid"]),
            helper.make_node("GridSample", ["x", "grid"], ["y"]),
        ],
        "turn",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2, 5, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(turned, "theta"), numpy_helper.from_array(np.asarray([1, 2, 4, 4]), "size")],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    own, feeds = runtime(proto), {"x": _rng.normal(size=(1, 2, 5, 6)).astype(np.float32)}
    ct = _rng.normal(size=(1, 2, 4, 4)).astype(np.float32)
    found = runtime(vjp(proto))({**feeds, "cotangent_y": ct})
    np.testing.assert_allclose(found["y"], own(feeds)["y"], atol=1e-5)
    assert_close(found["gradient_x"], numerical_vjp(own, feeds, {"y": ct}, "x", 1e-2), 2e-3, "gradient")
