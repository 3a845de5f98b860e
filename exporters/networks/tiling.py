"""How far beyond a tile of an image a network has to look, so that the tile's features are those of the whole image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir as ir

from pixelgrad.exporters.networks.geometry import Geometry
from pixelgrad.exporters.networks.network import Network
from pixelgrad.exporters.networks.sizes import upstream
from pixelgrad.exporters.opset18.attributes import integer
from pixelgrad.exporters.opset18.shapes import dims, rank

__all__ = ["Tiling", "tiling"]

# What computes each position from those around it, wherever that is in the image.
_WINDOWED = {"Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool", "Pad"}
_ELEMENTWISE = {
    *("Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "ThresholdedRelu", "Clip", "Sigmoid", "HardSigmoid", "Tanh"),
    *("HardSwish", "Softplus", "Softsign", "Gelu", "Mish", "Erf", "Exp", "Log", "Sqrt", "Abs", "Neg", "Reciprocal"),
    *("Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "Sum", "Mean", "Identity", "Cast", "Dropout"),
    *("BatchNormalization", "LRN"),
}
_BY_CHANNEL = {"Concat", "Split"}


@dataclass(frozen=True)
class Tiling:
    """alignment: as of :func:`tiling`.
    before, after: how many pixels in front of and behind a tile its features look at, at most.
    sizes: by tensor, (stride, more, middle): a map is as long as the aligned image is divided by its stride, and so
        many positions more (fewer, where negative), along both axes; the middle of what the first position sees is so
        many pixels from the edge.

    Both margins, and where a tile begins and ends, are multiples of the image's alignment.
    """

    alignment: int
    before: int
    after: int
    sizes: dict[str, tuple[int, int, float]]


def tiling(network: Network, layers: Sequence[ir.Value], alignment: int) -> Tiling | None:
    """For ``layers`` of a network whose image is a multiple of ``alignment`` at any size.

    ``None`` where a tile of the image does not tell all of its features: where they depend on the whole image, or on
    how large that is.
    """
    geometries = network.geometries()
    for node in upstream(list(layers)):
        if any(value in geometries for value in node.inputs if value is not None):  # else a constant's
            geometry = geometries.get(node.outputs[0])
            if geometry is None or not _local(node, geometry, alignment):
                return None
    before = after = 1.0  # total variation compares a pixel with those around it
    sizes = {}
    for value in layers:
        spans = geometries[value].spans
        assert spans is not None
        for span in spans:
            before, after = max(before, -span.start), max(after, span.start + span.size + span.slack - span.stride)
        edges = zip(dims(value)[2:], spans, strict=True)
        found = {(int(span.stride), _more(dim, int(span.stride), alignment), span.middle) for dim, span in edges}
        stride, more, middle = found.pop()
        if found or more is None:
            return None
        sizes[str(value.name)] = stride, more, middle
    before, after = (math.ceil(margin / alignment) * alignment for margin in (before, after))
    return Tiling(alignment, before, after, sizes)


def _local(node: ir.Node, geometry: Geometry, alignment: int) -> bool:
    """Whether a node's maps move with the image, where that moves by a multiple of ``alignment``."""
    known = node.op_type in _WINDOWED | _ELEMENTWISE
    if node.op_type in _BY_CHANNEL:
        known = integer(node, "axis", 0) == 1
    if not known or geometry.spans is None or rank(node.outputs[0]) != 4:
        return False
    return all(span.stride >= 1 and alignment % span.stride == 0 for span in geometry.spans)


def _more(dim: int | ir.SymbolicDim, stride: int, alignment: int) -> int | None:
    """By how much a map's edge is longer than the image's by its stride, ``None`` where it is not so at every size."""
    if isinstance(dim, int) or dim.value is None:
        return None
    more = set()
    for size in (64 * alignment, 65 * alignment, 129 * alignment):
        length = dim.evaluate({"H": size, "W": size})
        if not isinstance(length, int):
            return None
        more.add(length - size // stride)
    return more.pop() if len(more) == 1 else None
