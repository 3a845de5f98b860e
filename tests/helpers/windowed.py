"""Random stacks of convolutions, poolings and paddings."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from onnx import helper

__all__ = ["layers", "windowed"]

_PADS = st.tuples(*[st.integers(0, 2)] * 4)


@st.composite
def windowed(draw: Any) -> tuple[str, dict[str, Any], tuple[int, int]]:
    """A convolution, a pooling or a padding: its operator, attributes and kernel."""
    kind = draw(st.sampled_from(["Conv", "MaxPool", "AveragePool", "Conv SAME_UPPER", "Conv SAME_LOWER", "Pad"]))
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    attributes: dict[str, Any] = {"strides": list(draw(st.tuples(st.integers(1, 3), st.integers(1, 3))))}
    if kind == "Pad":
        return kind, {"pads": draw(_PADS)}, kernel
    if "SAME" in kind:
        attributes["auto_pad"] = kind.split()[1]
    else:
        pads = draw(_PADS)
        attributes["pads"] = [min(p, k - 1) for p, k in zip(pads, kernel * 2, strict=True)]
    if kind == "Conv":  # ONNX Runtime has no dilation with SAME padding
        attributes["dilations"] = list(draw(st.tuples(st.integers(1, 2), st.integers(1, 2))))
    return kind.split()[0], attributes, kernel


def layers(rows: list[Any], prefix: str, source: str, depth: int, weights: dict[str, Any]) -> tuple[list[Any], str]:
    """Nodes that do ``rows`` one after the other, and the last output; ``weights`` takes what they need."""
    nodes = []
    for number, (kind, attributes, kernel) in enumerate(rows):
        output = f"{prefix}{number}"
        if kind == "Pad":
            top, left, bottom, right = attributes["pads"]
            weights[f"{output}_pads"] = np.asarray([0, 0, top, left, 0, 0, bottom, right])
            nodes.append(helper.make_node("Pad", [source, f"{output}_pads"], [output], mode="constant"))
        elif kind == "Conv":
            weights[f"{output}_w"] = np.ones((2, depth, *kernel), np.float32)
            nodes.append(helper.make_node("Conv", [source, f"{output}_w"], [output], **attributes))
            depth = 2
        else:
            # An average stands in for the maximum: same windows, and it depends on all of them.
            nodes.append(helper.make_node("AveragePool", [source], [output], kernel_shape=kernel, **attributes))
        source = output
    return nodes, source
