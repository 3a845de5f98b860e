"""Normalisation and reductions."""

from __future__ import annotations

import numpy as np

from helpers.cases.arrays import ints, normal, positive
from helpers.gradcheck import Case

REDUCTIONS: list[Case] = [
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
    Case("ReduceProd", {"x": normal(2, 3, 4)}, {}, {"axes": ints(1)}),
    Case("ReduceProd", {"x": normal(2, 3, 4)}, {"keepdims": 0}, {"axes": ints(0, 2)}, label="flat"),
    Case("ReduceProd", {"x": normal(2, 3)}, label="all"),
    Case(
        "ReduceProd",
        {"x": np.asarray([[0.0, 2.0, 3.0], [0.0, 0.0, 5.0], [1.0, 2.0, 4.0]])},
        {},
        {"axes": ints(1)},
        label="zeros",
    ),
]
