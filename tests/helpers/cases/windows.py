"""Convolutions and poolings; the property tests draw many more."""

from __future__ import annotations

import numpy as np

from helpers.cases.arrays import ints, normal, within
from helpers.gradcheck import Case

WINDOWS: list[Case] = [
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
    # Blocks put together again.
    *(
        Case(
            "Col2Im",
            {"x": normal(2, 3 * int(np.prod(block)), length)},
            attributes,
            {"image": ints(*image), "block": ints(*block)},
            label=label,
        )
        for image, block, length, attributes, label in (
            ((4, 6), (2, 3), 4, {"strides": [2, 3]}, "tiles"),
            ((5, 5), (3, 3), 9, {"pads": [1, 1, 1, 1], "strides": [2, 2]}, "overlapping"),
            ((6, 7), (2, 2), 16, {"dilations": [2, 3]}, "dilated"),
            ((5, 4), (2, 3), 2, {"strides": [2, 2]}, "uncovered"),
            ((7,), (3,), 3, {"strides": [2]}, "1d"),
        )
    ),
    # Written out; test_grid_sample.py has the gradient of the grid, tests/peers/test_sampling.py all forms.
    *(
        Case(
            "GridSample",
            {"x": normal(1, 2, 3, 4), "g": within(1, 2, 3, 2) * 1.7},
            {"mode": mode, "padding_mode": padding, "align_corners": aligned},
            wrt=["x"],
            opset=20,
            label=f"{mode}-{padding}-{aligned}",
        )
        for mode, padding, aligned in (
            ("linear", "zeros", 0),
            ("linear", "border", 1),
            ("linear", "reflection", 0),
            ("nearest", "zeros", 1),
            ("cubic", "zeros", 0),
        )
    ),
]
