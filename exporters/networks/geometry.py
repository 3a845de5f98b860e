"""Where in the image a layer looks: its stride and receptive field, and the smallest image it can take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import onnx_ir as ir

from pixelgrad.exporters.opset18.attributes import integers, text
from pixelgrad.exporters.opset18.shapes import constant, dims

_LARGEST_MINIMUM = 4096


@dataclass(frozen=True)
class Geometry:
    """stride: image pixels from one position of the layer to the next; ``None`` for what has no positions.
    receptive_field: image pixels that one position depends on, along an edge; ``None`` for a layer that sees the whole
        image at once, as one does that a global average has scaled (squeeze and excitation).
    """

    stride: float | None
    receptive_field: float | None


_WHOLE = Geometry(None, None)
_GLOBAL = {"GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool", "Gemm", "Flatten", "MatMul", "Reshape"}
_WINDOWED = {"Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool"}


def geometries(graph: ir.Graph, image: ir.Value) -> dict[ir.Value, Geometry]:
    """The geometry of every tensor that depends on ``image`` (Araujo et al. 2019, along the height)."""
    known = {image: Geometry(1, 1)}
    for node in graph:
        inputs = [known[value] for value in node.inputs if value is not None and value in known]
        if not inputs:
            continue
        result = _through(node, inputs)
        known.update(dict.fromkeys(node.outputs, result))
    return known


def _through(node: ir.Node, inputs: list[Geometry]) -> Geometry:
    strides = [g.stride for g in inputs if g.stride is not None]
    if node.op_type in _GLOBAL or not strides:
        return _WHOLE
    step = float(max(strides))
    if any(g.receptive_field is None for g in inputs):
        return Geometry(_through(node, [Geometry(step, 1)]).stride, None)
    field = max(float(g.receptive_field or 0) for g in inputs)
    if node.op_type in _WINDOWED:
        weight = node.inputs[1] if node.op_type.startswith("Conv") else None
        kernel = integers(node, "kernel_shape") or ([int(d) for d in dims(weight)[2:]] if weight else [1])  # type: ignore[arg-type]
        stride = (integers(node, "strides") or [1])[0]
        extent = (kernel[0] - 1) * (integers(node, "dilations") or [1])[0] + 1
        if node.op_type == "ConvTranspose":
            step /= stride
            return Geometry(_tidy(step), _tidy(field + (extent - 1) * step))
        return Geometry(_tidy(step * stride), _tidy(field + (extent - 1) * step))
    if node.op_type == "Resize":
        scales = constant(node.inputs[2]) if len(node.inputs) > 2 else None
        factor = float(scales[-2]) if scales is not None and scales.size >= 2 else 1.0
        reach = 0 if text(node, "mode", "nearest") == "nearest" else 1
        return Geometry(_tidy(step / factor), _tidy(field + reach * step))
    return Geometry(_tidy(step), _tidy(field))


def _tidy(number: float) -> float:
    return int(number) if number == int(number) else number


def minimum_size(nodes: Iterable[ir.Node]) -> int:
    """The shortest edge, in pixels, for which every window and every reflection of ``nodes`` finds enough to see."""
    wanted: set[tuple[ir.SymbolicDim, int]] = set()
    for node in nodes:
        if node.op_type in _WINDOWED:
            wanted |= {(d, 1) for d in dims(node.outputs[0])[2:] if isinstance(d, ir.SymbolicDim)}
        elif node.op_type == "Pad" and text(node, "mode", "constant") == "reflect":
            pads, source = constant(node.inputs[1]), node.inputs[0]
            if pads is None or source is None:
                continue
            for axis, dim in enumerate(dims(source)):
                reach = max(int(pads[axis]), int(pads[axis + len(pads) // 2]))
                if isinstance(dim, ir.SymbolicDim) and reach:
                    wanted.add((dim, reach + 1))

    def fits(size: int) -> bool:
        sizes = {"H": size, "W": size}
        return all(_evaluate(dim, sizes) >= least for dim, least in wanted)

    low, high = 1, 1
    while not fits(high):
        low, high = high + 1, high * 2
        if high > _LARGEST_MINIMUM:
            return low
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle + 1, high)
    return low


def _evaluate(dim: ir.SymbolicDim, sizes: dict[str, int]) -> int:
    value = dim.evaluate(sizes)
    return value if isinstance(value, int) else _LARGEST_MINIMUM  # depends on something else: no constraint known
