"""Pooling windows that ``ceil_mode`` counts and every runtime drops, written so that none is left to drop."""

from __future__ import annotations

import onnx_ir as ir

from pixelgrad.exporters.opset18.attributes import integer, integers, text

_POOLINGS = {"MaxPool", "AveragePool", "LpPool"}


def without_dropped_windows(graph: ir.Graph) -> None:
    """Shorten the padding of poolings of known size whose last window would start beyond the input, in place.

    Such a window is dropped by every runtime, and counted by ONNX's own shape inference before opset 22: ONNX Runtime
    then refuses a graph that goes on with the size that there is. What is written holds at that size alone, so it is
    for a graph that is finished.
    """
    for node in graph:
        if node.op_type in _POOLINGS and integer(node, "ceil_mode", 0):
            _shorten(node)


def _shorten(node: ir.Node) -> None:
    x = node.inputs[0]
    kernel = integers(node, "kernel_shape") or []
    n = len(kernel)
    sizes = list(x.shape[2:]) if x is not None and x.shape is not None else []
    strides = integers(node, "strides", [1] * n) or []
    dilations = integers(node, "dilations", [1] * n) or []
    pads = integers(node, "pads", [0] * 2 * n) or []
    if text(node, "auto_pad", "NOTSET").startswith("SAME"):
        return
    ends, overs = pads[n:], []
    dropped = reaches = leaves = False
    for axis, size in enumerate(sizes):
        if not isinstance(size, int):
            return
        room = size + pads[axis] - (kernel[axis] - 1) * dilations[axis] - 1
        begins = -(-(room + ends[axis]) // strides[axis]) * strides[axis]  # the last window, with the padding in front
        beyond = begins >= size + pads[axis]
        overs.append(begins - strides[axis] * beyond - room)  # how far the last that is left reaches over the input
        if beyond:
            dropped = True
            leaves |= overs[axis] < 0  # some of the input, for which ceil_mode counts a window whatever the padding
            ends[axis] = max(overs[axis], 0)
        else:
            reaches |= overs[axis] > ends[axis]  # over the padding, which counts in no average
    if not dropped or (leaves and reaches and integer(node, "count_include_pad", 0)):
        return
    if leaves:
        ends = [max(over, 0) for over in overs]
        node.attributes["ceil_mode"] = ir.AttrInt64("ceil_mode", 0)
    node.attributes["pads"] = ir.AttrInt64s("pads", [*pads[:n], *ends])
