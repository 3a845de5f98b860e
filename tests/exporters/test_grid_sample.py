"""GridSample, written out: what ONNX Runtime's own computes, and the gradient of the grid by finite differences."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import onnx
import pytest
from helpers.gradcheck import assert_close, numerical_vjp, runtime
from onnx import TensorProto, helper

from pixelgrad.errors import NetworkError
from pixelgrad.exporters import vjp
from pixelgrad.exporters.opset18 import from_opset18, to_opset18
from pixelgrad.exporters.profiles.providers import unsupported

FORMS = list(itertools.product(("nearest", "linear", "cubic"), ("zeros", "border", "reflection"), (0, 1)))


def sampling(rank: int = 4, **attributes: Any) -> onnx.ModelProto:
    sizes: list[str | int] = [f"s{axis}" for axis in range(2, rank)]
    graph = helper.make_graph(
        [helper.make_node("GridSample", ["x", "grid"], ["y"], **attributes)],
        "sample",
        [
            helper.make_tensor_value_info("x", TensorProto.DOUBLE, ["N", "C", *sizes]),
            helper.make_tensor_value_info("grid", TensorProto.DOUBLE, ["N", *(f"g{s}" for s in sizes), rank - 2]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, None)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


@pytest.mark.parametrize(("mode", "padding", "aligned"), FORMS)
def test_values_and_the_gradient_of_the_grid(mode: str, padding: str, aligned: int) -> None:
    rng = np.random.default_rng(1)
    x, ct = rng.normal(size=(2, 2, 4, 5)), rng.normal(size=(2, 2, 3, 4))
    grid = rng.uniform(-1.9, 1.9, size=(2, 3, 4, 2))
    model = sampling(mode=mode, padding_mode=padding, align_corners=aligned)
    own = runtime(model)
    found = runtime(vjp(model))({"x": x, "grid": grid, "cotangent_y": ct})
    np.testing.assert_allclose(found["y"], own({"x": x, "grid": grid})["y"], atol=1e-12)
    expected = numerical_vjp(own, {"x": x, "grid": grid}, {"y": ct}, "grid", 1e-6)
    assert_close(found["gradient_grid"], expected, 1e-6, "gradient of the grid")


def test_an_image_of_one_pixel() -> None:
    """All mirrors are in one place."""
    model = from_opset18(to_opset18(sampling(mode="linear", padding_mode="reflection", align_corners=1), primitives=()))
    feeds = {"x": np.full((1, 1, 1, 1), 3.0), "grid": np.linspace(-2, 2, 8).reshape(1, 2, 2, 2)}
    np.testing.assert_array_equal(runtime(model)(feeds)["y"], np.full((1, 1, 2, 2), 3.0))


@pytest.mark.parametrize("provider", ["CUDA", "Dml", "WebGpu", "OpenVINO"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_it_stays_on_devices(padding: str, provider: str) -> None:
    """All but CUDA lack the operator itself; CUDA and DirectML have a ScatterElements of older opsets only."""
    converted = to_opset18(sampling(mode="linear", padding_mode=padding), primitives=())
    name = f"{provider}ExecutionProvider"
    assert unsupported(from_opset18(converted), name) == []
    gaps = {gap.operator for gap in unsupported(vjp(sampling(mode="linear", padding_mode=padding)), name)}
    assert gaps == ({"ScatterElements"} if provider in {"CUDA", "Dml"} else set())


def test_volumes_are_refused() -> None:
    with pytest.raises(NetworkError, match="takes a tensor of 5 dimensions"):
        to_opset18(sampling(rank=5, mode="linear"), primitives=())
