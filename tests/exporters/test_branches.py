"""If: the branch that is always taken stands in its place, whatever else both have in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from helpers.gradcheck import numerical_vjp, runtime
from onnx import TensorProto, helper, numpy_helper

from pixelgrad.errors import UnsupportedOperatorError
from pixelgrad.exporters import vjp

X = np.random.default_rng(0).normal(size=(1, 3, 4, 5)).astype(np.float32)


def n(op: str, inputs: str, outputs: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), outputs.split(), **attributes)


def branch(*nodes: onnx.NodeProto, output: str = "z", scale: float = 1.0) -> onnx.GraphProto:
    return helper.make_graph(
        list(nodes),
        "branch",
        [],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(scale, np.float32), "w")],
    )


def has_axes(count: int, name: str) -> list[onnx.NodeProto]:
    """Whether the image has so many axes, as PyTorch's exporter asks."""
    number = helper.make_tensor(f"{name}_n", TensorProto.INT64, [], [count])
    return [
        n("Shape", "x", f"{name}_s"),
        n("Size", f"{name}_s", f"{name}_r"),
        n("Constant", "", f"{name}_n", value=number),
        n("Equal", f"{name}_r {name}_n", name),
    ]


def model(nodes: list[onnx.NodeProto], *extra: onnx.ValueInfoProto) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, "H", "W"]), *extra],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


SINE = (n("Mul", "x w", "inner"), n("Sin", "inner", "z"))
SQUARE = (n("Mul", "x w", "inner"), n("Mul", "inner x", "z"))


def choice(condition: str, output: str, scale: float = 2.0) -> onnx.NodeProto:
    return n("If", condition, output, then_branch=branch(*SINE, scale=scale), else_branch=branch(*SQUARE, scale=scale))


NESTED = branch(choice("yes", "v", 3.0), n("Neg", "v", "z"))
CASES: dict[str, list[onnx.NodeProto]] = {
    "then": [*has_axes(4, "yes"), choice("yes", "a"), n("Exp", "a", "y")],
    "else": [*has_axes(3, "no"), choice("no", "a"), n("Exp", "a", "y")],
    "two of the same names": [
        *has_axes(4, "yes"),
        *has_axes(3, "no"),
        choice("yes", "a"),
        choice("no", "b", 0.5),
        n("Mul", "a b", "y"),
    ],
    "the output itself": [*has_axes(4, "yes"), choice("yes", "y")],
    "one in the other": [*has_axes(4, "yes"), n("If", "yes", "y", then_branch=NESTED, else_branch=branch(*SINE))],
    "a value from outside": [
        *has_axes(4, "yes"),
        n("Tanh", "x", "t"),
        n("If", "yes", "a", then_branch=branch(n("Identity", "t", "z")), else_branch=branch(*SINE)),
        n("Mul", "a t", "y"),
    ],
}


@pytest.mark.parametrize("case", CASES)
def test_the_branch_that_is_taken_has_a_gradient(case: str) -> None:
    proto = model(CASES[case])
    forward, pulled = runtime(proto), vjp(proto)
    onnx.checker.check_model(pulled, full_check=True)
    assert "If" not in {node.op_type for node in pulled.graph.node}
    (y,) = forward({"x": X}).values()
    ct = np.random.default_rng(1).normal(size=y.shape).astype(np.float32)
    found = runtime(pulled)({"x": X, "cotangent_y": ct})
    np.testing.assert_allclose(found["y"], y, rtol=1e-6)
    expected = numerical_vjp(forward, {"x": X}, {"y": ct}, "x", 1e-2)
    np.testing.assert_allclose(found["gradient_x"], expected, rtol=2e-2, atol=2e-2)


def test_what_is_decided_as_it_runs_has_none() -> None:
    flag = helper.make_tensor_value_info("flag", TensorProto.BOOL, [])
    with pytest.raises(UnsupportedOperatorError, match="If"):
        vjp(model([choice("flag", "y")], flag), wrt=["x"])
