"""Models that few exporters write: each is read as it is meant, or refused with a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from helpers.gradcheck import assert_close, numerical_vjp, runtime
from onnx import TensorProto, helper, numpy_helper

from pixelgrad.errors import NetworkError, SettingsError, UnsupportedOperatorError
from pixelgrad.exporters import value_and_gradient, vjp

Array = np.ndarray[Any, Any]
_rng = np.random.default_rng(0)


def f(*shape: int) -> Array:
    return _rng.normal(size=shape).astype(np.float32)


def n(op: str, inputs: str, outputs: str = "y", **attributes: Any) -> onnx.NodeProto:
    names = [[("" if name == "_" else name) for name in part.split()] for part in (inputs, outputs)]
    return helper.make_node(op, *names, **attributes)


def model(
    nodes: Sequence[onnx.NodeProto],
    feeds: Mapping[str, Array],
    weights: Mapping[str, Array] | None = None,
    outputs: Sequence[str] = ("y",),
    *,
    opset: int = 18,
    shapes: Mapping[str, list[Any]] | None = None,
) -> onnx.ModelProto:
    kinds = {name: helper.np_dtype_to_tensor_dtype(value.dtype) for name, value in feeds.items()}
    shapes = {**{name: list(value.shape) for name, value in feeds.items()}, **(shapes or {})}
    graph = helper.make_graph(
        nodes,
        "odd",
        [helper.make_tensor_value_info(name, kind, shapes[name]) for name, kind in kinds.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in (weights or {}).items()],
    )
    imports = [helper.make_opsetid("", opset)]
    return helper.make_model(
        graph, opset_imports=imports, ir_version=max(8, helper.find_min_ir_version_for(imports, True))
    )


def assert_right(proto: onnx.ModelProto, feeds: Mapping[str, Array], wrt: str = "x") -> None:
    forward = runtime(proto)
    cotangents = {name: f(*value.shape) for name, value in forward(feeds).items()}
    given = {f"cotangent_{name}": value for name, value in cotangents.items()}
    found = runtime(vjp(proto, wrt=[wrt]))({**feeds, **given})[f"gradient_{wrt}"]
    assert_close(found, numerical_vjp(forward, feeds, cotangents, wrt, 1e-2), 5e-3, "gradient")


@pytest.mark.parametrize("opset", [18, 19, 21])
@pytest.mark.parametrize("shape", [[1, 2, 5, 6], [1, 2, "H", "W"]], ids=str)
@pytest.mark.parametrize("axes", [None, [-1, 2]])
def test_padding_in_circles(opset: int, shape: list[Any], axes: list[int] | None) -> None:
    x = f(1, 2, 5, 6)
    pads = [0, 0, 1, 2, 0, 0, 5, 0] if axes is None else [2, 1, 0, 5]
    weights = {"p": np.asarray(pads), **({} if axes is None else {"a": np.asarray(axes)})}
    pad = n("Pad", "x p" if axes is None else "x p _ a", "q", mode="wrap")
    proto = model([pad, n("Sin", "q")], {"x": x}, weights, opset=opset, shapes={"x": shape})
    expected = np.sin(np.pad(x, [(0, 0), (0, 0), (1, 5), (2, 0)], mode="wrap"))
    pulled = runtime(vjp(proto))({"x": x, "cotangent_y": np.ones_like(expected)})
    np.testing.assert_allclose(pulled["y"], expected, rtol=1e-5)
    assert_right(proto, {"x": x})


@pytest.mark.parametrize("pads", [[0, 0, 0, 4], [0, -1, 0, 0]], ids=str)
def test_more_than_there_is_cannot_be_padded_in_circles(pads: list[int]) -> None:
    with pytest.raises(NetworkError, match="mode 'wrap' may pad by as much as there is"):
        vjp(model([n("Pad", "x p", mode="wrap")], {"x": f(2, 3)}, {"p": np.asarray(pads)}, opset=19))


def test_a_function_of_another_opset_is_named() -> None:
    function = helper.make_function("own", "F", ["a"], ["b"], [n("Relu", "a", "b")], [helper.make_opsetid("", 17)])
    proto = model([helper.make_node("F", ["x"], ["y"], domain="own")], {"x": f(2)})
    proto.functions.append(function)
    proto.opset_import.append(helper.make_opsetid("own", 1))
    with pytest.raises(NetworkError, match=r"a function of the network cannot be written out: .*own::F"):
        vjp(proto)


@pytest.mark.parametrize("by_axis", [False, True])
@pytest.mark.parametrize("as_weight", [False, True])
def test_sparse_tensors_are_written_out(by_axis: bool, as_weight: bool) -> None:
    places = ([2, 2], [0, 1, 1, 0]) if by_axis else ([2], [1, 3])
    sparse = helper.make_sparse_tensor(
        helper.make_tensor("k", TensorProto.FLOAT, [2], [1.0, 2.0]),
        helper.make_tensor("k_indices", TensorProto.INT64, *places),
        [2, 3],
    )
    product, x, ct = n("Mul", "x k"), f(2, 3), f(2, 3)
    nodes = [product] if as_weight else [helper.make_node("Constant", [], ["k"], sparse_value=sparse), product]
    proto = model(nodes, {"x": x})
    if as_weight:
        proto.graph.sparse_initializer.append(sparse)
    before = proto.SerializeToString()
    found = runtime(vjp(proto))({"x": x, "cotangent_y": ct})
    assert proto.SerializeToString() == before
    np.testing.assert_allclose(found["gradient_x"], ct * np.asarray([[0, 1, 0], [2, 0, 0]], np.float32))


def test_operators_newer_than_opset_18_in_a_branch() -> None:
    def branch(op: str, name: str) -> onnx.GraphProto:
        output = helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 3])
        return helper.make_graph([n(op, "w", name)], name, [], [output])

    chosen = helper.make_node("If", ["c"], ["b"], then_branch=branch("Gelu", "yes"), else_branch=branch("Cos", "no"))
    weights = {"w": f(2, 3), "c": np.asarray(True)}
    assert_right(model([chosen, n("Mul", "b x")], {"x": f(2, 3)}, weights, opset=20), {"x": f(2, 3)})


def test_an_attention_of_which_an_output_in_the_middle_is_left_out() -> None:
    feeds = {"x": f(1, 1, 3, 2)}
    proto = model([n("Attention", "x x x", "y _ _ z")], feeds, outputs=("y", "z"), opset=23)
    assert_right(proto, feeds)


def test_quantisation_on_the_way_has_no_gradient_rule() -> None:
    nodes = [n("QuantizeLinear", "x s z", "q"), n("DequantizeLinear", "q s z")]
    proto = model(nodes, {"x": f(1, 2)}, {"s": np.asarray(0.1, np.float32), "z": np.asarray(0, np.int8)})
    with pytest.raises(UnsupportedOperatorError, match=r"DequantizeLinear .*, QuantizeLinear"):
        vjp(proto)


def test_a_loss_of_whole_numbers_is_refused() -> None:
    proto = model([n("ArgMax", "x", axis=1, keepdims=0)], {"x": f(1, 3)})
    proto.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    with pytest.raises(SettingsError, match="the loss 'y' holds INT64"):
        value_and_gradient(proto, "y", "x")


@pytest.mark.parametrize(
    ("op", "given"),
    [("Tile", [2, 1]), ("Unsqueeze", [1]), ("Unsqueeze", [0, 3]), ("Expand", [2, 3, 4])],
    ids=str,
)
def test_what_is_known_at_run_time_only(op: str, given: list[int]) -> None:
    feeds = {"x": f(3, 4), "given": np.asarray(given)}
    assert_right(model([n(op, "x given", "q"), n("Sin", "q")], feeds), feeds)


@pytest.mark.parametrize("free", [-1, "", None])
def test_sizes_that_are_not_said(free: Any) -> None:
    """Two of them need not be equal."""
    x = f(2, 2, 9, 11)
    nodes = [
        n("Conv", "x w", "a", strides=[2, 2], pads=[1, 1, 1, 1]),
        n("GlobalAveragePool", "a", "g"),
        n("Mul", "a g"),
    ]
    proto = model(nodes, {"x": x}, {"w": f(3, 2, 3, 3)}, shapes={"x": [free, 2, free, free]})
    assert_right(proto, {"x": x})
    shape = vjp(proto).graph.output[0].type.tensor_type.shape.dim
    assert not any(dim.HasField("dim_value") for dim in (shape[0], shape[2], shape[3]))
    assert len({dim.dim_param for dim in (shape[0], shape[2], shape[3])}) == 3
