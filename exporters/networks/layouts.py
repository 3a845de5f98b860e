"""Where tensors keep their channels and their positions: first or last, as a map or as a list of tokens.

A convolution's map is [N, C, h, w]. Transformers and their kin compute on [N, h, w, C] (Liu et al. 2021, "Swin"; Liu et
al. 2022, "ConvNeXt") or on tokens [N, T, C], one for each patch of the image and some of their own beside them
(Dosovitskiy et al. 2021). ONNX says none of this: it is worked out from the image on, through what leaves the layout as
it is or changes it in a known way. What windows, heads and the like do in between is not followed; the sum with what
went around them says where things are again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import onnx_ir as ir

from pixelgrad.exporters.opset18.attributes import integer, integers, optional
from pixelgrad.exporters.opset18.shapes import Dim, constant, dims, same_dim

__all__ = ["ELEMENTWISE", "Layout", "layouts"]

_OF_MAPS = {
    *(
        "Conv",
        "ConvTranspose",
        "MaxPool",
        "AveragePool",
        "LpPool",
        "GlobalAveragePool",
        "GlobalMaxPool",
        "GlobalLpPool",
    ),
    *("BatchNormalization", "InstanceNormalization", "LRN", "DepthToSpace", "SpaceToDepth"),
}
ELEMENTWISE = {
    *("Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "ThresholdedRelu", "Clip", "Sigmoid", "HardSigmoid", "Tanh"),
    *("HardSwish", "Softplus", "Softsign", "Gelu", "Mish", "Erf", "Exp", "Log", "Sqrt", "Abs", "Neg", "Reciprocal"),
    *("Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "Sum", "Mean", "Identity", "Cast", "Dropout"),
}


@dataclass(frozen=True)
class Layout:
    """channels: the axis of the channels, 1 or the last.
    grid: of tokens, the map whose positions they are, row by row, and that map's axis of the height; ``None`` for a
        map, which has rows and columns of its own.
    first, last: how many tokens there are in front of those, and behind.
    """

    channels: int
    grid: tuple[ir.Value, int] | None = None
    first: int = 0
    last: int = 0

    @property
    def positions(self) -> int:
        """The axis of the height in a map, of the tokens elsewhere."""
        return 2 if self.channels == 1 else 1

    @property
    def is_first(self) -> bool:
        """Whether it is [N, C, h, w]."""
        return self.channels == 1 and self.grid is None


def layouts(graph: ir.Graph, image: ir.Value, size: tuple[int, int] | None = None) -> dict[ir.Value, Layout]:
    """The layout of every tensor that is known to hold features of ``image``, position by position.

    size: (height, width) of an image that the graph is made for, where there is such a size: what holds there holds.
    """
    known = {image: Layout(1)}
    tokens: ir.Value | None = None  # the last list of them
    for node in graph:
        layout = _through(node, known, tokens, size)
        if layout is None:
            continue
        known.update((output, layout) for output in node.outputs if output.shape is not None)
        if layout.grid is not None and layout.channels == 2:
            tokens = node.outputs[0]
    return known


def _through(
    node: ir.Node, known: Mapping[ir.Value, Layout], tokens: ir.Value | None, size: tuple[int, int] | None
) -> Layout | None:
    result = node.outputs[0]
    rank = result.shape.rank() if result.shape is not None else None
    if rank not in (3, 4) or not node.inputs or node.inputs[0] is None:
        return None
    if node.op_type in _OF_MAPS:
        return Layout(1) if rank == 4 else None
    if node.op_type in ELEMENTWISE | {"Where"}:
        return _common(node.inputs, result, known)
    if node.op_type == "Concat":
        return _concatenated(node, known)
    source = node.inputs[0]
    layout = known.get(source)
    if node.op_type == "MatMul":
        return _product(node, layout) or _of_tokens(node, layout, known, tokens)
    if layout is None:
        return None
    if node.op_type in {"Softmax", "LogSoftmax", "LpNormalization", "LayerNormalization"}:
        return layout
    if node.op_type in {"Pad", "Resize"}:
        return layout if layout.grid is None else None
    if node.op_type == "Split":
        return layout if integer(node, "axis", 0) % rank == layout.channels else None
    if node.op_type == "Slice":
        return _sliced(node, layout)
    if node.op_type == "Transpose":
        return _transposed(node, layout)
    if node.op_type in {"Reshape", "Flatten"}:
        return _reshaped(source, result, layout, size)
    return None


def _common(inputs: Sequence[ir.Value | None], result: ir.Value, known: Mapping[ir.Value, Layout]) -> Layout | None:
    """That of the operands that are as large as the result; a factor for each channel has none."""
    rank = len(dims(result))
    parts = [value for value in inputs if value is not None and value.shape is not None and value.shape.rank() == rank]
    found = {known[value] for value in parts if value in known}
    return found.pop() if len(found) == 1 else None


def _product(node: ir.Node, layout: Layout | None) -> Layout | None:
    """A matrix of weights takes the last axis for the channels; on four axes of one image, nothing else does."""
    weight, result = node.inputs[1], node.outputs[0]
    if weight is None or weight.const_value is None or weight.shape is None or weight.shape.rank() != 2:
        return None
    last = len(dims(result)) - 1
    if layout is not None:
        return layout if layout.channels == last else None
    return Layout(3) if last == 3 and dims(result)[0] == 1 else None


def _of_tokens(
    node: ir.Node, layout: Layout | None, known: Mapping[ir.Value, Layout], tokens: ir.Value | None
) -> Layout | None:
    """What an attention has gathered for as many tokens as there were before it, and put through weights."""
    weight, result = node.inputs[1], node.outputs[0]
    if layout is not None or tokens is None or weight is None or weight.const_value is None or len(dims(result)) != 3:
        return None
    pairs = zip(dims(result)[:2], dims(tokens)[:2], strict=True)
    return known[tokens] if all(same_dim(a, b) for a, b in pairs) else None


def _concatenated(node: ir.Node, known: Mapping[ir.Value, Layout]) -> Layout | None:
    axis = integer(node, "axis", 0) % len(dims(node.outputs[0]))
    parts = [value for value in node.inputs if value is not None]
    places = [place for place, value in enumerate(parts) if value in known]
    found = {known[parts[place]] for place in places}
    if len(found) != 1 or axis == 0:
        return None
    layout = found.pop()
    if axis == layout.channels or layout.grid is None:
        return layout
    counts = [dims(value)[axis] for value in parts]
    before = [count for count in counts[: places[0]] if isinstance(count, int)]
    after = [count for count in counts[places[0] + 1 :] if isinstance(count, int)]
    if len(places) != 1 or len(before) + 1 + len(after) != len(parts):
        return None
    return replace(layout, first=layout.first + sum(before), last=layout.last + sum(after))


def _sliced(node: ir.Node, layout: Layout) -> Layout | None:
    """A part of the channels or of a map; of the tokens, all that belong to positions."""
    if layout.grid is None:
        return layout
    starts, ends, axes, steps = (constant(optional(node, place)) for place in (1, 2, 3, 4))
    if starts is None or ends is None or starts.size != 1 or (steps is not None and steps[0] != 1):
        return None
    axis = (0 if axes is None else int(axes[0])) % len(dims(node.outputs[0]))
    if axis == layout.channels:
        return layout
    start, end = int(starts[0]), int(ends[0])
    length = dims(node.inputs[0])[axis]  # type: ignore[arg-type]
    left = 0 if end >= (length if isinstance(length, int) else 1 << 31) else -end
    if axis != layout.positions or not 0 <= start <= layout.first or not 0 <= left <= layout.last:
        return None
    return replace(layout, first=layout.first - start, last=layout.last - left)


def _transposed(node: ir.Node, layout: Layout) -> Layout | None:
    order = integers(node, "perm")
    if order is None or order[0] != 0:
        return None
    channels = order.index(layout.channels)
    rest = [axis for axis in order[1:] if axis != layout.channels]
    if channels not in (1, len(order) - 1) or rest != sorted(rest):
        return None
    return replace(layout, channels=channels)


def _reshaped(source: ir.Value, result: ir.Value, layout: Layout, size: tuple[int, int] | None) -> Layout | None:
    """A map as tokens, tokens as a map; the channels stay where they are."""
    before, after = dims(source), dims(result)
    channels = 1 if layout.channels == 1 else len(after) - 1
    if not same_dim(before[layout.channels], after[channels]) or not same_dim(before[0], after[0]):
        return None
    if len(before) == len(after):
        return layout if all(same_dim(a, b) for a, b in zip(before, after, strict=True)) else None
    if len(after) == 3:
        return Layout(channels, (source, layout.positions))
    if layout.grid is None or layout.first or layout.last:
        return None
    grid, rows = layout.grid
    new = Layout(channels)
    pairs = zip(dims(grid)[rows : rows + 2], after[new.positions : new.positions + 2], strict=True)
    return new if all(same_dim(a, b) or (size is not None and _at(a, size) == _at(b, size)) for a, b in pairs) else None


def _at(dim: Dim, size: tuple[int, int]) -> Dim | None:
    """A dimension for an image of that (height, width); that of tokens cut to a map of fixed size says no more."""
    return dim if isinstance(dim, int) else dim.evaluate({"H": size[0], "W": size[1]})
