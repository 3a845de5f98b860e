"""Sizes that a network works out: what becomes known of them, and what stays open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from helpers.gradcheck import assert_close, numerical_vjp, runtime
from helpers.networks import saved
from helpers.transformers import PATCH, patches
from onnx import TensorProto, helper, numpy_helper

from pixelgrad.exporters import Network, inversion_objective, load_network, vjp, write_artifact
from pixelgrad.exporters.autodiff import RULES, finish
from pixelgrad.exporters.networks import set_batch, settle_size
from pixelgrad.exporters.opset18 import to_opset18
from pixelgrad.exporters.opset18.folding import fold_numbers
from pixelgrad.exporters.opset18.shapes import constant
from pixelgrad.runtime import Artifact, verify

Array = np.ndarray[Any, Any]


def test_shapes_that_are_only_unknown_are_not_filled_in(tmp_path: Path) -> None:
    """Where a pooling's last window begins depends on the size, and the network takes any, whatever its file says."""
    pool = helper.make_node("MaxPool", ["patch"], ["pool"], kernel_shape=[2, 2], strides=[3, 3], ceil_mode=1)
    network = patches(tmp_path / "net.onnx", [pool], 32)
    assert network.declared_size == (32, 32)
    assert settle_size(network.clone(), [network.layer("pool")]) is None
    assert not network.layer("pool").shape.is_static()  # type: ignore[union-attr]


def test_a_range_of_sizes_stays_one_operator(tmp_path: Path) -> None:
    """Its body is a loop; PyTorch 2 writes one for each shift of a window."""
    node = helper.make_node
    nodes = [
        node("Shape", ["patch"], ["rows"], start=2, end=3),
        node("Squeeze", ["rows"], ["count"]),
        node("Range", ["zero", "count", "one"], ["places"]),
        node("Gather", ["patch", "places"], ["gathered"], axis=2),
    ]
    network = patches(tmp_path / "net.onnx", nodes, None, zero=0, one=1)
    assert [node.op_type for node in network.model.graph][-2:] == ["Range", "Gather"]


def counted(path: Path) -> Network:
    """Tokens of pairs of patches, and back, with how many images there are taken from the shape, at any size."""
    node = helper.make_node
    nodes = [
        node("Shape", ["patch"], ["shape"]),
        *(node("Gather", ["shape", name], [f"size_{name}"]) for name in ("n", "c")),
        node("Concat", ["size_n", "size_c", "rest", "two"], ["target"], axis=0),
        node("Reshape", ["patch", "target"], ["pairs"]),
        node("Relu", ["pairs"], ["active"]),
        node("Reshape", ["active", "shape"], ["back"]),
        node("Conv", ["back", "w"], ["conv"], kernel_shape=[1, 1]),
    ]
    return patches(path, nodes, None, w=(4, 4, 1, 1), n=[0], c=[1], rest=[-1], two=[2])


def test_how_many_images_there_are_stays_open(tmp_path: Path) -> None:
    """What is known of sizes for one image must not be kept for several."""
    network = counted(tmp_path / "net.onnx")
    several, image = network.clone(), np.random.default_rng(0).random((3, 3, 16, 24), np.float32)
    set_batch(several, [several.layer("conv")], 3)
    together = run_model(several, image)
    single = [run_model(network, image[place : place + 1]) for place in range(3)]
    np.testing.assert_allclose(together, np.concatenate(single), rtol=1e-5, atol=1e-6)
    assert "size_c" not in {value.name for node in network.model.graph for value in node.outputs}


def run_model(network: Network, image: Array) -> Array:
    (found,) = runtime(finish(network.model))({"image": image}).values()
    return found


def test_a_kept_conversion_knows_the_same_numbers(tmp_path: Path) -> None:
    """A reshape whose target is put together from a size that is worked out."""
    counted(tmp_path / "net.onnx")
    fresh, again = (load_network(tmp_path / "net.onnx", cache=tmp_path / "cache") for _ in range(2))
    numbers = [
        {str(v.name): v.const_value.numpy().tolist() for n in net.model.graph for v in n.outputs if v.const_value}
        for net in (fresh, again)
    ]
    assert numbers[0] == numbers[1]
    assert numbers[0]["size_n"] == [1]


@pytest.mark.parametrize("default", [False, True])
def test_paddings_that_are_turned_round_become_known(tmp_path: Path, default: bool) -> None:
    """As PyTorch's older exporter writes ``F.pad(x, (1, 2, 3, 4))``; an input that may be given is not known."""
    node = helper.make_node
    nodes = [
        node("ConstantOfShape", ["missing"], ["zeros"], value=helper.make_tensor("zero", TensorProto.INT64, [1], [0])),
        node("Concat", ["paddings", "zeros"], ["eight"], axis=0),
        node("Reshape", ["eight", "pairs"], ["pair"]),
        node("Slice", ["pair", "last", "before", "first", "back"], ["turned"]),
        node("Transpose", ["turned"], ["sides"], perm=[1, 0]),
        node("Reshape", ["sides", "flat"], ["row"]),
        node("Cast", ["row"], ["pads"], to=TensorProto.INT64),
        node("Pad", ["data", "pads"], ["padded"]),
        node("Conv", ["padded", "w"], ["conv"], kernel_shape=[3, 3]),
    ]
    numbers: dict[str, Any] = {
        "missing": [4],
        "paddings": [1, 2, 3, 4],
        "pairs": [-1, 2],
        "last": [-1],
        "before": [np.iinfo(np.int64).min],
        "first": [0],
        "back": [-1],
        "flat": [-1],
    }
    weights = {name: np.asarray(value, np.int64) for name, value in numbers.items()}
    weights["w"] = np.ones((2, 3, 3, 3), np.float32)
    model = onnx.load(saved(tmp_path / "pad.onnx", nodes, weights, "conv", (1, 3, "height", "width")))
    if default:
        model.graph.input.append(helper.make_tensor_value_info("paddings", TensorProto.INT64, [4]))
        graph = ir.from_proto(model).graph
        assert not fold_numbers(graph)
        assert not any(node.outputs[0].const_value for node in graph if node.op_type != "ConstantOfShape")
        return
    converted = to_opset18(ir.from_proto(model), primitives=RULES.keys())
    (pad,) = (node for node in converted.graph if node.op_type == "Pad")
    np.testing.assert_array_equal(constant(pad.inputs[1]), [0, 0, 3, 1, 0, 0, 4, 2])
    network = load_network(tmp_path / "pad.onnx")
    assert [node.op_type for node in network.model.graph if node.name != "preprocess"] == ["Pad", "Conv"]
    assert str(network.layer("conv").shape) == "[1,2,H + 5,W + 1]"


@pytest.mark.parametrize("outputs", [(1,), (0, 1, 2), (2,)])
def test_the_gradient_of_a_mean_that_is_kept(outputs: tuple[int, ...]) -> None:
    """LayerNormalization's Mean and InvStdDev, where a network goes on with them."""
    rng = np.random.default_rng(2)
    names = ["normal", "mean", "inverse"]
    nodes = [
        helper.make_node("LayerNormalization", ["x", "scale", "shift"], names, axis=-1, epsilon=0.1),
        helper.make_node("Concat", [names[place] for place in outputs], ["together"], axis=-1),
        helper.make_node("Mul", ["together", "together"], ["y"]),
    ]

    weights = {"scale": np.linspace(0.5, 2, 5), "shift": np.linspace(-1, 1, 5)}
    graph = helper.make_graph(
        nodes,
        "normalisation",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3, 5])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    single = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    x = rng.normal(size=(2, 3, 5)).astype(np.float32)
    forward = runtime(single)
    cotangent = rng.normal(size=forward({"x": x})["y"].shape).astype(np.float32)
    gradient = runtime(vjp(single, wrt=["x"]))({"x": x, "cotangent_y": cotangent})["gradient_x"]
    expected = numerical_vjp(forward, {"x": x}, {"y": cotangent}, "x", 1e-2)
    assert_close(gradient, expected, 2e-3, "gradient")


def windows(path: Path) -> Network:
    """A map that is continued to whole windows of four, as Swin has them, and cut somewhere."""
    node = helper.make_node
    nodes = [
        node("Shape", ["patch"], ["rows"], start=2, end=3),
        node("Cast", ["rows"], ["count"], to=TensorProto.INT32),
        node("Cast", ["count"], ["again"], to=TensorProto.INT64),
        node("Mod", ["again", "four"], ["over"]),
        node("Sub", ["four", "over"], ["lacking"]),
        node("Mod", ["lacking", "four"], ["below"]),
        node("Concat", ["zeros", "below", "zero"], ["pads"], axis=0),
        node("Pad", ["patch", "pads"], ["whole"]),
        node("Shape", ["whole"], ["whole_rows"], start=2, end=3),
        node("Div", ["whole_rows", "four"], ["windows"]),
        node("Concat", ["batch", "windows", "rest"], ["target"], axis=0),
        node("Reshape", ["whole", "target"], ["cut"]),
        node("Mod", ["two", "whole_rows"], ["start"]),
        node("Slice", ["whole", "start", "whole_rows", "along"], ["lower"]),
        node("Conv", ["lower", "w"], ["conv"], kernel_shape=[1, 1]),
    ]
    numbers: dict[str, Any] = {
        "four": [4],
        "two": [2],
        "zero": [0],
        "zeros": [0] * 6,
        "batch": [1, 4],
        "rest": [4, -1],
        "along": [2],
    }
    return patches(path, nodes, None, w=(2, 4, 1, 1), **numbers)


def test_padding_to_whole_windows_is_followed(tmp_path: Path) -> None:
    network = windows(tmp_path / "net.onnx")
    shapes = {str(value.name): value.shape for node in network.model.graph for value in node.outputs}
    for height, width in ((64, 40), (96, 24), (100, 56)):
        sizes = {"H": height, "W": width}
        rows, columns = height // PATCH, width // PATCH
        whole = -(-rows // 4) * 4
        found = {
            name: [dim if isinstance(dim, int) else dim.evaluate(sizes) for dim in shapes[name] or ()]
            for name in ("whole", "cut")
        }
        assert found == {"whole": [1, 4, whole, columns], "cut": [1, 4, whole // 4, 4, columns]}
    lower = shapes["lower"]
    assert lower is not None
    assert [str(lower[axis]) for axis in (0, 1, 3)] == ["1", "4", "floor(W/8)"]


def test_padding_that_is_worked_out_has_a_gradient(tmp_path: Path) -> None:
    """By paddings that are negative, which the artifact's check must compute."""
    network = windows(tmp_path / "net.onnx")
    folder = write_artifact(network, inversion_objective(network, "whole"), tmp_path / "inversion")
    assert all(check.passed for check in verify(Artifact(folder, device="cpu")))


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([("Div", 2.0), ("Ceil", None)], lambda n: -(-n // 2)),
        ([("Mul", 1.5), ("Floor", None)], lambda n: n * 3 // 2),
        ([("Mul", 0.75)], lambda n: n * 3 // 4),
        ([("Div", 0.5)], lambda n: 2 * n),
        ([("Mul", 3.0), ("Div", 2.0), ("Ceil", None)], lambda n: -(-3 * n // 2)),
    ],
)
def test_sizes_in_floating_point_are_followed(tmp_path: Path, steps: list[tuple[str, Any]], expected: Any) -> None:
    """As exporters write ``interpolate(scale_factor=...)`` and ``math.ceil(height / 2)``."""
    node = helper.make_node
    nodes = [
        node("Shape", ["patch"], ["shape"], start=2, end=4),
        node("Cast", ["shape"], ["size0"], to=TensorProto.FLOAT),
    ]
    factors: dict[str, Any] = {}
    for place, (kind, factor) in enumerate(steps):
        if factor is not None:
            factors[f"factor{place}"] = np.float32(factor)
        inputs = [f"size{place}", *([f"factor{place}"] if factor is not None else [])]
        nodes.append(node(kind, inputs, [f"size{place + 1}"]))
    nodes += [
        node("Cast", [f"size{len(steps)}"], ["whole"], to=TensorProto.INT64),
        node("Concat", ["kept", "whole"], ["target"], axis=0),
        node("Resize", ["patch", "", "", "target"], ["resized"], mode="nearest"),
    ]
    network = patches(tmp_path / "net.onnx", nodes, None, kept=[1, 4], **factors)
    shape = network.layer("resized").shape
    assert shape is not None
    for height, width in ((64, 40), (104, 88)):
        found = [dim if isinstance(dim, int) else dim.evaluate({"H": height, "W": width}) for dim in shape]
        assert found == [1, 4, expected(height // PATCH), expected(width // PATCH)]


def test_same_padding_that_is_worked_out_stays_short(tmp_path: Path) -> None:
    """As PyTorch's ports of TensorFlow's networks pad: Max(0, (ceil(n / 2) - 1) 2 + 3 - n), half of it in front."""
    node = helper.make_node
    nodes, value = [], "patch"
    for level in range(3):

        def name(what: str, level: int = level) -> str:
            return f"{what}{level}"

        nodes += [
            node("Shape", [value], [name("shape")], start=2, end=4),
            node("Cast", [name("shape")], [name("real")], to=TensorProto.FLOAT),
            node("Div", [name("real"), "half"], [name("halved")]),
            node("Ceil", [name("halved")], [name("up")]),
            node("Cast", [name("up")], [name("count")], to=TensorProto.INT64),
            node("Sub", [name("count"), "one"], [name("less")]),
            node("Mul", [name("less"), "two"], [name("across")]),
            node("Add", [name("across"), "three"], [name("reach")]),
            node("Sub", [name("reach"), name("shape")], [name("over")]),
            node("Max", [name("over"), "zero"], [name("lacking")]),
            node("Div", [name("lacking"), "two"], [name("front")]),
            node("Sub", [name("lacking"), name("front")], [name("behind")]),
            node("Concat", ["none", name("front"), "none", name("behind")], [name("pads")], axis=0),
            node("Pad", [value, name("pads")], [name("padded")]),
            node("Conv", [name("padded"), "w"], [name("conv")], kernel_shape=[3, 3], strides=[2, 2]),
        ]
        value = name("conv")
    numbers: dict[str, Any] = {"one": [1], "two": [2], "three": [3], "zero": [0], "none": [0, 0]}
    network = patches(tmp_path / "net.onnx", nodes, None, w=(4, 4, 3, 3), half=np.float32(2), **numbers)
    for level in range(3):
        rows, columns = (network.layer(f"conv{level}").shape or ())[2:]
        assert len(str(rows)) < 60
        for height, width in ((64, 120), (77, 203), (8, 15)):
            found = [
                dim if isinstance(dim, int) else dim.evaluate({"H": height, "W": width}) for dim in (rows, columns)
            ]
            halves = 2 ** (level + 1)
            assert found == [-(-(size // PATCH) // halves) for size in (height, width)]
    folder = write_artifact(network, inversion_objective(network, "conv2"), tmp_path / "inversion")
    assert all(check.passed for check in verify(Artifact(folder, device="cpu")))
