"""Assignments to a part of a tensor become the Concat that they are, and other scattering stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from helpers.gradcheck import runtime
from onnx import TensorProto, helper, numpy_helper
from onnx_ir.passes.common import RemoveUnusedNodesPass

from pixelgrad.exporters import vjp
from pixelgrad.exporters.opset18 import from_opset18, to_opset18

X = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
END = np.iinfo(np.int64).max


def node(operator: str, inputs: str, output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(operator, inputs.split(), [output], **attributes)


def model(nodes: list[onnx.NodeProto], weights: dict[str, Any], written: tuple[int, ...]) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "assignment",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["A", "B", "C"]),
            helper.make_tensor_value_info(
                "u", TensorProto.FLOAT, [size or name for size, name in zip(written, "ABC", strict=True)]
            ),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def by_ranges(bounds: list[tuple[int, int] | None]) -> tuple[list[onnx.NodeProto], dict[str, Any]]:
    """Indices as PyTorch's older exporter writes them: a range of each axis, laid along it and expanded."""
    nodes = [node("Shape", "u", "grid_of_all"), node("Slice", "grid_of_all zero depth", "grid")]
    weights: dict[str, Any] = {
        "zero": [0],
        "depth": [len(bounds)],
        "nought": 0,
        "one": 1,
        "last": [-1],
        "empty": np.zeros(0, np.int64),
    }
    for axis, bound in enumerate(bounds):
        weights |= {f"at{axis}": [axis], f"shape{axis}": [-1, *[1] * (len(bounds) - axis - 1)]}
        nodes += [
            node("Shape", "x", f"sizes{axis}"),
            node("Gather", f"sizes{axis} at{axis}", f"size_{axis}"),
            node("Reshape", f"size_{axis} empty", f"size{axis}"),
            node("Range", f"nought size{axis} one", f"every{axis}"),
        ]
        if bound is not None:
            weights |= {f"start{axis}": [bound[0]], f"end{axis}": [bound[1]]}
            nodes.append(node("Slice", f"every{axis} start{axis} end{axis} zero", f"some{axis}"))
        source = f"{'every' if bound is None else 'some'}{axis}"
        nodes += [
            node("Reshape", f"{source} shape{axis}", f"laid{axis}"),
            node("Expand", f"laid{axis} grid", f"spread{axis}"),
            node("Unsqueeze", f"spread{axis} last", f"number{axis}"),
        ]
    numbers = " ".join(f"number{axis}" for axis in range(len(bounds)))
    nodes += [node("Concat", numbers, "i", axis=-1), node("ScatterND", "x i u", "y")]
    return nodes, weights


def run(proto: onnx.ModelProto, updates: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], list[str]]:
    converted = to_opset18(proto, primitives=())
    RemoveUnusedNodesPass()(converted)
    written = from_opset18(converted)
    return runtime(written)({"x": X, "u": updates})["y"], [n.op_type for n in written.graph.node]


@pytest.mark.parametrize(
    ("bounds", "place"),
    [
        ([None, None, None], np.s_[:, :, :]),
        ([None, (1, END)], np.s_[:, 1:]),
        ([(1, 2), None, (2, 4)], np.s_[1:2, :, 2:4]),
        ([(0, 2), (1, -1), (3, END)], np.s_[:2, 1:-1, 3:]),
        ([(1, 3)], np.s_[1:3]),
    ],
)
def test_ranges(bounds: list[tuple[int, int] | None], place: Any) -> None:
    expected = X.copy()
    expected[place] = np.random.default_rng(1).normal(size=expected[place].shape)
    nodes, weights = by_ranges(bounds)
    cut = [None if place_ == slice(None) else 1 for place_ in place] if isinstance(place, tuple) else [1]
    written = tuple(expected[place].shape[axis] if axis < len(cut) and cut[axis] else 0 for axis in range(3))
    found, operators = run(model(nodes, weights, written), expected[place].copy())
    np.testing.assert_array_equal(found, expected)
    assert "ScatterND" not in operators
    assert operators.count("Concat") == sum(bound is not None for bound in bounds)


def test_constants() -> None:
    indices = np.stack(np.indices((2, 3)), axis=-1) + np.asarray([1, 0])
    expected = X.copy()
    expected[1:3, 0:3] = np.arange(30).reshape(2, 3, 5)
    found, operators = run(
        model([node("ScatterND", "x i u", "y")], {"i": indices}, (2, 3, 0)), expected[1:3, 0:3].copy()
    )
    np.testing.assert_array_equal(found, expected)
    assert "ScatterND" not in operators


@pytest.mark.parametrize(
    "indices",
    [
        [[2], [1]],  # turned round
        [[0], [2]],  # with a gap
        [[-1], [0]],
    ],
)
def test_what_is_no_block_stays(indices: list[list[int]]) -> None:
    updates = np.arange(40, dtype=np.float32).reshape(2, 4, 5)
    expected = X.copy()
    expected[np.asarray(indices)[:, 0]] = updates
    found, operators = run(model([node("ScatterND", "x i u", "y")], {"i": indices}, (2, 0, 0)), updates)
    np.testing.assert_array_equal(found, expected)
    assert "ScatterND" in operators


def test_sums_stay() -> None:
    found, operators = run(
        model([node("ScatterND", "x i u", "y", reduction="add")], {"i": [[0], [1]]}, (2, 0, 0)), X[:2].copy()
    )
    np.testing.assert_array_equal(found, np.concatenate([2 * X[:2], X[2:]]))
    assert "ScatterND" in operators


def test_gradient() -> None:
    """Nothing goes back to what was written over, and all to what was written."""
    nodes, weights = by_ranges([None, (1, 3)])
    pulled = vjp(model(nodes, weights, (0, 2, 0)))
    ct = np.random.default_rng(2).normal(size=X.shape).astype(np.float32)
    found = runtime(pulled)({"x": X, "u": X[:, :2].copy(), "cotangent_y": ct})
    to_x = ct.copy()
    to_x[:, 1:3] = 0
    np.testing.assert_array_equal(found["gradient_x"], to_x)
    np.testing.assert_array_equal(found["gradient_u"], ct[:, 1:3])
