"""At which sizes of the image the maps of a network fit together."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

import onnx_ir as ir

from pixelgrad.exporters.opset18.attributes import integer
from pixelgrad.exporters.opset18.shapes import Dim, dims, elements

__all__ = ["fitting"]

_BROADCASTING = {"Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "Sum", "Mean", "Where", "PRelu"}
_LARGEST = 512
# Edges that stand for all, in multiples beyond this many pixels: smaller maps may be of one position.
_ENOUGH, _EDGES = 256, ((0, 1), (5, 3), (11, 18), (31, 23), (37, 50))
#: Products of dimensions that must be equal, or may be 1 where that is broadcast.
_Pair = tuple[tuple[Dim, ...], tuple[Dim, ...], bool]


def fitting(nodes: Iterable[ir.Node], alignment: int) -> int:
    """The least multiple of ``alignment`` pixels such that images whose edges are multiples of it can be computed.

    Where a network enlarges what it has made smaller, as U-Net and HRNet do, and adds it to what it had before, the
    sizes must come out even; so they must where it cuts a map into patches or windows. ``alignment`` itself where no
    multiple up to 512 will do.
    """
    pairs = [pair for node in nodes for pair in _pairs(node)]
    for pixels in range(alignment, max(_LARGEST, alignment) + 1, alignment):
        least = -(-_ENOUGH // pixels)
        sizes = [{"H": pixels * (least + h), "W": pixels * (least + w)} for h, w in _EDGES]
        if all(_fits(pair, size) for size in sizes for pair in pairs):
            return pixels
    return alignment


def _pairs(node: ir.Node) -> list[_Pair]:
    """What must be equal for ``node`` to be computed, but for what is the same in any case."""
    shapes = [dims(value) for value in node.inputs if value is not None and value.shape is not None]
    if node.op_type == "Concat" and shapes:
        axis = integer(node, "axis", 0) % len(shapes[0])
        return [
            ((a,), (b,), False)
            for shape in shapes[1:]
            for place, (a, b) in enumerate(zip(shapes[0], shape, strict=False))
            if place != axis and _differ(a, b)
        ]
    if node.op_type in _BROADCASTING:
        return [
            ((a,), (b,), True)
            for one, other in itertools.combinations(shapes, 2)
            for a, b in zip(reversed(one), reversed(other), strict=False)
            if 1 not in (a, b) and _differ(a, b)
        ]
    if node.op_type == "Reshape" and shapes and node.outputs[0].shape is not None:
        return [pair] if (pair := _left(shapes[0], dims(node.outputs[0]))) is not None else []
    return []


def _differ(a: Dim, b: Dim) -> bool:
    return not isinstance(a, int) and not isinstance(b, int) and a.value != b.value


def _left(before: Sequence[Dim], after: Sequence[Dim]) -> _Pair | None:
    """What a reshape has to keep, less the dimensions that are on both sides."""
    rest = list(after)
    left = []
    for dim in before:
        same = next((place for place, other in enumerate(rest) if _names(dim) == _names(other)), None)
        if same is None:
            left.append(dim)
        else:
            del rest[same]
    return (tuple(left), tuple(rest), False) if left or rest else None


def _names(dim: Dim) -> int | str | None:
    return dim if isinstance(dim, int) else dim.value


def _fits(pair: _Pair, sizes: Mapping[str, int]) -> bool:
    """Whether it holds for an image of those sizes, or depends on something else."""
    one, other, broadcast = pair
    a, b = elements(one, sizes), elements(other, sizes)
    return a is None or b is None or a == b or (broadcast and 1 in (a, b))
