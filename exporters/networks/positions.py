"""Transformers at image sizes that they were not made for: embeddings of positions follow the grid of patches.

A vision transformer adds to each patch a learnt embedding of where it is. At another size the grid has other rows and
columns, and its embeddings are interpolated (Dosovitskiy et al. 2021, section 3.2), as images are: bicubically, as
PyTorch does it. Shapes that the exporter of the file has frozen are freed. At the declared size nothing changes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from pixelgrad.exporters.networks.layers import mark_step
from pixelgrad.exporters.networks.layouts import Layout, layouts
from pixelgrad.exporters.networks.sizes import depends_on_input, infer_again, insists_on_size
from pixelgrad.exporters.opset18.attributes import operand
from pixelgrad.exporters.opset18.folding import known_content
from pixelgrad.exporters.opset18.shapes import constant, dims, static_shape
from pixelgrad.exporters.opset18.weights import add_weight

__all__ = ["free_positions"]

#: The coefficient of PyTorch's bicubic interpolation.
_CUBIC = -0.75
_LARGEST_PATCH = 64
_Shapes = Mapping[str | None, tuple[int, ...] | None]


@dataclass(frozen=True)
class _Embedding:
    """A sum of tokens with an embedding for each: the node, which input the embedding is, the layout of the tokens."""

    node: ir.Node
    place: int
    layout: Layout


def free_positions(model: ir.Model, declared: tuple[int, int] | None) -> ir.Model | None:
    """``model`` for images of any size, where embeddings of positions are all that keeps it at one; else ``None``.

    declared: the (height, width) that the file declares; where it declares none, the grid is taken to be a square.
    """
    found = _embeddings(model, declared)
    size = declared or _square_for(found)
    if not found or size is None:
        return None
    shapes = _shapes_at(model, size)
    freed = model.clone()
    embeddings = _embeddings(freed, declared)
    if not all(_interpolate(embedding, shapes) for embedding in embeddings):
        return None
    counts = {shape[-2] for value in embeddings if (shape := shapes[value.node.outputs[0].name]) is not None}
    counts |= {count - value.layout.first - value.layout.last for value in embeddings for count in counts}
    _free_reshapes(freed.graph, shapes, {count for count in counts if count > 1})
    for node in freed.graph:  # what was known of sizes may have followed from the embeddings'
        for output in node.outputs:
            output.const_value = None
    infer_again(freed)
    return freed if _works(freed, size, shapes) else None


def _square_for(embeddings: list[_Embedding]) -> tuple[int, int] | None:
    """The size of a square image with as many patches as there are embeddings."""
    if not embeddings:
        return None
    node, layout = embeddings[0].node, embeddings[0].layout
    shape = static_shape(operand(node, embeddings[0].place))
    assert shape is not None
    assert layout.grid is not None
    edge = math.isqrt(max(0, shape[-2] - layout.first - layout.last))
    rows = dims(layout.grid[0])[layout.grid[1]]
    for size in range(edge, _LARGEST_PATCH * edge + 1, max(1, edge)):
        if isinstance(rows, ir.SymbolicDim) and rows.evaluate({"H": size, "W": size}) == edge > 0:
            return size, size
    return None


def _embeddings(model: ir.Model, size: tuple[int, int] | None) -> list[_Embedding]:
    known = layouts(model.graph, model.graph.inputs[0], size)
    found = []
    for node in model.graph:
        if node.op_type != "Add":
            continue
        for place, value in enumerate(node.inputs):
            tokens = node.inputs[1 - place]
            layout = known.get(tokens) if tokens is not None else None
            if layout is None or layout.grid is None or layout.channels != 2 or value is None or value in known:
                continue
            shape = static_shape(value)
            if shape is None or len(shape) < 2 or shape[-2] == 1 or depends_on_input(value):
                continue
            found.append(_Embedding(node, place, layout))
    return found


def _shapes_at(model: ir.Model, size: tuple[int, int]) -> _Shapes:
    twin = model.clone()
    twin.graph.inputs[0].shape = ir.Shape([1, 3, *size])
    infer_again(twin)
    return {value.name: static_shape(value) for node in twin.graph for value in node.outputs}


def _interpolate(embedding: _Embedding, shapes: _Shapes) -> bool:
    """Have the embedding follow the grid; whether that could be done."""
    node, layout = embedding.node, embedding.layout
    value = node.inputs[embedding.place]
    array = known_content(value) if value is not None else None
    assert layout.grid is not None
    grid, rows = layout.grid
    if array is None or array.ndim not in (2, 3) or math.prod(array.shape[:-2]) != 1:
        return False
    array = array.reshape(array.shape[-2:])
    shape = shapes.get(grid.name)
    count = len(array) - layout.first - layout.last
    if shape is None or count < 1 or math.prod(shape[rows : rows + 2]) != count:
        return False
    height, width = shape[rows : rows + 2]
    first, middle, last = np.split(array, [layout.first, layout.first + count])
    write = _Writer(node, f"positions/{node.outputs[0].name}")
    learnt = write.weight("grid", middle.T.reshape(1, -1, height, width))
    size = write("Shape", grid, start=rows, end=rows + 2)
    resized = write(
        "Resize",
        *(learnt, None, None, size),
        axes=[2, 3],
        mode="cubic",
        coordinate_transformation_mode="half_pixel",
        cubic_coeff_a=_CUBIC,
    )
    flat = write("Reshape", resized, write.weight("flat", np.asarray([1, array.shape[1], -1], np.int64)))
    tokens = write("Transpose", flat, perm=[0, 2, 1])
    ends = [write.weight(name, end[None]) for name, end in (("first", first), ("last", last)) if len(end)]
    if len(ends) == 2:
        tokens = write("Concat", ends[0], tokens, ends[1], axis=1)
    elif ends:
        tokens = write("Concat", *((ends[0], tokens) if len(first) else (tokens, ends[0])), axis=1)
    node.replace_input_with(embedding.place, tokens)
    return True


class _Writer:
    """Puts nodes in front of one, and weights into its graph."""

    def __init__(self, before: ir.Node, name: str) -> None:
        self._before, self._name, self._count = before, name, 0

    def __call__(self, op_type: str, *inputs: ir.Value | None, **attributes: int | float | str | list[int]) -> ir.Value:
        self._count += 1
        node = ir.node(op_type, inputs, attributes=attributes, name=f"{self._name}/{op_type}_{self._count}")
        node.outputs[0].name = node.name
        mark_step(node.outputs[0])
        self._before.prepend(node)
        return node.outputs[0]

    def weight(self, name: str, array: np.ndarray) -> ir.Value:
        assert self._before.graph is not None
        return add_weight(self._before.graph, f"{self._name}/{name}", array)


def _free_reshapes(graph: ir.Graph, shapes: _Shapes, counts: set[int]) -> None:
    """Let reshapes to a fixed size take as many tokens as there are; ``counts`` are those at the declared size."""
    for node in list(graph):
        source = node.inputs[0] if node.op_type == "Reshape" else None
        given = constant(node.inputs[1]) if source is not None and depends_on_input(source) else None
        if source is None or given is None or not any(size > 0 and _holds(int(size), counts) for size in given):
            continue
        before, after = shapes.get(source.name), shapes.get(node.outputs[0].name)
        if before is not None and after is not None:
            target = np.asarray(_freed(before, after, counts), np.int64)
            node.replace_input_with(1, add_weight(graph, f"{node.outputs[0].name}/free", target))
            node.attributes.pop("allowzero", None)


def _freed(before: tuple[int, ...], after: tuple[int, ...], counts: set[int]) -> list[int]:
    """The reshape from ``before`` to ``after``: 0 for a size that stays, -1 for one that holds the number of tokens."""
    same = 0
    while same < min(len(before), len(after)) and before[same] == after[same]:
        same += 1
    rest = list(after[same:])
    exact = [axis for axis, size in enumerate(rest) if size in counts]
    places = exact or [axis for axis, size in enumerate(rest) if _holds(size, counts)]
    if len(places) == 1:  # else _works has the last word
        rest[places[0]] = -1
    return [0] * same + rest


def _holds(size: int, counts: set[int]) -> bool:
    return any(size % count == 0 for count in counts)


def _works(model: ir.Model, size: tuple[int, int], shapes: _Shapes) -> bool:
    """Whether nothing insists on a size, and every shape is as it was at the one that embeddings were made for."""
    if any(insists_on_size(node) for node in model.graph):
        return False
    sizes = dict(zip("HW", size, strict=True))
    for node in model.graph:
        for value in node.outputs:
            if shapes.get(value.name) is None:
                continue
            if value.shape is None:
                return False
            found = tuple(dim if isinstance(dim, int) else dim.evaluate(sizes) for dim in dims(value))
            if found != shapes[value.name]:
                return False
    return True
