"""Moving elements about, and resizing."""

from __future__ import annotations

import numpy as np

from helpers.cases.arrays import ints, normal, unary
from helpers.gradcheck import Case

MOVING: list[Case] = [
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
    *(
        Case(
            "Slice",
            {"x": normal(1, 2, 7, 8)},
            constants={name: np.asarray([value], np.int32) for name, value in bounds.items()},
            free=True,
            label=f"int32-{label}",
        )
        for label, bounds in {
            "steps": {"s": 1, "e": 7, "a": 2, "t": 2},
            "to-the-end": {"s": 1, "e": 2**31 - 1, "a": 2},
        }.items()
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
    Case("ReverseSequence", {"x": normal(4, 3, 2)}, {}, {"lengths": ints(4, 1, 3)}),
    Case(
        "ReverseSequence",
        {"x": normal(3, 4, 2)},
        {"time_axis": 1, "batch_axis": 0},
        {"lengths": ints(2, 4, 3)},
        label="batch-first",
    ),
]
