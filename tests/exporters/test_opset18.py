"""Models of every age become opset 18 and compute what they did."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from helpers.gradcheck import runtime
from helpers.running import run
from onnx import TensorProto, helper, numpy_helper

from pixelgrad.errors import NetworkError
from pixelgrad.exporters import load_network
from pixelgrad.exporters.autodiff import NON_DIFFERENTIABLE, RULES
from pixelgrad.exporters.opset18 import from_opset18
from pixelgrad.exporters.opset18 import to_opset18 as to_opset18_of
from pixelgrad.exporters.opset18.shapes import is_at_least, same_dim

_rng = np.random.default_rng(0)
X = _rng.normal(size=(1, 3, 8, 8)).astype(np.float32)
Array = np.ndarray[Any, Any]


def f(*shape: int) -> Array:
    return _rng.normal(size=shape).astype(np.float32)


def model(
    nodes: list[onnx.NodeProto],
    weights: Mapping[str, Array],
    opset: int,
    free: bool = True,
    outputs: tuple[str, ...] = ("y",),
) -> onnx.ModelProto:
    tensors = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, "H", "W"] if free else [1, 3, 8, 8])]
    old = opset < 9  # before IR 4 a weight had to be an input as well
    if old:
        inputs += [helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in tensors]
    graph = helper.make_graph(
        nodes,
        "g",
        inputs,
        [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs],
        tensors,
    )
    imports = [helper.make_opsetid("", opset)]
    ir_version = 3 if old else max(4, helper.find_min_ir_version_for(imports, True))
    return helper.make_model(graph, opset_imports=imports, ir_version=ir_version)


def to_opset18(proto: onnx.ModelProto) -> ir.Model:
    return to_opset18_of(proto, primitives=RULES.keys() | NON_DIFFERENTIABLE)


def convert(proto: onnx.ModelProto) -> onnx.ModelProto:
    converted = from_opset18(to_opset18(proto))
    assert [(o.domain, o.version) for o in converted.opset_import] == [("", 18)]
    assert converted.ir_version == 8
    return converted


def n(op: str, inputs: str, outputs: str = "y", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), outputs.split(), **attributes)


STATISTICS = {"s": f(3), "b": f(3), "m": f(3), "v": np.abs(f(3)) + 0.5}

# What ONNX Runtime still runs in its old form: the two forms must agree to the bit.
OLD: list[tuple[str, list[onnx.NodeProto], int, dict[str, Array]]] = [
    ("clip-6", [n("Clip", "x", min=-0.5, max=0.7)], 6, {}),
    ("clip-one-sided", [n("Clip", "x", max=0.7)], 7, {}),
    ("pad-2", [n("Pad", "x", pads=[0, 0, 1, 1, 0, 0, 2, 2], mode="reflect")], 2, {}),
    ("pad-10-value", [n("Pad", "x", pads=[0, 0, 1, 1, 0, 0, 2, 2], value=1.5)], 10, {}),
    ("upsample-7", [n("Upsample", "x", scales=[1.0, 1.0, 2.0, 2.0], mode="nearest")], 7, {}),
    ("upsample-9", [n("Upsample", "x k", mode="linear")], 9, {"k": np.asarray([1, 1, 2, 2], np.float32)}),
    ("resize-10", [n("Resize", "x k", mode="nearest")], 10, {"k": np.asarray([1, 1, 2, 2], np.float32)}),
    ("slice-1", [n("Slice", "x", starts=[1, 1], ends=[-1, 5], axes=[2, 3])], 1, {}),
    ("slice-no-axes", [n("Slice", "x", starts=[0, 1], ends=[1, 3])], 9, {}),
    ("split-2", [n("Split", "x", "y z", axis=1, split=[1, 2])], 2, {}),
    ("split-even", [n("Concat", "x x", "c", axis=1), n("Split", "c", "y z", axis=1)], 11, {}),
    ("squeeze", [n("Unsqueeze", "x", "u", axes=[0, 3]), n("Squeeze", "u", axes=[0])], 7, {}),
    ("reduce-mean", [n("ReduceMean", "x", axes=[2, 3], keepdims=1)], 7, {}),
    ("reduce-sum", [n("ReduceSum", "x", axes=[2, 3], keepdims=0)], 11, {}),
    ("softmax-9", [n("Softmax", "x", axis=1)], 9, {}),
    ("softmax-last", [n("Softmax", "x", axis=3)], 9, {}),
    ("softmax-behind-sum", [n("Sum", "w x", "s"), n("Softmax", "s", axis=1)], 12, {"w": f(8, 8)}),
    (
        "softmax-behind-gather",
        [n("Gather", "x i", "g", axis=2), n("Softmax", "g", axis=3)],
        12,
        {"i": np.eye(2, 3, dtype=np.int64)},
    ),
    ("log-softmax-9", [n("LogSoftmax", "x")], 9, {}),
    ("dropout-7", [n("Dropout", "x", ratio=0.3)], 7, {}),
    ("dropout-10", [n("Dropout", "x", "y mask", ratio=0.3)], 10, {}),
    ("batch-normalization-7", [n("BatchNormalization", "x s b m v")], 7, STATISTICS),
    ("batch-normalization-9", [n("BatchNormalization", "x s b m v", epsilon=1e-3)], 9, STATISTICS),
    ("p-relu-7", [n("PRelu", "x s")], 7, {"s": f(3, 1, 1)}),
    ("sum-6", [n("Sum", "x x")], 6, {}),
    ("reshape-5", [n("Reshape", "x s")], 5, {"s": np.asarray([0, -1])}),
    ("lp-pool-2", [n("LpPool", "x", kernel_shape=[2, 2])], 2, {}),
    ("top-k-1", [n("TopK", "x", "y i", k=2, axis=3)], 1, {}),
    ("consumed-inputs", [n("Relu", "x", "r"), n("Sigmoid", "r")], 6, {}),
]


@pytest.mark.parametrize(("name", "nodes", "opset", "weights"), OLD, ids=[row[0] for row in OLD])
def test_old_forms_compute_the_same(
    name: str, nodes: list[onnx.NodeProto], opset: int, weights: dict[str, Array]
) -> None:
    outputs = ("y", "z") if "z" in nodes[-1].output else ("y",)
    proto = model(nodes, weights, opset, outputs=outputs)
    for free in (True, False):
        proto = model(nodes, weights, opset, free=free, outputs=outputs)
        before, after = runtime(proto)({"x": X}), runtime(convert(proto))({"x": X})
        for key, expected in before.items():
            np.testing.assert_array_equal(after[key], expected)


W, G, GB, BIAS, SLOPE = f(4, 3, 3, 3), f(5, 256), f(5), f(4), f(3)


def _channels(vector: Array) -> Array:
    return vector.reshape(1, -1, 1, 1)


# What ONNX Runtime no longer runs, against NumPy.
OLDEST: list[tuple[str, list[onnx.NodeProto], int, dict[str, Array], Callable[[Array], Array]]] = [
    ("add-axis", [n("Add", "x b", broadcast=1, axis=1)], 6, {"b": SLOPE}, lambda x: x + _channels(SLOPE)),
    ("mul-suffix", [n("Mul", "x b", broadcast=1)], 6, {"b": X[0, 0, 0]}, lambda x: x * X[0, 0, 0]),
    ("pow-1", [n("Pow", "x b", broadcast=1)], 6, {"b": np.asarray([2.0], np.float32)}, lambda x: x**2),
    ("p-relu-6", [n("PRelu", "x s")], 6, {"s": SLOPE}, lambda x: np.where(x > 0, x, _channels(SLOPE) * x)),
    ("cast-3", [n("Cast", "x", to="FLOAT")], 3, {}, lambda x: x),
    ("concat-3", [n("Concat", "x x")], 3, {}, lambda x: np.concatenate([x, x], axis=1)),
    (
        "hard-sigmoid-1",
        [n("HardSigmoid", "x", alpha=0.3, beta=0.4, consumed_inputs=[0])],
        1,
        {},
        lambda x: np.clip(0.3 * x + 0.4, 0, 1),
    ),
    (
        "batch-normalization-3",
        [n("BatchNormalization", "x s b m v", consumed_inputs=[0, 0, 0, 1, 1], is_test=1, epsilon=1e-3)],
        3,
        STATISTICS,
        lambda x: (
            (x - _channels(STATISTICS["m"])) / np.sqrt(_channels(STATISTICS["v"]) + 1e-3) * _channels(STATISTICS["s"])
            + _channels(STATISTICS["b"])
        ),
    ),
    (
        "batch-normalization-17-left-in-training",
        [n("BatchNormalization", "x s b m v", "y new_mean new_variance", training_mode=1, epsilon=1e-3)],
        17,
        STATISTICS,
        lambda x: (
            (x - _channels(STATISTICS["m"])) / np.sqrt(_channels(STATISTICS["v"]) + 1e-3) * _channels(STATISTICS["s"])
            + _channels(STATISTICS["b"])
        ),
    ),
    (
        "image-scaler",
        [n("ImageScaler", "x", scale=2.0, bias=[1.0, 2.0, 3.0])],
        3,
        {},
        lambda x: 2 * x + _channels(np.asarray([1.0, 2.0, 3.0])),
    ),
    (
        "classifier-3",
        [
            n("Relu", "x", "r", consumed_inputs=[0]),
            n("Add", "r b", "a", broadcast=1, axis=1),
            n("MaxPool", "a", "p", kernel_shape=[2, 2], strides=[2, 2]),
            n("Dropout", "p", "d mask", is_test=1, ratio=0.5),
            n("Reshape", "d", "re", shape=[1, 48]),
            n("Gemm", "re g gb", broadcast=1, transB=1),
        ],
        3,
        {"b": SLOPE, "g": G[:, :48].copy(), "gb": GB},
        lambda x: (
            (np.maximum(x, 0) + _channels(SLOPE)).reshape(1, 3, 4, 2, 4, 2).max((3, 5)).reshape(1, 48) @ G[:, :48].T
            + GB
        ),
    ),
]


@pytest.mark.parametrize(("name", "nodes", "opset", "weights", "expected"), OLDEST, ids=[row[0] for row in OLDEST])
def test_oldest_forms_compute_what_they_say(
    name: str,
    nodes: list[onnx.NodeProto],
    opset: int,
    weights: dict[str, Array],
    expected: Callable[[Array], Array],
) -> None:
    result = runtime(convert(model(nodes, weights, opset)))({"x": X})["y"]
    np.testing.assert_allclose(result, expected(X), rtol=1e-5, atol=1e-5)


NEW: list[tuple[str, list[onnx.NodeProto], int, dict[str, Array]]] = [
    ("gelu", [n("Gelu", "x")], 20, {}),
    ("gelu-tanh", [n("Gelu", "x", approximate="tanh")], 20, {}),
    (
        "group-normalization",
        [n("Concat", "x x", "c", axis=1), n("GroupNormalization", "c s b", num_groups=2)],
        21,
        {"s": f(6), "b": f(6)},
    ),
    ("average-pool", [n("AveragePool", "x", kernel_shape=[2, 2], dilations=[1, 1], strides=[2, 2])], 22, {}),
    ("max-pool", [n("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)], 22, {}),
    ("cast", [n("Cast", "x", to=TensorProto.FLOAT, saturate=1)], 23, {}),
    ("pad", [n("Pad", "x p", mode="edge")], 21, {"p": np.asarray([0, 0, 1, 1, 0, 0, 2, 2])}),
    ("resize", [n("Resize", "x  k", mode="linear")], 19, {"k": np.asarray([1, 1, 2, 2], np.float32)}),
    ("rms-normalization", [n("RMSNormalization", "x s", axis=-1)], 23, {"s": f(8)}),
    ("layer-normalization", [n("LayerNormalization", "x s b", axis=-1)], 17, {"s": f(8), "b": f(8)}),
    ("mish", [n("Mish", "x")], 18, {}),
    ("celu", [n("Celu", "x", alpha=0.7)], 12, {}),
    ("swish", [n("Swish", "x", alpha=1.5)], 24, {}),
]


@pytest.mark.parametrize(("name", "nodes", "opset", "weights"), NEW, ids=[row[0] for row in NEW])
def test_new_forms_compute_the_same(
    name: str, nodes: list[onnx.NodeProto], opset: int, weights: dict[str, Array]
) -> None:
    if name == "resize":
        nodes = [helper.make_node("Resize", ["x", "", "k"], ["y"], mode="linear")]
    proto = model(nodes, weights, opset)
    before, after = runtime(proto)({"x": X}), runtime(convert(proto))({"x": X})
    np.testing.assert_allclose(after["y"], before["y"], rtol=2e-6, atol=2e-6)


REFUSED: list[tuple[str, list[onnx.NodeProto], int, dict[str, Array]]] = [
    ("dilations", [n("AveragePool", "x", kernel_shape=[2, 2], dilations=[2, 2])], 19, {}),
    ("spatial=0", [n("BatchNormalization", "x s b m v", spatial=0)], 7, STATISTICS),
]


@pytest.mark.parametrize(("what", "nodes", "opset", "weights"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_has_no_older_form_is_named(
    what: str, nodes: list[onnx.NodeProto], opset: int, weights: dict[str, Array]
) -> None:
    with pytest.raises(NetworkError, match=rf"{nodes[0].op_type} \(at tensor 'y', opset {opset}\).*{what}"):
        to_opset18(model(nodes, weights, opset))


def test_foreign_operators_are_named() -> None:
    node = helper.make_node("FusedConv", ["x", "w"], ["y"], domain="com.microsoft")
    proto = model([node], {"w": W}, 13)
    proto.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    with pytest.raises(NetworkError, match=r"outside the ONNX standard: com\.microsoft\.FusedConv"):
        convert(proto)


def test_model_functions_are_inlined() -> None:
    function = helper.make_function(
        "local", "Twice", ["a"], ["b"], [n("Add", "a a", "b")], [helper.make_opsetid("", 18)]
    )
    proto = model([helper.make_node("Twice", ["x"], ["y"], domain="local")], {}, 18)
    proto.functions.append(function)
    proto.opset_import.append(helper.make_opsetid("local", 1))
    np.testing.assert_array_equal(runtime(convert(proto))({"x": X})["y"], 2 * X)


def test_the_runtime_multiplies_what_was_transposed_by_a_vector_as_it_should() -> None:
    """ONNX Runtime 1.32 does not by itself; see opset18/vectors.py."""
    nodes = [
        n("Reshape", "x s", "rows"),
        n("Transpose", "rows", "columns", perm=[0, 2, 1]),
        n("MatMul", "columns v", "y"),
    ]
    vector = f(3)
    converted = to_opset18(model(nodes, {"s": np.int64([1, 3, 64]), "v": vector}, 18, free=False))
    found = runtime(from_opset18(converted))({"x": X})["y"]
    np.testing.assert_allclose(found, X.reshape(1, 3, 64).transpose(0, 2, 1) @ vector, atol=1e-5)


def test_shapes_are_formulas_of_the_free_sizes() -> None:
    nodes = [
        n("Conv", "x w", "c", strides=[2, 2], pads=[1, 1, 1, 1]),
        n("MaxPool", "c", "p", kernel_shape=[2, 2], strides=[2, 2]),
        n("Relu", "p"),
    ]
    converted = to_opset18(model(nodes, {"w": W}, 18))
    height = converted.graph.outputs[0].shape[2]  # type: ignore[index]
    for size in (17, 18, 32, 33):
        expected = runtime(from_opset18(converted))({"x": np.zeros((1, 3, size, size), np.float32)})["y"].shape[2]
        assert height.evaluate({"H": size}) == expected  # type: ignore[union-attr]


def test_a_window_that_would_start_beyond_the_input_is_dropped() -> None:
    nodes = [n("MaxPool", "x", kernel_shape=[1, 1], strides=[3, 3], ceil_mode=1)]
    converted = to_opset18(model(nodes, {}, 18, free=False))
    assert converted.graph.outputs[0].shape.numpy() == (1, 3, 3, 3)  # type: ignore[union-attr]


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool", "AveragePool-including", "LpPool"])
@pytest.mark.parametrize(
    "window",
    [
        {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [0, 0, 1, 1]},
        {"kernel_shape": [3, 3], "strides": [3, 3], "pads": [1, 1, 1, 1]},
        {"kernel_shape": [1, 1], "strides": [3, 3]},  # the last window ends before the input does
        {"kernel_shape": [2, 3], "strides": [2, 2], "pads": [0, 0, 1, 0]},  # the last one hangs over along the width
    ],
)
def test_what_follows_a_dropped_window_fits(op: str, window: dict[str, Any]) -> None:
    """Opset 18's own shape inference, and so a session, counts the window."""
    including = {"count_include_pad": 1} if op.endswith("including") else {}
    pool = n(op.partition("-")[0], "x", "p", ceil_mode=1, **window, **including)
    expected = runtime(model([pool], {}, 22, outputs=("p",)))({"x": X})["p"]
    weights = {"w": f(expected[0].size, 5)}
    nodes = [pool, n("Flatten", "p", "f"), n("Gemm", "f w")]
    converted = convert(model(nodes, weights, 22, free=False))
    del converted.graph.value_info[:]  # no help from what we say that the shapes are
    found = runtime(converted)({"x": X})["y"]
    np.testing.assert_allclose(found, expected.reshape(1, -1) @ weights["w"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [7, 8, 9, 10, 11])
@pytest.mark.parametrize(
    "window",
    [
        {"kernel_shape": [3, 3], "strides": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1},
        {"kernel_shape": [1, 1], "strides": [3, 3]},
    ],
)
def test_a_network_of_one_size_keeps_its_windows_at_others(window: dict[str, Any], size: int, tmp_path: Path) -> None:
    pool = n("AveragePool", "x", "y", ceil_mode=1, **window)
    onnx.save(model([n("Relu", "x", "r"), pool], {}, 22, free=False), tmp_path / "net.onnx")
    network = load_network(tmp_path / "net.onnx", preprocess="rgb")
    image = np.random.default_rng(0).random((1, 3, size, size), dtype=np.float32)
    expected = runtime(model([n("Relu", "x", "r"), pool], {}, 22))({"x": image})["y"]
    np.testing.assert_allclose(run(network, image, "y"), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("H", "H", True),
        ("2*floor(H/2)", "H", False),
        ("4*floor(floor(H/2)/4)", "floor(H/2)", False),
        ("H", "W", False),
        ("2*(H + W) - H", "H + 2*W", True),
        ("16*floor(H/16 + 15/16)", "2*floor(8*floor(H/16 + 15/16))", True),
        # Equal at nearly every size.
        ("floor(H/100000)", "floor((H + 1)/100000)", False),
    ],
)
def test_dimensions_are_equal_only_where_that_is_proven(one: str, other: str, equal: bool) -> None:
    assert same_dim(ir.SymbolicDim(one), ir.SymbolicDim(other)) is equal
    assert same_dim(ir.SymbolicDim(other), ir.SymbolicDim(one)) is equal


@pytest.mark.parametrize("kind", [np.float16, np.float64])
@pytest.mark.parametrize(
    "node",
    [
        n("Clip", "r", min=0.0, max=6.0),
        n("Pad", "r", pads=[0, 0, 1, 1, 0, 0, 1, 1], value=2.0),
        n("Affine", "r", alpha=2.0, beta=1.0),
        n("ImageScaler", "r", scale=2.0, bias=[1.0, 2.0, 3.0]),
    ],
    ids=lambda node: str(node.op_type),
)
@pytest.mark.parametrize("before", [n("Abs", "x", "r"), n("Cast", "x", "r", to=1)], ids=lambda node: str(node.op_type))
def test_numbers_of_old_forms_have_the_type_of_the_data(
    kind: type, node: onnx.NodeProto, before: onnx.NodeProto
) -> None:
    old = model([before, node], {}, 9)
    converted_to = np.float32 if before.op_type == "Cast" else kind
    for value, dtype in ((old.graph.input[0], kind), (old.graph.output[0], converted_to)):
        value.type.tensor_type.elem_type = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    result = runtime(convert(old))({"x": X.astype(kind)})["y"]
    assert result.dtype == converted_to
    r = np.abs(X) if before.op_type == "Abs" else X
    expected = {
        "Clip": np.clip(r, 0, 6),
        "Pad": np.pad(r, [(0, 0), (0, 0), (1, 1), (1, 1)], constant_values=2),
        "Affine": 2 * r + 1,
        "ImageScaler": 2 * r + np.float32([1, 2, 3]).reshape(3, 1, 1),
    }[node.op_type]
    np.testing.assert_allclose(result, expected, rtol=2e-3, atol=2e-3)


def test_an_axis_of_a_cumulative_sum_may_be_a_list_of_one() -> None:
    """As PyTorch's older exporter writes a diagonal; ONNX's reference, which folds what is known, wants a number."""
    nodes = [n("CumSum", "ones axis", "places"), n("Gather", "x places", axis=1)]
    weights = {"ones": np.asarray([1, 1]), "axis": np.asarray([0])}
    found = runtime(convert(model(nodes, weights, 17)))({"x": X})["y"]
    np.testing.assert_array_equal(found, X[:, [1, 2]])


@pytest.mark.parametrize("size", [3, 8, 9])
def test_quotients_of_sizes_are_rounded_towards_zero(size: int) -> None:
    """(4 - 9) / 2 is -2 in ONNX Runtime, and so that many elements are left."""
    nodes = [
        n("Shape", "x", "h", start=2, end=3),
        n("Sub", "four h", "left"),
        n("Div", "left two", "half"),
        n("Slice", "x half end two one", "y"),
    ]
    weights = {"four": 4, "two": 2, "end": 2**62, "one": 1}
    proto = model(nodes, {name: np.asarray([value]) for name, value in weights.items()}, 18, free=False)
    proto.graph.input[0].type.tensor_type.shape.dim[2].dim_value = size
    x = np.zeros((1, 3, size, 8), np.float32)
    expected, converted = runtime(proto)({"x": x})["y"].shape, to_opset18(proto).graph.outputs[0].shape
    assert converted is not None
    assert converted.numpy() == expected


@pytest.mark.parametrize(("size", "quotient"), [(3, 0), (8, -2), (9, -2), (11, -3)])
def test_a_quotient_of_a_free_size_is_rounded_towards_zero(size: int, quotient: int) -> None:
    nodes = [
        n("Shape", "x", "h", start=2, end=3),
        n("Sub", "four h", "left"),
        n("Div", "left two", "half"),
        n("Neg", "half", "count"),
        n("Expand", "number count"),
    ]
    weights = {"four": np.asarray([4]), "two": np.asarray([2]), "number": np.ones(1, np.float32)}
    (length,) = to_opset18(model(nodes, weights, 18)).graph.outputs[0].shape  # type: ignore[misc]
    assert isinstance(length, ir.SymbolicDim)
    assert length.evaluate({"H": size}) == -quotient


def test_a_difference_of_two_sizes_has_no_sign() -> None:
    assert is_at_least(ir.SymbolicDim("floor(H/2) + W"), 1)
    assert not is_at_least(ir.SymbolicDim("H - W"), 0)
    assert not is_at_least(ir.SymbolicDim("W - H"), 0)
