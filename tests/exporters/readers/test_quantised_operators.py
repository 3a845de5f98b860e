"""Each operator over quantised tensors against ONNX Runtime, which computes it over integers.

The images hold multiples of the input's scale, so that they are not rounded; what is read as floating point is then
half a step away from the runtime's result at most, which is rounded once. One step is allowed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.networks.readers import read_network

Array = np.ndarray[Any, Any]
Nodes = Sequence[onnx.NodeProto]

_RNG = np.random.default_rng(0)
# Of the image and of what comes out: numbers of both signs, and a zero point within the range.
IN = {"s": np.float32(1 / 64), "z": np.uint8(100)}
OUT = {"t": np.float32(1 / 16), "v": np.uint8(120)}
X, Y = ("xq", "s", "z"), ("t", "v")


def node(op_type: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> onnx.NodeProto:
    known = onnx.defs.has(op_type) and not attributes.pop("microsoft", False)
    return helper.make_node(op_type, inputs, outputs, domain="" if known else "com.microsoft", **attributes)


def integers(*shape: int, kind: type = np.int8, least: int = -60, most: int = 60) -> Array:
    return _RNG.integers(least, most, shape).astype(kind)


QUANTIZE = node("QuantizeLinear", ["x", "s", "z"], ["xq"])
DEQUANTIZE = node("DequantizeLinear", ["yq", "t", "v"], ["y"])
SAME = node("DequantizeLinear", ["yq", "s", "z"], ["y"])


@dataclass
class Case:
    """nodes: from ``x`` to ``y``; step: that of what they give; form: the operators that are to come of it."""

    nodes: Nodes
    form: str
    weights: Mapping[str, Any] = field(default_factory=dict)
    step: float = 1 / 16
    shape: tuple[int, ...] = (1, 3, 8, 8)
    opset: int = 17


def between(
    *nodes: onnx.NodeProto, form: str, weights: Mapping[str, Any] | None = None, same: bool = False, **options: Any
) -> Case:
    """Nodes from ``xq`` to ``yq``, which is in units of its own or in those of ``xq``."""
    step = float(IN["s"] if same else {**OUT, **(weights or {})}["t"])
    return Case([QUANTIZE, *nodes, SAME if same else DEQUANTIZE], form, weights or {}, step, **options)


CONV = {"w": integers(5, 3, 3, 3), "ws": np.float32(0.004), "wz": np.int8(0)}
PER_CHANNEL = {**CONV, "ws": np.linspace(0.002, 0.006, 5, dtype=np.float32), "wz": np.zeros(5, np.int8)}
UNSIGNED = {**CONV, "w": integers(5, 3, 3, 3, kind=np.uint8, least=60, most=180), "wz": np.uint8(117)}
BIAS = {"b": integers(5, kind=np.int32, least=-9000, most=9000)}
W, MATRIX = ("w", "ws", "wz"), {"w": integers(8, 6), "ws": np.float32(0.006), "wz": np.int8(3)}
COLUMNS = {"w": integers(8, 6), "ws": np.linspace(0.002, 0.008, 6, dtype=np.float32), "wz": integers(6, most=60)}
HALF = {"c": integers(1, 3, 1, 1, kind=np.uint8, least=90, most=200), "cs": np.float32(1 / 50), "cz": np.uint8(128)}
FLAT = node("Flatten", ["xq"], ["flat"])
DYNAMIC = node("DynamicQuantizeLinear", ["x"], ["xq", "ds", "dz"])


def scaled(integer: onnx.NodeProto, *after: onnx.NodeProto) -> Nodes:
    """As quantize_dynamic writes it: integers to floating point, by the scales of both."""
    return [
        DYNAMIC,
        integer,
        node("Cast", ["i"], ["f"], to=TensorProto.FLOAT),
        node("Mul", ["ds", "ws"], ["both"]),
        node("Mul", ["f", "both"], ["y" if not after else "unbiased"]),
        *after,
    ]


def qlinear(op_type: str, *others: str, **attributes: Any) -> onnx.NodeProto:
    return node(op_type, [*X, *others, *Y], ["yq"], **attributes)


CASES: dict[str, Case] = {
    "QuantizeLinear": Case([QUANTIZE, node("DequantizeLinear", ["xq", "s", "z"], ["y"])], "Identity", step=1 / 64),
    "QuantizeLinear, per channel": Case(
        [
            node("QuantizeLinear", ["x", "cs", "cz"], ["xq"], axis=1),
            node("MaxPool", ["xq"], ["pq"], kernel_shape=[2, 2]),
            node("DequantizeLinear", ["pq", "cs", "cz"], ["y"], axis=1),
        ],
        "MaxPool",
        {"cs": np.float32([1 / 64, 1 / 32, 1 / 16]), "cz": np.uint8([100, 120, 128])},
    ),
    "QuantizeLinear, of com.microsoft": Case(
        [
            node("QuantizeLinear", ["x", "s", "z"], ["xq"], microsoft=True),
            node("DequantizeLinear", ["xq", "s", "z"], ["y"], microsoft=True),
        ],
        "Identity",
        step=1 / 64,
    ),
    "QuantizeLinear, no zero point": Case(
        [node("QuantizeLinear", ["x", "s"], ["xq"]), node("DequantizeLinear", ["xq", "s"], ["y"])],
        "Identity",
        {"s": np.float32(1 / 64)},
        1 / 64,
    ),
    "DequantizeLinear, of other units": Case([QUANTIZE, node("DequantizeLinear", ["xq", *Y], ["y"])], "Mul Add"),
    "DequantizeLinear, blocks of 4 bits": Case(
        [
            QUANTIZE,
            node("DequantizeLinear", ["xq", "s", "z"], ["xd"]),
            node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], axis=0, block_size=4),
            node("MatMul", ["xd", "wd"], ["y"]),
        ],
        "MatMul",
        {
            "w": helper.make_tensor("w", TensorProto.INT4, [8, 6], integers(48, least=-8, most=8)),
            "ws": _RNG.uniform(0.1, 0.2, (2, 6)).astype(np.float32),
            "wz": helper.make_tensor("wz", TensorProto.INT4, [2, 6], integers(12, least=-2, most=3)),
        },
        opset=21,
    ),
    "weights in floating point": Case(
        [
            node("QuantizeLinear", ["w", "ws", "wz"], ["wq"], axis=0),
            node("DequantizeLinear", ["wq", "ws", "wz"], ["wd"], axis=0),
            QUANTIZE,
            node("DequantizeLinear", ["xq", "s", "z"], ["xd"]),
            node("Conv", ["xd", "wd"], ["y"], pads=[1] * 4),
        ],
        "Conv",
        {**PER_CHANNEL, "w": (_RNG.normal(size=(5, 3, 3, 3)) / 6).astype(np.float32)},
        1e-4,
    ),
    "DynamicQuantizeLinear": Case(
        [DYNAMIC, node("DequantizeLinear", ["xq", "ds", "dz"], ["y"])], "Identity", step=1e-5
    ),
    "QLinearConv": between(qlinear("QLinearConv", *W, pads=[1] * 4), form="Conv", weights=CONV),
    "QLinearConv, per channel": between(
        node("QLinearConv", [*X, *W, *Y, "b"], ["yq"], strides=[2, 2]), form="Conv", weights={**PER_CHANNEL, **BIAS}
    ),
    "QLinearConv, unsigned": between(
        node("QLinearConv", [*X, *W, *Y, "b"], ["yq"]), form="Conv", weights={**UNSIGNED, **BIAS}
    ),
    "QLinearConv, channels last": between(
        node("Transpose", ["xq"], ["last"], perm=[0, 2, 3, 1]),
        node("QLinearConv", ["last", "s", "z", *W, *Y], ["yl"], microsoft=True, channels_last=1),
        node("Transpose", ["yl"], ["yq"], perm=[0, 3, 1, 2]),
        form="Transpose Transpose Conv Transpose Transpose",
        weights=CONV,
    ),
    "QLinearMatMul": between(qlinear("QLinearMatMul", *W), form="MatMul", weights=MATRIX),
    "QLinearMatMul, per column": between(qlinear("QLinearMatMul", *W), form="MatMul", weights=COLUMNS),
    "QGemm": between(
        FLAT,
        node("QGemm", ["flat", "s", "z", *W, "b", *Y], ["yq"], alpha=0.5, transB=1),
        form="Flatten Gemm",
        weights={
            "w": integers(5, 192, least=-20, most=20),
            "ws": np.linspace(0.002, 0.006, 5, dtype=np.float32),
            "wz": np.zeros(5, np.int8),
            **BIAS,
        },
    ),
    "QGemm, to floating point": Case(
        [QUANTIZE, FLAT, node("QGemm", ["flat", "s", "z", *W], ["y"])],
        "Flatten Gemm",
        {"w": integers(192, 6), "ws": np.float32(0.002), "wz": np.int8(2)},
        1e-4,
    ),
    "QLinearAdd": between(qlinear("QLinearAdd", "c", "cs", "cz"), form="Add", weights=HALF),
    "QLinearMul": between(qlinear("QLinearMul", "c", "cs", "cz"), form="Mul", weights=HALF),
    "QLinearAdd, of itself": between(qlinear("QLinearAdd", *X), form="Add"),
    "QLinearConcat": between(
        node("QLinearConcat", [*Y, *X, "c", "cs", "cz"], ["yq"], axis=1),
        form="Concat",
        weights={**HALF, "c": integers(1, 2, 8, 8, kind=np.uint8, least=90, most=170)},
    ),
    "QLinearWhere": between(
        node("QLinearWhere", ["m", *X, "c", "cs", "cz", *Y], ["yq"]),
        form="Where",
        weights={**HALF, "m": _RNG.random((1, 3, 8, 8)) > 0.5},
    ),
    "QLinearAveragePool": between(
        qlinear("QLinearAveragePool", kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 2]), form="AveragePool"
    ),
    "QLinearAveragePool, with padding": between(
        qlinear("QLinearAveragePool", kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=1), form="AveragePool"
    ),
    "QLinearGlobalAveragePool": between(qlinear("QLinearGlobalAveragePool"), form="GlobalAveragePool"),
    "QLinearSigmoid": between(qlinear("QLinearSigmoid"), form="Sigmoid"),
    "QLinearLeakyRelu": between(qlinear("QLinearLeakyRelu", alpha=0.2), form="LeakyRelu"),
    "QLinearSoftmax": between(qlinear("QLinearSoftmax", axis=1, opset=17), form="Softmax"),
    "QLinearSoftmax, of all from an axis on": between(
        qlinear("QLinearSoftmax", axis=2, opset=9),
        form="Shape Flatten Softmax Reshape",
        weights={"t": np.float32(1 / 512), "v": np.uint8(0)},
    ),
    "ConvInteger": Case(scaled(node("ConvInteger", ["xq", "w", "dz", "wz"], ["i"], pads=[1] * 4)), "Conv", CONV, 1e-4),
    "ConvInteger, biased": Case(
        scaled(
            node("ConvInteger", ["xq", "w", "dz", "wz"], ["i"]),
            node("Reshape", ["fb", "four"], ["rb"]),
            node("Add", ["unbiased", "rb"], ["y"]),
        ),
        "Conv",
        {**UNSIGNED, "fb": _RNG.normal(size=5).astype(np.float32), "four": np.int64([1, 5, 1, 1])},
        1e-4,
    ),
    "ConvInteger, of static scales": Case(
        [
            QUANTIZE,
            node("ConvInteger", ["xq", "w", "z", "wz"], ["i"]),
            node("Cast", ["i"], ["f"], to=TensorProto.FLOAT),
            node("Mul", ["f", "ws"], ["y"]),
        ],
        "Conv Mul Mul",
        CONV,
        1e-3,
    ),
    "MatMulInteger": Case(scaled(node("MatMulInteger", ["xq", "w", "dz", "wz"], ["i"])), "MatMul", MATRIX, 1e-4),
    "MatMulInteger, per column": Case(
        scaled(node("MatMulInteger", ["xq", "w", "dz", "wz"], ["i"])), "MatMul", COLUMNS, 1e-4
    ),
    "MatMulInteger, of the image with itself": Case(
        [
            DYNAMIC,
            node("Transpose", ["xq"], ["tq"], perm=[0, 1, 3, 2]),
            node("MatMulInteger", ["xq", "tq", "dz", "dz"], ["i"]),
            node("Cast", ["i"], ["f"], to=TensorProto.FLOAT),
            node("Mul", ["ds", "ds"], ["both"]),
            node("Mul", ["f", "both"], ["y"]),
        ],
        "Transpose MatMul Mul Mul",
        step=1e-4,
    ),
    "MatMulIntegerToFloat": Case(
        [DYNAMIC, node("MatMulIntegerToFloat", ["xq", "w", "ds", "ws", "dz", "wz", "fb"], ["y"])],
        "MatMul Add",
        {**COLUMNS, "fb": _RNG.normal(size=6).astype(np.float32)},
        1e-4,
    ),
    "DynamicQuantizeMatMul": Case(
        [node("DynamicQuantizeMatMul", ["x", *W, "fb"], ["y"])],
        "MatMul Add",
        {**MATRIX, "fb": _RNG.normal(size=6).astype(np.float32)},
        1e-4,
    ),
    **{
        f"MatMulNBits, {bits} bits{', zero points' * zeros}": Case(
            [node("MatMulNBits", ["x", "w", "ws", *["wz"] * zeros], ["y"], K=40, N=6, bits=bits, block_size=16)],
            "MatMul",
            {
                "w": integers(6, 3, 2 * bits, kind=np.uint8, least=0, most=256),
                "ws": _RNG.uniform(0.01, 0.02, 18).astype(np.float32),
                **({"wz": integers(6 * -(-3 * bits // 8), kind=np.uint8, least=0, most=256)} if zeros else {}),
            },
            1e-3,
            (1, 3, 2, 40),
        )
        for bits in (2, 4, 8)
        for zeros in (False, True)
    },
    "MaxPool": between(node("MaxPool", ["xq"], ["yq"], kernel_shape=[3, 3], pads=[1] * 4), form="MaxPool", same=True),
    "Pad": between(
        node("Pad", ["xq", "p", "c"], ["yq"]),
        form="Pad",
        same=True,
        weights={"p": np.int64([0, 0, 1, 2, 0, 0, 2, 1]), "c": np.uint8(180)},
    ),
    "Pad, with the integer 0": between(
        node("Pad", ["xq", "p"], ["yq"]), form="Pad", same=True, weights={"p": np.int64([0, 0, 1, 2, 0, 0, 2, 1])}
    ),
    "Pad, by reflection": between(
        node("Pad", ["xq", "p"], ["yq"], mode="reflect"),
        form="Pad",
        same=True,
        weights={"p": np.int64([0, 0, 1, 2, 0, 0, 2, 1])},
    ),
    "Clip": between(
        node("Clip", ["xq", "c", "d"], ["yq"]), form="Clip", same=True, weights={"c": np.uint8(90), "d": np.uint8(140)}
    ),
    "Relu, of signed integers": Case(
        [
            node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
            node("Relu", ["xq"], ["yq"]),
            node("DequantizeLinear", ["yq", "s", "z"], ["y"]),
        ],
        "Max",
        {"s": np.float32(1 / 64), "z": np.int8(-30)},
        1 / 64,
    ),
    "Concat": between(
        node("Concat", ["xq", "xq", "c"], ["yq"], axis=1),
        form="Concat",
        same=True,
        weights={"c": integers(1, 1, 8, 8, kind=np.uint8, least=90, most=170)},
    ),
    "Resize": between(
        node("Resize", ["xq", "", "r"], ["yq"], mode="nearest"),
        form="Resize",
        same=True,
        weights={"r": np.float32([1, 1, 2, 2])},
    ),
    "shapes": between(
        node("Transpose", ["xq"], ["a"], perm=[0, 2, 3, 1]),
        node("Reshape", ["a", "r"], ["b"]),
        node("Unsqueeze", ["b", "one"], ["c"]),
        node("Squeeze", ["c", "one"], ["d"]),
        node("Slice", ["d", "one", "four", "one"], ["e"]),
        node("Split", ["e"], ["f", "g"], axis=1, num_outputs=2),
        node("Concat", ["g", "f"], ["yq"], axis=0),
        form="Transpose Reshape Unsqueeze Squeeze Slice Split Concat",
        same=True,
        weights={"r": np.int64([12, 16]), "one": np.int64([1]), "four": np.int64([5])},
        opset=18,
    ),
    "Shape": between(
        node("Shape", ["xq"], ["n"]), node("Reshape", ["xq", "n"], ["yq"]), form="Shape Reshape", same=True
    ),
    "Cast": Case([QUANTIZE, node("Cast", ["xq"], ["y"], to=TensorProto.FLOAT)], "Mul Add", step=1.0),
}


def saved(path: Path, case: Case, result: int = TensorProto.FLOAT) -> Path:
    tensors = {**IN, **OUT, **case.weights}
    graph = helper.make_graph(
        list(case.nodes), "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, case.shape)],
        [helper.make_tensor_value_info("y", result, None)],
        [t if isinstance(t, TensorProto) else numpy_helper.from_array(np.asarray(t), n) for n, t in tensors.items()],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", case.opset), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path


def computed(model: bytes, image: Array) -> Array:
    result: Array = ort.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, {"x": image})[0]
    return result


def image_of(case: Case) -> Array:
    """Multiples of 1/64 that fill the range of the input's units, so that a dynamic range has the same scale."""
    image = np.random.default_rng(1).integers(-100, 156, case.shape)
    image.flat[:2] = -100, 155
    if "s" in case.weights:  # others, with a smaller range on one side
        image = np.maximum(image, -int(case.weights.get("z", 0)))
    return (image / 64).astype(np.float32)


@pytest.mark.parametrize("name", CASES)
def test_what_it_computes(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    path = saved(tmp_path / "net.onnx", case)
    reading = read_network(path)
    assert " ".join(n.op_type for n in reading.model.graph) == case.form
    image = image_of(case)
    expected = computed(path.read_bytes(), image)
    actual = computed(ir.to_proto(reading.model).SerializeToString(), image)
    assert np.ptp(expected) > 3 * case.step
    np.testing.assert_allclose(actual, expected, rtol=0, atol=case.step)


@pytest.mark.parametrize("opset", [17, 18])
def test_qlinear_reduce_mean(tmp_path: Path, opset: int) -> None:
    """The operator that ONNX Runtime has no kernel for on a CPU; its axes are an attribute in every opset."""
    case = between(qlinear("QLinearReduceMean", axes=[1, 3], keepdims=0), form="ReduceMean", opset=opset)
    reading = read_network(saved(tmp_path / "net.onnx", case))
    image = image_of(case)
    actual = computed(ir.to_proto(reading.model).SerializeToString(), image)
    np.testing.assert_allclose(actual, image.mean(axis=(1, 3)), rtol=1e-5, atol=1e-6)


def test_integers_at_the_end(tmp_path: Path) -> None:
    """A network that gives integers gives what they stand for, under the same name."""
    case = Case([QUANTIZE, node("QLinearSigmoid", [*X, *Y], ["y"])], "Sigmoid")
    reading = read_network(saved(tmp_path / "net.onnx", case, TensorProto.UINT8))
    (result,) = reading.model.graph.outputs
    assert (result.name, result.dtype) == ("y", ir.DataType.FLOAT)
    image = image_of(case)
    actual = computed(ir.to_proto(reading.model).SerializeToString(), image)
    np.testing.assert_allclose(actual, 1 / (1 + np.exp(-image)), rtol=1e-5)


def test_operators_within_functions_and_branches(tmp_path: Path) -> None:
    """A function is written out; what is quantised within a branch is refused."""
    case = CASES["QLinearSigmoid"]
    model = onnx.load(saved(tmp_path / "net.onnx", case))
    constants = [
        helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.asarray(value)))
        for name, value in {**IN, **OUT}.items()
    ]
    body = [*constants, *model.graph.node]
    opsets = list(model.opset_import)
    model.functions.append(helper.make_function("own", "Activation", ["x"], ["y"], body, opsets))
    model.opset_import.append(helper.make_opsetid("own", 1))
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.append(helper.make_node("Activation", ["x"], ["y"], domain="own"))
    onnx.save(model, tmp_path / "function.onnx")
    assert [n.op_type for n in read_network(tmp_path / "function.onnx").model.graph] == ["Sigmoid"]

    branch = helper.make_graph(body, "branch", [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    true = numpy_helper.from_array(np.asarray(True), "true")
    del model.functions[:], model.graph.node[:]
    model.graph.initializer.append(true)
    model.graph.node.append(helper.make_node("If", ["true"], ["y"], then_branch=branch, else_branch=branch))
    onnx.save(model, tmp_path / "branch.onnx")
    message = r"is quantised, and DequantizeLinear, QLinearSigmoid, QuantizeLinear cannot .* use the network in float32"
    with pytest.raises(NetworkError, match=message):
        read_network(tmp_path / "branch.onnx")
