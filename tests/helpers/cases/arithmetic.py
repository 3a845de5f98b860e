"""Element by element: arithmetic and activations; matrix products."""

from __future__ import annotations

import numpy as np

from helpers.cases.arrays import normal, positive, unary, within
from helpers.gradcheck import Case

_SIZES = {"b": 2, "c": 3, "d": 4, "h": 2, "i": 3, "j": 5}

ARITHMETIC: list[Case] = [
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
    Case("Mod", {"a": normal(2, 3) * 4, "b": positive(3)}, {"fmod": 1}),
    Case("Mod", {"a": normal(2, 3) * 4}, {"fmod": 1}, {"b": np.asarray(1.5)}, label="by-a-number"),
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
    # Written out as what has a gradient; test_einsum.py has the forms.
    *(
        Case(
            "Einsum",
            {f"x{place}": normal(*(_SIZES[label] for label in term)) for place, term in enumerate(terms.split(","))},
            {"equation": f"{terms}->{output}"},
            label=f"{terms}-{output}",
        )
        for terms, output in (
            ("bhid,bhjd", "bhij"),
            ("bihd,hjd", "bihj"),
            ("bihd,hd", "bih"),
            ("hid,jhd", "ij"),
            ("ij,ij", ""),
            ("iji,j", "i"),
            ("bi,ci,di", "bcd"),
        )
    ),
]
