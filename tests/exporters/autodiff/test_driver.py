"""What the driver does around the rules: uses, outputs, broadcasting, integers, missing rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from helpers.gradcheck import numerical_vjp, runtime
from onnx import TensorProto, helper, numpy_helper

from pixelgrad.errors import SettingsError, UnsupportedOperatorError
from pixelgrad.exporters import value_and_gradient, vjp
from pixelgrad.exporters.autodiff import Emitter, append_value_and_gradient, finish, stop_gradient

_rng = np.random.default_rng(1)


def f(*shape: int) -> np.ndarray[Any, Any]:
    return _rng.normal(size=shape).astype(np.float32)


def n(op: str, inputs: str, outputs: str = "y", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), outputs.split(), **attributes)


def model(
    nodes: list[onnx.NodeProto],
    inputs: Mapping[str, list[Any]],
    outputs: tuple[str, ...] = ("y",),
    weights: Mapping[str, np.ndarray[Any, Any]] | None = None,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(k, TensorProto.FLOAT, v) for k, v in inputs.items()],
        [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs],
        [numpy_helper.from_array(v, k) for k, v in (weights or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def gradient_of(proto: onnx.ModelProto, feeds: dict[str, Any], cotangents: dict[str, Any]) -> dict[str, Any]:
    given = {f"cotangent_{k}": v for k, v in cotangents.items()}
    return runtime(vjp(proto))({**feeds, **given})


def assert_right(proto: onnx.ModelProto, feeds: dict[str, Any], outputs: tuple[str, ...] = ("y",)) -> None:
    forward = runtime(proto)
    cotangents = {k: f(*v.shape) for k, v in forward(feeds).items() if k in outputs}
    gradients = gradient_of(proto, feeds, cotangents)
    for name in feeds:
        expected = numerical_vjp(forward, feeds, cotangents, name, 1e-2)
        np.testing.assert_allclose(gradients[f"gradient_{name}"], expected, rtol=2e-2, atol=2e-3)


def test_a_reduction_s_cotangent_is_added_without_filling_a_tensor() -> None:
    proto = model([n("ReduceMean", "x", "m", axes=[2], keepdims=1), n("Mul", "x m")], {"x": [1, 3, "n"]})
    proto.opset_import[0].version = 17  # where axes are an attribute
    assert_right(proto, {"x": f(1, 3, 7)})
    assert "Expand" not in {node.op_type for node in vjp(proto).graph.node}


def test_a_gradient_can_be_stopped() -> None:
    """x^2 with one of its factors taken for a constant: x, where it would be 2 x."""
    x = ir.Value(name="x", shape=ir.Shape([3]), type=ir.TensorType(ir.DataType.FLOAT))
    graph = ir.Graph([x], [], nodes=[], opset_imports={"": 18}, name="stopped")
    op = Emitter(graph)
    loss = op.ReduceSum(op.Mul(x, stop_gradient(op, x)), keepdims=0)
    loss.name, loss.dtype, loss.shape = "loss", ir.DataType.FLOAT, ir.Shape([])
    append_value_and_gradient(graph, loss, [x])
    written = finish(ir.Model(graph, ir_version=8))
    assert {node.domain for node in written.graph.node} == {""}
    given = np.asarray([1, -2, 3], np.float32)
    found = runtime(written)({"x": given})
    assert found["loss"] == 14
    np.testing.assert_array_equal(found["gradient_x"], given)


def test_several_uses_of_one_tensor_add_up() -> None:
    nodes = [n("Mul", "x x", "a"), n("Tanh", "a", "b"), n("Add", "b a", "c"), n("Mul", "c b")]
    assert_right(model(nodes, {"x": [2, 3]}), {"x": f(2, 3)})


def test_several_outputs_are_pulled_back_together() -> None:
    nodes = [n("Tanh", "x", "a"), n("ReduceSum", "a", "y", keepdims=0), n("Sigmoid", "a", "z")]
    assert_right(model(nodes, {"x": [2, 3]}, ("y", "z")), {"x": f(2, 3)}, ("y", "z"))


def test_one_of_several_outputs() -> None:
    nodes = [n("Split", "x", "y z w", axis=0, num_outputs=3)]
    proto = model(nodes, {"x": [6, 2]}, ("y", "z", "w"))
    pulled = vjp(proto, outputs=["z"])
    assert [i.name for i in pulled.graph.input] == ["x", "cotangent_z"]
    ct = f(2, 2)
    gradient = runtime(pulled)({"x": f(6, 2), "cotangent_z": ct})["gradient_x"]
    np.testing.assert_array_equal(gradient, np.concatenate([np.zeros((2, 2)), ct, np.zeros((2, 2))]))


def test_an_input_without_influence_has_a_zero_gradient() -> None:
    proto = model([n("Sin", "x", "y"), n("Shape", "u", "s"), n("Expand", "z s", "w")], {"x": [2], "u": ["n"], "z": [1]})
    gradients = gradient_of(proto, {"x": f(2), "u": f(5), "z": f(1)}, {"y": f(2)})
    np.testing.assert_array_equal(gradients["gradient_u"], np.zeros(5))
    np.testing.assert_array_equal(gradients["gradient_z"], np.zeros(1))


def test_an_output_that_is_the_input() -> None:
    ct = f(3)
    gradients = gradient_of(model([n("Identity", "x")], {"x": [3]}), {"x": f(3)}, {"y": ct})
    np.testing.assert_array_equal(gradients["gradient_x"], ct)


def test_integer_paths_carry_no_gradient() -> None:
    """The largest element, taken by an index that depends on the input."""
    nodes = [
        n("ArgMax", "x", "i", axis=1, keepdims=1),
        n("GatherElements", "x i", "m", axis=1),
        n("Cast", "i", "j", to=TensorProto.FLOAT),
        n("Mul", "m j"),
    ]
    assert_right(model(nodes, {"x": [3, 4]}), {"x": f(3, 4)})


def test_broadcasting_that_shows_only_at_run_time() -> None:
    proto = model([n("Mul", "a b")], {"a": [2, "p", "q"], "b": ["r", "s"]})
    for shape in ((3, 1), (1, 4), (3, 4), (1, 1)):
        assert_right(proto, {"a": f(2, 3, 4), "b": f(*shape)})


def test_weights_with_a_default_value_are_inputs_too() -> None:
    proto = model([n("Mul", "x w")], {"x": [2], "w": [2]}, weights={"w": np.asarray([2.0, 3.0], np.float32)})
    pulled = vjp(proto, wrt=["x", "w"])
    results = runtime(pulled)({"x": f(2), "cotangent_y": np.ones(2, np.float32)})
    np.testing.assert_array_equal(results["gradient_x"], [2.0, 3.0])


def test_second_derivative() -> None:
    """The gradient graph is made of operators that have rules themselves."""
    nodes = [n("Mul", "x x", "a"), n("Sin", "a", "b"), n("ReduceSum", "b", "loss", keepdims=0)]
    once = value_and_gradient(model(nodes, {"x": [4]}, ("loss",)))
    x, v = f(4), f(4)
    twice = runtime(vjp(once, outputs=["gradient_x"], wrt=["x"]))({"x": x, "cotangent_gradient_x": v})["gradient_x_2"]
    expected = (2 * np.cos(x**2) - 4 * x**2 * np.sin(x**2)) * v
    np.testing.assert_allclose(twice, expected, rtol=1e-4, atol=1e-5)


def test_a_gradient_is_differentiated_with_every_output() -> None:
    """What the first pass named already gets another name."""
    once = vjp(model([n("Exp", "x")], {"x": [3]}))
    x, u, v, w = f(3), f(3), f(3), f(3)
    feeds = {"x": x, "cotangent_y": u, "cotangent_y_2": v, "cotangent_gradient_x": w}
    results = runtime(vjp(once))(feeds)
    np.testing.assert_allclose(results["gradient_x_2"], (v + u * w) * np.exp(x), rtol=1e-5)
    np.testing.assert_allclose(results["gradient_cotangent_y"], w * np.exp(x), rtol=1e-5)


def test_a_transposition_of_all_axes_is_none_of_the_last_two() -> None:
    """Transpose without perm reverses them; a product with it must not be taken for a Gram matrix."""
    proto = model([n("Transpose", "x", "t"), n("MatMul", "x t")], {"x": [3, 3, 3]})
    assert_right(proto, {"x": f(3, 3, 3)})
    proto = model([n("Transpose", "x", "t"), n("MatMul", "z t")], {"x": [2, 3, 4], "z": [4, 5, 3]})
    assert_right(proto, {"x": f(2, 3, 4), "z": f(4, 5, 3)})


@pytest.mark.parametrize("name", ["image height", "p2o.DynamicDimension.0", "?", "lambda", "2x"])
def test_free_sizes_may_have_any_name(name: str) -> None:
    nodes = [n("Relu", "x", "z"), n("ReduceMean", "z", "y", keepdims=0)]
    proto = model(nodes, {"x": [2, name, f"{name}+"]}, ("y",))
    x = np.abs(f(2, 3, 4)) + 1
    gradient = runtime(vjp(proto))({"x": x, "cotangent_y": np.asarray(1, np.float32)})["gradient_x"]
    np.testing.assert_allclose(gradient, np.full((2, 3, 4), 1 / 24), rtol=1e-5)


def test_value_and_gradient_keeps_the_models_outputs() -> None:
    nodes = [n("Mul", "x x", "sq"), n("ReduceSum", "sq", "loss", keepdims=0)]
    proto = value_and_gradient(model(nodes, {"x": [3]}, ("sq", "loss")), loss="loss", wrt="x")
    assert [o.name for o in proto.graph.output] == ["sq", "loss", "gradient_x"]
    x = f(3)
    results = runtime(proto)({"x": x})
    np.testing.assert_allclose(results["loss"], (x**2).sum(), rtol=1e-6)
    np.testing.assert_allclose(results["gradient_x"], 2 * x, rtol=1e-6)


def test_value_and_gradient_of_an_inner_tensor() -> None:
    nodes = [n("ReduceSum", "x", "inner", keepdims=0), n("Exp", "inner")]
    proto = value_and_gradient(model(nodes, {"x": [3]}), loss="inner")
    np.testing.assert_array_equal(runtime(proto)({"x": f(3)})["gradient_x"], np.ones(3))


def test_the_loss_must_be_one_scalar_that_is_there() -> None:
    proto = model([n("Neg", "x"), n("Exp", "x", "z")], {"x": [3]}, ("y", "z"))
    with pytest.raises(SettingsError, match=r"several outputs \(y, z\)"):
        value_and_gradient(proto)
    with pytest.raises(SettingsError, match=r"shape .*only a scalar"):
        value_and_gradient(proto, loss="y")
    with pytest.raises(SettingsError, match="no tensor 'losss'"):
        value_and_gradient(proto, loss="losss")
    with pytest.raises(SettingsError, match=r"no input 'image'; it has 'x'"):
        vjp(proto, wrt=["image"])


def test_every_missing_rule_is_listed_at_once() -> None:
    nodes = [n("Unique", "x", "a"), n("Det", "x", "b"), n("Unique", "a", "c"), n("Add", "b c")]
    with pytest.raises(
        UnsupportedOperatorError, match=r"2 operators.*Det \(at tensor 'b'.*Unique \(at tensor 'a'"
    ) as e:
        vjp(model(nodes, {"x": [2, 2]}))
    assert e.value.operators == ("Det", "Unique")


def test_missing_rules_off_the_path_do_not_matter() -> None:
    nodes = [n("Det", "w", "d"), n("Mul", "x d")]
    assert_right(model(nodes, {"x": [2]}, weights={"w": f(2, 2)}), {"x": f(2)})


def test_rules_can_be_laid_over_the_table() -> None:
    """Guided backpropagation (Springenberg et al. 2014): only positive gradients pass a ReLU."""

    def guided(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
        return op.Mul(op.Relu(ct), op.positive(node.outputs[0]))

    proto = model([n("Relu", "x")], {"x": [4]})
    feeds = {
        "x": np.asarray([1, 1, -1, -1], np.float32),
        "cotangent_y": np.asarray([2, -2, 2, -2], np.float32),
    }
    np.testing.assert_array_equal(runtime(vjp(proto))(feeds)["gradient_x"], [2, -2, 0, 0])
    np.testing.assert_array_equal(runtime(vjp(proto, rules={"Relu": guided}))(feeds)["gradient_x"], [2, 0, 0, 0])


def test_a_function_can_bring_its_own_rule() -> None:
    """A closed form for a composite: log(1 + exp x) differentiates to a sigmoid, in one operator."""
    body = [
        n("Exp", "a", "e"),
        n("Constant", "", "one", value_float=1.0),
        n("Add", "e one", "s"),
        n("Log", "s", "b"),
    ]
    function = helper.make_function("mine", "Softplus", ["a"], ["b"], body, [helper.make_opsetid("", 18)])
    proto = model([helper.make_node("Softplus", ["x"], ["y"], domain="mine")], {"x": [3]})
    proto.functions.append(function)
    proto.opset_import.append(helper.make_opsetid("mine", 1))
    rules = {"mine.Softplus": lambda op, node, ct: op.Mul(ct, op.Sigmoid(node.inputs[0]))}
    pulled = vjp(proto, rules=rules)
    assert sorted({node.op_type for node in pulled.graph.node}) == [
        *("Add", "Constant", "Exp", "Log", "Mul", "Sigmoid")
    ]
    x, ct = f(3), f(3)
    results = runtime(pulled)({"x": x, "cotangent_y": ct})
    np.testing.assert_allclose(results["gradient_x"], ct / (1 + np.exp(-x)), rtol=1e-5)


def test_float16_and_float64_models() -> None:
    for kind, dtype in ((TensorProto.FLOAT16, np.float16), (TensorProto.DOUBLE, np.float64)):
        graph = helper.make_graph(
            [n("Relu", "x", "r"), n("Mul", "r r")],
            "g",
            [helper.make_tensor_value_info("x", kind, [4])],
            [helper.make_tensor_value_info("y", kind, None)],
        )
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
        x = np.asarray([-1, 0.5, 2, -3], dtype)
        gradient = runtime(vjp(proto))({"x": x, "cotangent_y": np.ones(4, dtype)})["gradient_x"]
        assert gradient.dtype == dtype
        np.testing.assert_array_equal(gradient, np.asarray([0, 1, 4, 0], dtype))


def test_weights_are_written_once() -> None:
    """The flipped kernel of the backward convolution is an expression, not a second copy."""
    weight = f(64, 64, 3, 3)
    proto = model([n("Conv", "x w", pads=[1, 1, 1, 1])], {"x": [1, 64, "H", "W"]}, weights={"w": weight})
    pulled = vjp(proto, wrt=["x"])
    assert sum(len(t.raw_data) for t in pulled.graph.initializer) < weight.nbytes + 1000


@pytest.mark.parametrize("size", [6, 13])
@pytest.mark.parametrize(("start", "end"), [(0, 10), (3, 10), (0, 1)])
def test_a_slice_that_may_reach_beyond_a_free_axis(size: int, start: int, end: int) -> None:
    """Of how many elements shows at run time, and the gradient of what the slice is joined to depends on it."""
    weights = {"s": np.asarray([start]), "e": np.asarray([end]), "a": np.asarray([1])}
    nodes = [n("Slice", "x s e a", "t"), n("Concat", "t x", "c", axis=1), n("Sin", "c")]
    proto = model(nodes, {"x": [2, "n"]}, ("y", "t"), weights)
    assert_right(proto, {"x": f(2, size)}, ("y", "t"))
    if end > 1:
        (length,) = (o for o in vjp(proto).graph.output if o.name == "t")
        assert not length.type.tensor_type.shape.dim[1].HasField("dim_value")


@pytest.mark.parametrize("shape", [[2, 3], ["a", "b"]], ids=str)
def test_a_slice_of_nothing(shape: list[Any]) -> None:
    weights = {"s": np.asarray([0]), "e": np.asarray([0]), "a": np.asarray([1])}
    proto = model([n("Slice", "x s e a", "t"), n("Concat", "t x", axis=1)], {"x": shape}, weights=weights)
    assert_right(proto, {"x": f(2, 3)})


def test_a_split_by_sizes_known_at_run_time_only() -> None:
    proto = model([n("Split", "x s", "a b", axis=1), n("Sin", "a", "y")], {"x": [3, 4]})
    proto.graph.input.append(helper.make_tensor_value_info("s", TensorProto.INT64, [2]))
    forward, x, sizes = runtime(proto), f(3, 4), np.asarray([1, 3])
    pulled = vjp(proto, wrt=["x"])
    dims = pulled.graph.output[0].type.tensor_type.shape.dim
    assert not dims[1].HasField("dim_value")
    ct = f(3, 1)
    found = runtime(pulled)({"x": x, "s": sizes, "cotangent_y": ct})["gradient_x"]
    np.testing.assert_allclose(found, np.pad(ct * np.cos(x[:, :1]), [(0, 0), (0, 3)]), rtol=1e-5)
    assert forward({"x": x, "s": sizes})["y"].shape == (3, 1)


@pytest.mark.parametrize("mode", ["linear", "nearest", "cubic"])
@pytest.mark.parametrize("coordinates", ["half_pixel", "asymmetric", "align_corners"])
@pytest.mark.parametrize("width", [1.0, 1.4])
def test_a_factor_by_which_an_axis_does_not_grow(mode: str, coordinates: str, width: float) -> None:
    """1.05 times 7 is 7, and yet each line lies elsewhere; ONNX Runtime copies only where all axes stay as they are."""
    resize = n("Resize", "x _ k", mode=mode, coordinate_transformation_mode=coordinates)
    resize.input[1] = ""
    proto = model([resize], {"x": [1, 1, 7, 9]}, weights={"k": np.asarray([1, 1, 1.05, width], np.float32)})
    assert_right(proto, {"x": f(1, 1, 7, 9)})
