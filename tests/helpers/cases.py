"""A row for every form of every operator that has a gradient rule."""

from __future__ import annotations

from typing import Any

import numpy as np

from helpers.gradcheck import Case

_rng = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray[Any, Any]:
    return _rng.normal(size=shape)


def positive(*shape: int) -> np.ndarray[Any, Any]:
    return _rng.uniform(0.3, 2.0, size=shape)


def within(*shape: int) -> np.ndarray[Any, Any]:
    return _rng.uniform(-0.9, 0.9, size=shape)


def ints(*values: int) -> np.ndarray[Any, Any]:
    return np.asarray(values, dtype=np.int64)


def unary(op: str, x: np.ndarray[Any, Any] | None = None, label: str = "", **attributes: Any) -> Case:
    return Case(op, {"x": normal(2, 3, 4) * 2 if x is None else x}, attributes, label=label)


CASES: list[Case] = [
    # Elementwise arithmetic, with broadcasting both ways.
    *(Case(op, {"a": normal(2, 3, 4), "b": positive(3, 1)}, label="right") for op in ("Add", "Sub", "Mul", "Div")),
    *(Case(op, {"a": positive(4), "b": positive(2, 3, 4)}, label="left") for op in ("Add", "Sub", "Mul", "Div")),
    Case("Add", {"a": normal(2, 3, 4, 5), "b": normal(1, 3, 1, 1)}, free=True, label="free-sizes"),
    Case("Mul", {"a": normal(2, 3)}, order=["a", "a"], label="square"),
    Case("Pow", {"x": normal(2, 3)}, constants={"p": np.asarray(2.0)}, label="square"),
    Case("Pow", {"x": positive(2, 3)}, constants={"p": np.asarray(-0.75)}, label="fraction"),
    Case("Pow", {"x": positive(2, 3), "p": normal(3)}, label="both"),
    Case("Pow", {"x": np.asarray([0.0, 1.0, -2.0])}, constants={"p": np.asarray(0.0)}, label="to-the-zeroth"),
    Case("Pow", {"x": np.asarray([0.0, 1.0, 2.0])}, constants={"p": np.asarray([0.0, 2.0, 0.0])}, label="some-zeroth"),
    Case("Max", {"a": normal(2, 3), "b": normal(3), "c": normal(2, 1)}),
    Case("Max", {"a": normal(2, 3)}, label="one"),
    Case("Min", {"a": normal(2, 3), "b": normal(2, 3)}),
    Case("Sum", {"a": normal(2, 3), "b": normal(3), "c": normal(1)}),
    Case("Mean", {"a": normal(2, 3), "b": normal(3)}),
    Case("Where", {"a": normal(2, 3), "b": normal(3)}, constants={"c": normal(2, 1) > 0}, order=["c", "a", "b"]),
    *(unary(op) for op in ("Neg", "Abs", "Exp", "Sin", "Cos", "Sinh", "Cosh", "Atan", "Asinh")),
    *(unary(op, positive(2, 3)) for op in ("Log", "Sqrt", "Reciprocal")),
    *(unary(op, within(2, 3)) for op in ("Tan", "Asin", "Acos", "Atanh")),
    Case("Erf", {"x": normal(2, 3)}, on_runtime=True),
    unary("Acosh", positive(2, 3) + 1),
    # Activations.
    *(unary(op) for op in ("Relu", "LeakyRelu", "Elu", "Selu", "Sigmoid", "Tanh", "HardSigmoid", "Softplus")),
    *(unary(op) for op in ("HardSwish", "Softsign", "ThresholdedRelu", "Softmax", "LogSoftmax")),
    unary("HardSwish", normal(4, 5) * 4, label="wide"),
    unary("LeakyRelu", alpha=2.5, label="steep"),
    unary("LeakyRelu", alpha=-0.3, label="negative"),
    unary("Elu", alpha=0.4, label="alpha"),
    unary("Selu", alpha=1.2, gamma=0.8, label="parameters"),
    unary("HardSigmoid", alpha=0.3, beta=0.6, label="parameters"),
    unary("ThresholdedRelu", alpha=0.2, label="alpha"),
    unary("Softmax", axis=1, label="inner-axis"),
    unary("LogSoftmax", axis=0, label="first-axis"),
    Case("PRelu", {"x": normal(2, 3, 4), "s": normal(3, 1)}),
    Case("Clip", {"x": normal(4, 5) * 3}, constants={"lo": np.asarray(-1.0), "hi": np.asarray(2.0)}),
    Case("Clip", {"x": normal(4, 5) * 3, "hi": np.asarray(0.5)}, order=["x", "", "hi"], label="bound-varies"),
    # Linear algebra.
    Case("MatMul", {"a": normal(3, 4), "b": normal(4, 2)}),
    Case("MatMul", {"a": normal(2, 1, 3, 4), "b": normal(5, 4, 2)}, label="batches"),
    Case("MatMul", {"a": normal(4), "b": normal(4)}, label="vectors"),
    Case("MatMul", {"a": normal(4), "b": normal(2, 4, 3)}, label="row"),
    Case("MatMul", {"a": normal(2, 3, 4), "b": normal(4)}, label="column"),
    *(
        Case(
            "Gemm",
            {
                "a": normal(*((4, 3) if ta else (3, 4))),
                "b": normal(*((2, 4) if tb else (4, 2))),
                "c": normal(1, 2),
            },
            {"transA": ta, "transB": tb, "alpha": 0.7, "beta": 1.3},
            label=f"{ta}{tb}",
        )
        for ta in (0, 1)
        for tb in (0, 1)
    ),
    Case("Gemm", {"a": normal(3, 4)}, constants={"b": normal(4, 2)}, label="no-bias"),
    # Convolutions; the property tests draw many more.
    Case("Conv", {"x": normal(2, 3, 6, 7), "w": normal(4, 3, 3, 2), "b": normal(4)}, {"pads": [1, 0, 2, 1]}),
    Case(
        "Conv",
        {"x": normal(1, 4, 7, 6), "w": normal(6, 2, 3, 3)},
        {"group": 2, "strides": [2, 3]},
        label="group",
        on_runtime=True,
    ),
    Case(
        "Conv",
        {"x": normal(1, 4, 6, 6), "w": normal(4, 1, 3, 3)},
        {"group": 4, "pads": [1] * 4},
        label="depthwise",
    ),
    Case("Conv", {"x": normal(1, 2, 8, 9), "w": normal(3, 2, 2, 3)}, {"dilations": [2, 3]}, label="dilated"),
    Case(
        "Conv",
        {"x": normal(1, 2, 5, 5), "w": normal(3, 2, 1, 1)},
        {"strides": [2, 2]},
        label="pointwise-strided",
    ),
    Case("Conv", {"x": normal(1, 2, 9), "w": normal(3, 2, 3)}, {"strides": [2], "pads": [1, 0]}, label="1d"),
    Case("Conv", {"x": normal(1, 2, 4, 5, 4), "w": normal(2, 2, 2, 3, 2)}, {"pads": [1] * 6}, label="3d"),
    Case("Conv", {"x": normal(1, 2, 4, 4), "w": normal(2, 2, 2, 2)}, {"pads": [2, 3, 2, 2]}, label="wide-pads"),
    *(
        Case(
            "Conv",
            {"x": normal(1, 2, 6, 7), "w": normal(3, 2, 3, 4)},
            {"auto_pad": auto, "strides": [2, 3]},
            free=free,
            label=f"{auto}{'-free' if free else ''}",
        )
        for auto in ("SAME_UPPER", "SAME_LOWER", "VALID")
        for free in (False, True)
    ),
    Case(
        "Conv",
        {"x": normal(1, 2, 7, 8)},
        {"strides": [2, 2]},
        {"w": normal(3, 2, 3, 3)},
        free=True,
        label="free",
    ),
    Case(
        "ConvTranspose",
        {"x": normal(2, 3, 4, 3), "w": normal(3, 4, 3, 2), "b": normal(4)},
        {"pads": [1, 0, 0, 1]},
    ),
    Case(
        "ConvTranspose",
        {"x": normal(1, 4, 4, 3), "w": normal(4, 2, 3, 3)},
        {"group": 2, "strides": [2, 3], "output_padding": [1, 2], "dilations": [1, 2]},
        label="group",
        on_runtime=True,
    ),
    Case(
        "ConvTranspose",
        {"x": normal(1, 2, 4, 4), "w": normal(2, 3, 3, 3)},
        {"strides": [2, 2], "output_shape": [8, 8]},
        label="output-shape",
        on_runtime=True,
    ),
    Case(
        "ConvTranspose",
        {"x": normal(1, 2, 4, 4), "w": normal(2, 3, 3, 3)},
        {"strides": [2, 2], "auto_pad": "SAME_UPPER"},
        label="same",
        runtime_tolerance=2e-5,
    ),
    # Pooling.
    Case("MaxPool", {"x": normal(2, 3, 6, 8)}, {"kernel_shape": [2, 2], "strides": [2, 2]}, label="tiles"),
    Case(
        "MaxPool",
        {"x": normal(1, 2, 7, 9)},
        {"kernel_shape": [2, 2], "strides": [2, 2]},
        free=True,
        label="odd",
    ),
    Case(
        "MaxPool",
        {"x": normal(1, 2, 7, 8)},
        {"kernel_shape": [3, 3], "strides": [2, 2]},
        free=True,
        label="overlap",
    ),
    Case("MaxPool", {"x": normal(1, 2, 6, 6)}, {"kernel_shape": [3, 3], "pads": [1] * 4}, label="stride-one"),
    Case(
        "MaxPool",
        {"x": normal(1, 2, 7, 7)},
        {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1, "pads": [0, 0, 1, 1]},
        label="ceil",
    ),
    Case("MaxPool", {"x": normal(1, 2, 9)}, {"kernel_shape": [3], "strides": [2], "dilations": [2]}, label="1d"),
    Case("MaxPool", {"x": normal(1, 1, 4, 5, 4)}, {"kernel_shape": [2, 3, 2], "strides": [2, 1, 2]}, label="3d"),
    Case(
        "MaxPool",
        {"x": normal(1, 2, 7, 8)},
        {"kernel_shape": [3, 2], "strides": [2, 3], "auto_pad": "SAME_UPPER"},
    ),
    Case("AveragePool", {"x": normal(1, 2, 6, 8)}, {"kernel_shape": [2, 2], "strides": [2, 2]}, label="tiles"),
    Case(
        "AveragePool",
        {"x": normal(1, 2, 7, 9)},
        {"kernel_shape": [2, 2], "strides": [2, 2]},
        free=True,
        label="odd",
    ),
    *(
        Case(
            "AveragePool",
            {"x": normal(1, 2, 7, 8)},
            {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 0, 1, 1], "count_include_pad": include},
            free=True,
            label=f"pads-{include}",
        )
        for include in (0, 1)
    ),
    Case(
        "AveragePool",
        {"x": normal(1, 2, 6, 6)},
        {"kernel_shape": [3, 3], "pads": [1] * 4},
        label="stride-one",
    ),
    Case(
        "AveragePool",
        {"x": normal(1, 2, 6, 6)},
        {"kernel_shape": [3, 2], "pads": [1, 1, 1, 0], "count_include_pad": 1},
        label="stride-one-include",
    ),
    Case("AveragePool", {"x": normal(1, 2, 7)}, {"kernel_shape": [3], "strides": [2]}, label="1d"),
    Case("LpPool", {"x": normal(1, 2, 6, 7)}, {"kernel_shape": [3, 2], "strides": [2, 2], "p": 2}),
    Case("LpPool", {"x": normal(1, 2, 6, 7)}, {"kernel_shape": [2, 2], "p": 3}, label="cube"),
    Case("GlobalAveragePool", {"x": normal(2, 3, 4, 5)}),
    Case("GlobalAveragePool", {"x": normal(2, 3, 4, 5)}, free=True, label="free"),
    Case("GlobalMaxPool", {"x": normal(2, 3, 4, 5)}),
    Case("GlobalLpPool", {"x": normal(2, 3, 4, 5)}, {"p": 2}, on_runtime=True),
    # Normalisation.
    Case(
        "BatchNormalization",
        {"x": normal(2, 3, 4, 5), "s": normal(3), "b": normal(3), "m": normal(3), "v": positive(3)},
        {"epsilon": 1e-3},
    ),
    *(
        Case(
            "LRN",
            {"x": normal(1, 6, 3, 4) * 3},
            {"size": size, "alpha": 0.5, "beta": beta, "bias": 1.5},
            label=f"{size}",
            on_runtime=True,
        )
        for size, beta in ((5, 0.75), (7, 0.6), (3, 0.75))
    ),
    Case("InstanceNormalization", {"x": normal(2, 3, 4, 5), "s": normal(3), "b": normal(3)}),
    Case("LayerNormalization", {"x": normal(2, 3, 5), "s": normal(5), "b": normal(5)}),
    Case("LayerNormalization", {"x": normal(2, 3, 5), "s": normal(5)}, {"epsilon": 0.5}, label="no-bias"),
    Case(
        "LayerNormalization",
        {"x": normal(2, 3, 4, 5), "s": normal(3, 4, 5), "b": normal(4, 1)},
        {"axis": 1},
        label="axes",
    ),
    Case("LayerNormalization", {"x": normal(1, 4, 6), "s": normal(6), "b": normal(6)}, free=True, label="free-sizes"),
    Case("LpNormalization", {"x": normal(2, 3, 4)}, {"axis": 1}),
    Case("LpNormalization", {"x": -positive(2, 3, 4)}, {"axis": -1, "p": 1}, label="l1", on_runtime=True),
    # Reductions.
    *(
        Case(op, {"x": positive(2, 3, 4)}, {"keepdims": keep}, {"axes": ints(-1, 0)}, label=f"axes-{keep}")
        for op in (
            "ReduceSum",
            "ReduceMean",
            "ReduceMax",
            "ReduceMin",
            "ReduceL1",
            "ReduceL2",
            "ReduceSumSquare",
        )
        for keep in (0, 1)
    ),
    *(
        Case(op, {"x": positive(2, 3, 4)}, {"keepdims": 0}, label="all")
        for op in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceLogSum", "ReduceLogSumExp")
    ),
    Case("ReduceLogSum", {"x": positive(2, 3, 4)}, {"keepdims": 1}, {"axes": ints(1)}, label="axis"),
    Case("ReduceLogSumExp", {"x": normal(2, 3, 4)}, {"keepdims": 1}, {"axes": ints(1)}, label="axis"),
    Case("ReduceSum", {"x": normal(2, 3)}, {"noop_with_empty_axes": 1}, label="no-axes"),
    *(
        Case(
            "CumSum",
            {"x": normal(3, 4)},
            {"exclusive": e, "reverse": r},
            {"axis": np.asarray(1)},
            label=f"{e}{r}",
        )
        for e in (0, 1)
        for r in (0, 1)
    ),
    # Moving elements about.
    unary("Identity"),
    Case("Dropout", {"x": normal(2, 3)}),
    Case("Reshape", {"x": normal(2, 3, 4)}, constants={"s": ints(0, -1)}),
    Case("Flatten", {"x": normal(2, 3, 4, 2)}, {"axis": 2}),
    Case("Squeeze", {"x": normal(2, 1, 4, 1)}, constants={"axes": ints(-1, 1)}),
    Case("Unsqueeze", {"x": normal(2, 4)}, constants={"axes": ints(0, -1)}),
    Case("Transpose", {"x": normal(2, 3, 4)}, {"perm": [2, 0, 1]}),
    Case("Transpose", {"x": normal(2, 3, 4)}, label="reverse"),
    Case("Expand", {"x": normal(3, 1)}, constants={"s": ints(2, 3, 4)}),
    Case("Tile", {"x": normal(2, 3)}, constants={"r": ints(2, 3)}),
    Case("Concat", {"a": normal(2, 3, 2), "b": normal(2, 1, 2), "c": normal(2, 2, 2)}, {"axis": -2}),
    Case("Concat", {"a": normal(1, 2, 3, 2), "b": normal(1, 2, 3, 4)}, {"axis": 3}, free=True, label="free"),
    Case(
        "Concat",
        {"x": normal(2, 3)},
        {"axis": 1},
        {"f": normal(2, 2), "l": normal(2, 1)},
        order=["f", "x", "l"],
        label="one",
    ),
    Case(
        "Concat",
        {"x": normal(1, 2, 3, 4)},
        {"axis": 2},
        {"f": normal(1, 2, 1, 4)},
        order=["f", "x"],
        free=True,
        label="token",
    ),
    Case("Split", {"x": normal(2, 6)}, {"axis": 1}, {"s": ints(1, 3, 2)}, outputs=3),
    Case("Split", {"x": normal(5, 2)}, {"num_outputs": 2}, outputs=2, label="even"),
    Case("Slice", {"x": normal(5, 6)}, constants={"s": ints(1, -4), "e": ints(4, 100), "a": ints(0, 1)}),
    Case(
        "Slice",
        {"x": normal(7, 8)},
        constants={"s": ints(1, -1), "e": ints(7, -100), "a": ints(0, 1), "t": ints(3, -2)},
        label="steps",
    ),
    Case(
        "Slice",
        {"x": normal(1, 2, 7, 8)},
        constants={"s": ints(1), "e": ints(-1), "a": ints(2)},
        free=True,
        label="free",
    ),
    Case("DepthToSpace", {"x": normal(1, 8, 2, 3)}, {"blocksize": 2}),
    Case("DepthToSpace", {"x": normal(1, 8, 2, 3)}, {"blocksize": 2, "mode": "CRD"}, label="crd"),
    Case("SpaceToDepth", {"x": normal(1, 2, 4, 6)}, {"blocksize": 2}),
    Case("Trilu", {"x": normal(3, 4)}, {"upper": 0}),
    Case("Pad", {"x": normal(3, 4)}, constants={"p": ints(1, 0, 2, 3)}),
    Case("Pad", {"x": normal(5, 6)}, constants={"p": ints(-1, 2, 1, -2)}, label="negative", on_runtime=True),
    Case(
        "Pad", {"x": normal(3, 4), "v": normal()}, {}, {"p": ints(1, 0, 2, 3)}, order=["x", "p", "v"], label="filling"
    ),
    *(
        Case(
            "Pad",
            {"x": normal(1, 2, 4, 5)},
            {"mode": mode},
            {"p": ints(0, 0, 2, 1, 0, 0, 3, 2)},
            free=free,
            label=f"{mode}-{free}",
        )
        for mode in ("reflect", "edge")
        for free in (False, True)
    ),
    Case(
        "Pad",
        {"x": normal(1, 1, 2, 2)},
        {"mode": "reflect"},
        {"p": ints(0, 0, 1, 1, 0, 0, 1, 1)},
        label="tiny",
    ),
    Case(
        "Pad",
        {"x": normal(1, 1, 1, 2)},
        {"mode": "edge"},
        {"p": ints(0, 0, 2, 1, 0, 0, 1, 1)},
        label="one-row",
    ),
    Case(
        "Pad",
        {"x": normal(4, 5)},
        {"mode": "edge"},
        {"p": ints(1, 2), "v": np.asarray(0.0), "axes": ints(-1)},
        label="axes",
    ),
    # Resizing.
    *(
        Case(
            "Resize",
            {"x": normal(1, 2, 3, 4)},
            {"mode": mode, "coordinate_transformation_mode": how, "nearest_mode": "floor"},
            {"scales": np.asarray(scales, dtype=np.float32)},
            order=["x", "", "scales"],
            free=free,
            label=f"{mode}-{how}-{scales[2]}",
        )
        for mode, how, scales, free in (
            ("nearest", "asymmetric", (1, 1, 2, 3), True),
            ("nearest", "half_pixel", (1, 1, 2, 2), False),
            ("nearest", "asymmetric", (1, 1, 0.6, 1.7), False),
            ("linear", "half_pixel", (1, 1, 2, 2), True),
            ("linear", "align_corners", (1, 1, 2, 1.5), False),
            ("linear", "asymmetric", (1, 1, 0.5, 2.5), False),
            ("cubic", "half_pixel", (1, 1, 2, 2), False),
        )
    ),
    Case(
        "Resize",
        {"x": normal(1, 2, 3, 4)},
        {"mode": "linear"},
        {"sizes": ints(1, 2, 5, 3)},
        order=["x", "", "", "sizes"],
        label="sizes",
    ),
    # Indexing.
    Case("Gather", {"x": normal(3, 4)}, {"axis": 1}, {"i": ints(2, 0, 2, -1)}, label="repeats"),
    Case("Gather", {"x": normal(1, 3, 2, 2)}, {"axis": 1}, {"i": ints(2, 1, 0)}, free=True, label="permutation"),
    Case("Gather", {"x": normal(3, 4)}, {"axis": 0}, {"i": np.asarray(1)}, label="scalar"),
    Case("Gather", {"x": normal(1, 2, 5, 3)}, {"axis": 2}, {"i": np.asarray(1)}, free=True, label="scalar-free"),
    Case("Gather", {"x": normal(1, 2, 5, 3)}, {"axis": 3}, {"i": ints(-1)}, free=True, label="last-free"),
    Case("Gather", {"x": normal(1, 2, 5, 3)}, {"axis": 2}, {"i": ints([2])}, free=True, label="boxed-free"),
    Case("Gather", {"x": normal(3, 4, 2), "i": np.asarray([[0, 3], [3, 1]])}, {"axis": 1}, label="at-run-time"),
    Case("GatherElements", {"x": normal(3, 4), "i": np.asarray([[0, 0, 2, 1], [2, 0, 2, 1]])}, {"axis": 0}),
    Case("GatherND", {"x": normal(3, 4, 2), "i": np.asarray([[0, 1], [2, 3], [0, 1]])}),
    Case("GatherND", {"x": normal(2, 3, 4), "i": np.asarray([[1], [0]])}, {"batch_dims": 1}, label="batch"),
    Case(
        "GatherND",
        {"x": normal(2, 2, 4), "i": np.asarray([[[1], [1], [-1]], [[0], [3], [0]]])[:, None].repeat(2, axis=1)},
        {"batch_dims": 2},
        label="batches",
    ),
]
