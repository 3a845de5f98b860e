"""Taking elements by index, and putting them there."""

from __future__ import annotations

import numpy as np

from helpers.cases.arrays import ints, normal
from helpers.gradcheck import Case

INDEXING: list[Case] = [
    # Indexing.
    Case("Gather", {"x": normal(3, 4)}, {"axis": 1}, {"i": ints(2, 0, 2, -1)}, label="repeats"),
    Case("Gather", {"x": normal(1, 3, 2, 2)}, {"axis": 1}, {"i": ints(2, 1, 0)}, free=True, label="permutation"),
    Case("Gather", {"x": normal(3, 4)}, {"axis": 0}, {"i": np.asarray(1)}, label="scalar"),
    Case("Gather", {"x": normal(1, 2, 5, 3)}, {"axis": 2}, {"i": np.asarray(1)}, free=True, label="scalar-free"),
    Case("Gather", {"x": normal(1, 2, 5, 3)}, {"axis": 3}, {"i": ints(-1)}, free=True, label="last-free"),
    Case("Gather", {"x": normal(1, 2, 5, 3)}, {"axis": 2}, {"i": ints([2])}, free=True, label="boxed-free"),
    Case("Gather", {"x": normal(3, 4, 2), "i": np.asarray([[0, 3], [3, 1]])}, {"axis": 1}, label="at-run-time"),
    Case("Gather", {"x": normal(3, 4), "i": np.asarray([2, 0, 2], np.int32)}, {"axis": 1}, label="int32"),
    Case("GatherElements", {"x": normal(3, 4), "i": np.asarray([[0, 0, 2, 1], [2, 0, 2, 1]])}, {"axis": 0}),
    Case("GatherND", {"x": normal(3, 4, 2), "i": np.asarray([[0, 1], [2, 3], [0, 1]])}),
    Case("GatherND", {"x": normal(2, 3, 4), "i": np.asarray([[1], [0]])}, {"batch_dims": 1}, label="batch"),
    Case(
        "GatherND",
        {"x": normal(2, 2, 4), "i": np.asarray([[[1], [1], [-1]], [[0], [3], [0]]])[:, None].repeat(2, axis=1)},
        {"batch_dims": 2},
        label="batches",
    ),
    # Putting elements into place.
    *(
        Case(
            "ScatterND",
            {"x": normal(3, 4, 2), "u": normal(3, 2)},
            {"reduction": reduction} if reduction else {},
            {"i": np.asarray([[0, 1], [2, -1], [1, 0]])},
            order=["x", "i", "u"],
            label=reduction or "replaced",
        )
        for reduction in ("", "add", "mul", "max", "min")
    ),
    *(
        Case(
            "ScatterND",
            {"x": normal(3, 2), "u": normal(4, 2)},
            {"reduction": reduction},
            {"i": np.asarray([[0], [2], [0], [0]])},
            order=["x", "i", "u"],
            label=f"{reduction}-repeats",
        )
        for reduction in ("add", "mul", "max", "min")
    ),
    Case(
        "ScatterND",
        {"x": normal(4), "u": np.asarray([0.0, 0.7, 0.0, 1.5, 0.4])},
        {"reduction": "mul"},
        {"i": np.asarray([[0], [0], [1], [2], [2]])},
        order=["x", "i", "u"],
        label="mul-by-zero",
    ),
    *(
        Case(
            "ScatterElements",
            {"x": normal(3, 4), "u": normal(2, 3)},
            {"axis": axis, **({"reduction": reduction} if reduction else {})},
            {"i": np.asarray([[0, 2, 1], [2, -3, 0]])},
            order=["x", "i", "u"],
            label=f"{reduction or 'replaced'}-{axis}",
        )
        for axis in (0, -1)
        for reduction in ("", "add", "mul", "max", "min")
    ),
    Case(
        "ScatterElements",
        {"x": normal(3, 4), "i": np.asarray([[0, 1, 2, 0], [0, 1, 1, 2]]), "u": normal(2, 4)},
        {"reduction": "add"},
        label="at-run-time",
    ),
    Case("Compress", {"x": normal(3, 4, 2)}, {"axis": 1}, {"c": np.asarray([False, True, True])}),
    Case("Compress", {"x": normal(3, 4)}, {}, {"c": np.asarray([True, False, False, True, True])}, label="flat"),
    Case("Compress", {"x": normal(3, 4), "c": np.asarray([True, False, True])}, {"axis": -2}, label="at-run-time"),
    *(
        Case(
            "TopK",
            {"x": normal(2, 5, 3)},
            {"axis": axis, "largest": largest},
            {"k": ints(k)},
            unasked=1,
            label=f"axis-{axis}",
        )
        for axis, largest, k in ((-1, 1, 2), (1, 0, 3))
    ),
    Case(
        "MaxUnpool",
        {"x": normal(1, 2, 2, 2)},
        {"kernel_shape": [2, 2], "strides": [2, 2]},
        {"i": np.asarray([[[[0, 3], [9, 14]], [[17, 22], [24, 31]]]])},
    ),
]
