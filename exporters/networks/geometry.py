"""Where in the image a layer looks: its stride and receptive field, and the smallest image it can take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import onnx_ir as ir

from pixelgrad.exporters.networks.layouts import Layout
from pixelgrad.exporters.opset18.attributes import integers, optional, text
from pixelgrad.exporters.opset18.shapes import constant, dims

_LARGEST_MINIMUM = 4096


@dataclass(frozen=True)
class Span:
    """What the positions of a layer see along one axis of the image.

    Position ``i`` depends on no pixel outside ``start + i * stride`` to ``start + i * stride + size`` (not included);
    the first ones reach over the edge, so ``start`` may be negative. Exact for convolutions and poolings; behind an
    up-sampling the interval that encloses the field, with fractions.
    slack: where SAME padding depends on the image's size, the field may begin as much as this many pixels later.
    """

    stride: float
    size: float
    start: float
    slack: float = 0

    @property
    def middle(self) -> float:
        """Of what the first position sees, from the edge of the image."""
        return self.start + self.size / 2


@dataclass(frozen=True)
class Geometry:
    """stride: image pixels from one position of the layer to the next, along the height; ``None`` for what has no
        positions.
    receptive_field: image pixels that one position depends on, along the height; ``None`` for a layer that sees the
        whole image at once, as one does that a global average has scaled (squeeze and excitation).
    spans: along the height and the width, where the fields lie; ``None`` for such a layer, too.
    """

    stride: float | None
    receptive_field: float | None
    spans: tuple[Span, Span] | None = None

    @staticmethod
    def of(spans: tuple[Span, Span]) -> Geometry:
        return Geometry(spans[0].stride, spans[0].size, spans)


_WHOLE = Geometry(None, None)
_GLOBAL = {"GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool", "Gemm", "Flatten", "MatMul", "Reshape"}
# Those that leave each position to itself where the layout on both sides is known.
_BY_POSITION = {"Flatten", "MatMul", "Reshape"}
_WINDOWED = {"Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool"}


def geometries(
    graph: ir.Graph, image: ir.Value, where: Mapping[ir.Value, Layout], height: int | None
) -> dict[ir.Value, Geometry]:
    """The geometry of every tensor that depends on ``image`` (Araujo, Norris & Sim 2019, equations 2 to 5).

    where: what is known of layouts. height: that of the image which shapes without ``H`` in them are for.
    """
    known = {image: Geometry.of((Span(1, 1, 0), Span(1, 1, 0)))}
    for node in graph:
        inputs = [known[value] for value in node.inputs if value is not None and value in known]
        if not inputs or node.op_type in {"Shape", "Size"}:  # sizes see nothing
            continue
        kept = node.op_type in _BY_POSITION and node.inputs[0] in where and node.outputs[0] in where
        pooled = node.op_type.startswith("Reduce") and _reduces_positions(node, where)
        result = _WHOLE if pooled else _through(node, inputs, kept)
        if result.stride is None and (layout := where.get(node.outputs[0])) is not None:
            result = Geometry(_stride_of_shape(node.outputs[0], layout, height), None)
        known.update(dict.fromkeys(node.outputs, result))
    return known


def _reduces_positions(node: ir.Node, where: Mapping[ir.Value, Layout]) -> bool:
    """Whether it is a global pooling, over all axes but that of the channels."""
    source = node.inputs[0]
    if source is None or source not in where:
        return False
    axes, rank = constant(optional(node, 1)), len(dims(source))
    return axes is None or any(int(axis) % rank not in (0, where[source].channels) for axis in axes)


def _stride_of_shape(value: ir.Value, layout: Layout, height: int | None) -> float | None:
    """That of a map which is no more known than by its size, as behind windows that were cut and put together."""
    source, axis = layout.grid or (value, layout.positions)
    rows = dims(source)[axis]
    if isinstance(rows, ir.SymbolicDim):
        small, large = (rows.evaluate({"H": size, "W": size}) for size in (_LARGEST_MINIMUM, 2 * _LARGEST_MINIMUM))
        if not isinstance(small, int) or not isinstance(large, int) or large <= small:
            return None
        return _LARGEST_MINIMUM / (large - small)
    return height / rows if height is not None and 1 < rows <= height else None


def _through(node: ir.Node, inputs: list[Geometry], kept: bool) -> Geometry:
    strides = [g.stride for g in inputs if g.stride is not None]
    if (node.op_type in _GLOBAL and not kept) or not strides:
        return _WHOLE
    pairs = [g.spans for g in inputs if g.spans is not None]
    if len(pairs) < len(inputs):
        return Geometry(_along(node, [Span(max(strides), 1, 0)], 0).stride, None)
    height, width = (_along(node, [pair[axis] for pair in pairs], axis) for axis in (0, 1))
    return Geometry.of((height, width))


def _along(node: ir.Node, inputs: list[Span], axis: int) -> Span:
    """The fields behind ``node``, along the height (axis 0) or the width (1)."""
    span = _union(inputs)
    if node.op_type in _WINDOWED:
        return _windowed(node, span, axis)
    if node.op_type == "Pad":
        pads = constant(node.inputs[1])
        before = 0 if pads is None else int(pads[len(pads) // 2 - 2 + axis])
        return _tidy(span.stride, span.size, span.start - before * span.stride, span.slack)
    if node.op_type == "Resize":
        scales = constant(node.inputs[2]) if len(node.inputs) > 2 else None
        factor = float(scales[axis - 2]) if scales is not None and scales.size >= 2 else 1.0
        reach = 0 if text(node, "mode", "nearest") == "nearest" else 1
        # Which pixels are read depends on the rounding: up to two in front, up to one behind.
        loose = 0 if factor == 1 else span.stride
        slack = span.slack + 3 * loose
        return _tidy(span.stride / factor, span.size + reach * span.stride, span.start - 2 * loose, slack)
    return span


def _union(inputs: list[Span]) -> Span:
    """The interval that holds the fields of several inputs of the same grid, as at the end of parallel branches."""
    first = min(span.start for span in inputs)
    end = max(span.start + span.size for span in inputs)
    slack = max(span.slack for span in inputs)
    return _tidy(max(span.stride for span in inputs), end - first, first, slack)


def _windowed(node: ir.Node, span: Span, axis: int) -> Span:
    weight = node.inputs[1] if node.op_type.startswith("Conv") else None
    kernel = integers(node, "kernel_shape") or ([int(d) for d in dims(weight)[2:]] if weight else [1, 1])  # type: ignore[arg-type]
    axis = min(axis, len(kernel) - 1)
    stride = (integers(node, "strides") or [1] * len(kernel))[axis]
    extent = (kernel[axis] - 1) * (integers(node, "dilations") or [1] * len(kernel))[axis] + 1
    least, most = _padding_before(node, axis, len(kernel), stride, extent)
    slack = span.slack + (most - least) * span.stride
    if node.op_type == "ConvTranspose":
        step = span.stride / stride
        start = span.start + (most - extent + 1) * step
        return _tidy(step, span.size + (extent - 1) * step, start, slack)
    start = span.start - most * span.stride
    return _tidy(span.stride * stride, span.size + (extent - 1) * span.stride, start, slack)


def _padding_before(node: ir.Node, axis: int, n: int, stride: int, extent: int) -> tuple[int, int]:
    """How much padding a window finds in front of the axis: at least and at most."""
    auto = text(node, "auto_pad", "NOTSET")
    if not auto.startswith("SAME"):
        before = 0 if auto == "VALID" else (integers(node, "pads") or [0] * 2 * n)[axis]
        return before, before
    size = dims(node.inputs[0])[2 + axis] if node.inputs[0] is not None else None
    if node.op_type == "ConvTranspose":
        totals = [max(extent - stride, 0)]
    elif isinstance(size, int):
        totals = [max((-(-size // stride) - 1) * stride + extent - size, 0)]
    else:
        totals = [max(extent - stride, 0), extent - 1]
    halves = [(total + (auto == "SAME_LOWER")) // 2 for total in totals]
    return min(halves), max(halves)


def _tidy(stride: float, size: float, start: float, slack: float) -> Span:
    """Whole numbers as such."""
    return Span(*(int(number) if number == int(number) else number for number in (stride, size, start, slack)))


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
