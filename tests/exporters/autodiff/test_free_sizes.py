"""Gradients at sizes that a graph knows as formulas only: rounded up, rounded as ONNX Runtime rounds, worked out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from helpers.gradcheck import numerical_vjp, runtime
from onnx import TensorProto, helper, numpy_helper

from pixelgrad.exporters import vjp
from pixelgrad.exporters.autodiff import Emitter, finish

Array = np.ndarray[Any, Any]


def n(op: str, inputs: str, outputs: str = "y", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, ["" if name == "_" else name for name in inputs.split()], outputs.split(), **attributes)


def model(nodes: list[onnx.NodeProto], sizes: list[Any], weights: dict[str, Array], opset: int = 18) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, sizes)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    imports = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=imports, ir_version=helper.find_min_ir_version_for(imports, True))


def assert_right(proto: onnx.ModelProto, x: Array) -> None:
    forward, pulled = runtime(proto), vjp(proto)
    onnx.checker.check_model(pulled, full_check=True)
    (y,) = forward({"x": x}).values()
    ct = np.random.default_rng(1).normal(size=y.shape).astype(np.float32)
    expected = numerical_vjp(forward, {"x": x}, {"y": ct}, "x", 1e-2)
    actual = runtime(pulled)({"x": x, "cotangent_y": ct})["gradient_x"]
    np.testing.assert_allclose(actual, expected, rtol=2e-2, atol=2e-3)


# What follows a map and asks for its size.
AFTER: dict[str, list[onnx.NodeProto]] = {
    "mean": [n("ReduceMean", "q", keepdims=0)],
    "share of the mean": [n("GlobalAveragePool", "q", "g"), n("Mul", "q g")],
    "sum": [n("Flatten", "q", "f"), n("Mul", "f f", "p"), n("ReduceSum", "p", keepdims=0)],
}


@pytest.mark.parametrize("after", AFTER)
@pytest.mark.parametrize("size", [(8, 8), (9, 9), (7, 8)])
@pytest.mark.parametrize("step", [2, 3])
def test_sizes_that_are_rounded_up(after: str, size: tuple[int, int], step: int) -> None:
    """Every other pixel of nine is five: a ceiling, which is written as the floor of a negative number."""
    bounds = {"s": [0, 0], "e": [2**63 - 1] * 2, "a": [2, 3], "t": [step, step]}
    weights = {name: np.asarray(values, np.int64) for name, values in bounds.items()}
    x = np.random.default_rng(0).normal(size=(1, 2, *size)).astype(np.float32)
    assert_right(model([n("Slice", "x s e a t", "q"), *AFTER[after]], [1, 2, "H", "W"], weights), x)


@pytest.mark.parametrize("size", [1, 3, 5, 6, 9])
@pytest.mark.parametrize(
    "bounds", [(5, 8, 1), (5, 2**63 - 1, 1), (2, -2, 1), (-3, -1, 1), (5, 2, -1), (4, 8, 2), (7, 3, -2)]
)
def test_slices_that_leave_nothing_of_a_small_image(bounds: tuple[int, int, int], size: int) -> None:
    weights = {name: np.asarray([value], np.int64) for name, value in zip("set", bounds, strict=True)}
    cut = [n("Slice", "x s e a t", "q"), n("ReduceSum", "q", "r", keepdims=0), n("Mul", "x x", "p"), n("Add", "p r")]
    x = np.random.default_rng(0).normal(size=(1, 2, size, 3)).astype(np.float32)
    assert_right(model(cut, [1, 2, "H", "W"], {**weights, "a": np.asarray([2])}), x)


@pytest.mark.parametrize("after", AFTER)
@pytest.mark.parametrize("scale", [0.7, 0.75, 0.9, 1.3, 0.123456])
@pytest.mark.parametrize("free", [True, False])
def test_sizes_are_multiplied_as_the_runtime_does(after: str, scale: float, free: bool) -> None:
    """Ten times 0.7 is seven there, and 6.99999988 in float64; 0.123456 is no fraction that a formula would have."""
    x = np.random.default_rng(0).normal(size=(1, 2, 10, 20)).astype(np.float32)
    resize = n("Resize", "x _ k", "q", mode="linear")
    sizes = [1, 2, "H", "W"] if free else list(x.shape)
    assert_right(model([resize, *AFTER[after]], sizes, {"k": np.asarray([1, 1, scale, scale], np.float32)}), x)


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("size", [(4, 3), (2, 7), (3, 3), (5, 4)])
def test_an_axis_too_short_to_grow(mode: str, size: tuple[int, int]) -> None:
    """Three pixels stay three, but are resized all the same, unless the other axis stays as it is too."""
    x = np.random.default_rng(0).normal(size=(1, 2, *size)).astype(np.float32)
    weights = {"k": np.asarray([1, 1, 1.3, 1.3], np.float32)}
    assert_right(model([n("Resize", "x _ k", "q", mode=mode), n("Mul", "q q")], [1, 2, "H", "W"], weights), x)


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("scales", [(0.9, 1.55), (1.5, 0.7), (1.0, 1.3)])
def test_axes_are_resized_each_in_its_way(mode: str, scales: tuple[float, float]) -> None:
    """Ten times 0.9 is nine, which is said; 1.55 is kept, as 15 is not 1.55 times ten."""
    x = np.random.default_rng(0).normal(size=(1, 2, 10, 10)).astype(np.float32)
    nodes = [n("Resize", "x _ k", "q", mode=mode), *AFTER["share of the mean"]]
    assert_right(model(nodes, list(x.shape), {"k": np.asarray([1, 1, *scales], np.float32)}), x)


def test_what_is_filled_to_a_free_size_has_a_shape() -> None:
    x = np.random.default_rng(0).normal(size=(2, 5)).astype(np.float32)
    one = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])
    nodes = [n("Shape", "x", "s"), n("ConstantOfShape", "s", "o", value=one), n("Add", "x o", "p"), n("Mul", "p p")]
    assert_right(model(nodes, ["a", "b"], {}), x)


def test_attention_over_tokens_of_a_free_number() -> None:
    """ONNX writes its own Attention with a mask that is filled to their number."""
    x = np.random.default_rng(0).normal(size=(1, 2, 5, 4)).astype(np.float32)
    assert_right(model([n("Attention", "x x x")], [1, 2, "tokens", 4], {}, opset=23), x)


FORMULAS: dict[str, Callable[[int, int], int]] = {
    "floor(H/2)": lambda h, w: h // 2,
    "-floor(-H/2)": lambda h, w: math.ceil(h / 2),
    "floor(H/2 - W/2)": lambda h, w: (h - w) // 2,
    "floor(1/2 - 3*H/4) + H": lambda h, w: (2 - 3 * h) // 4 + h,
    "floor((H - 2*W)/3)": lambda h, w: (h - 2 * w) // 3,
}


@pytest.mark.parametrize("formula", FORMULAS)
def test_floors_of_either_sign(formula: str) -> None:
    x = ir.Value(name="x", shape=ir.Shape([1, 3, "H", "W"]), type=ir.TensorType(ir.DataType.FLOAT))
    wanted = ir.Value(name="wanted", shape=ir.Shape([formula]), type=ir.TensorType(ir.DataType.FLOAT))
    graph = ir.Graph([x], [], nodes=[], opset_imports={"": 18}, name="sizes")
    size = Emitter(graph).dim(wanted, 0)
    size.name, size.dtype, size.shape = "size", ir.DataType.INT64, ir.Shape([1])
    graph.outputs.append(size)
    compute = runtime(finish(ir.Model(graph, ir_version=8)))
    for height in range(1, 12):
        for width in range(1, 12):
            (found,) = compute({"x": np.zeros((1, 3, height, width), np.float32)})["size"]
            assert found == FORMULAS[formula](height, width)
