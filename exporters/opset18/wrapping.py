"""Pad that goes on with the other end, as PyTorch pads in circles, written as the ends cut off and joined on.

Opset 18 has no such mode, though PyTorch writes it there and ONNX Runtime runs it.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.opset18.attributes import operand, optional, text
from pixelgrad.exporters.opset18.convert import Converter
from pixelgrad.exporters.opset18.shapes import constant, dims, normalize_axis, rank

__all__ = ["join_ends"]

_END = int(np.iinfo(np.int64).max)


def join_ends(converter: Converter) -> bool:
    """Rewrite each such Pad, in place; whether there was one. Shapes must have been inferred."""
    is_changed = False
    for node in list(converter.graph):
        if node.op_type == "Pad" and not node.domain and text(node, "mode", "constant") == "wrap":
            _join(converter, node)
            is_changed = True
    return is_changed


def _join(converter: Converter, node: ir.Node) -> None:
    x, ndim, where = operand(node), rank(operand(node)), f"Pad at {node.outputs[0].name!r}"
    pads, given = constant(operand(node, 1)), optional(node, 3)
    axes = np.arange(ndim) if given is None else constant(given)
    if pads is None or axes is None:
        raise NetworkError(f"{where}: how much is padded by mode 'wrap' must be known before the network runs")
    value, half = x, len(pads) // 2
    for given_axis, begin, end in zip(axes, pads[:half], pads[half:], strict=True):
        axis = normalize_axis(int(given_axis), ndim)
        size = dims(x)[axis]
        if min(begin, end) < 0 or (isinstance(size, int) and max(begin, end) > size):
            raise NetworkError(f"{where}: mode 'wrap' may pad by as much as there is, from 0 to {size}")

        def cut(first: int, last: int, source: ir.Value = value, along: int = axis) -> ir.Value:
            bounds = (converter.const(np.asarray([number], np.int64)) for number in (first, last, along))
            return converter.before(node, "Slice", source, *bounds)

        parts = [cut(-int(begin), _END)] if begin else []
        parts += [value, *([cut(0, int(end))] if end else [])]
        if len(parts) > 1:
            value = converter.before(node, "Concat", *parts, axis=axis)
    converter.become(node, "Identity", [value])
