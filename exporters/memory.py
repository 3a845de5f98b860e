"""How much memory a graph takes for an image: estimated from when its tensors are made and last used."""

from __future__ import annotations

import math

import onnx
import onnx_ir as ir

from pixelgrad.exporters.networks import infer_again

__all__ = ["bytes_per_pixel", "memory_rates"]

_EDGES = (512, 1024)
#: What ONNX Runtime on a CPU takes for each byte that lives at once: gaps in its arena, and copies of tensors in the
#: layout that its convolutions want. Of steps through four networks at 512 and 1024 pixels: 1.25 to 1.75.
ARENA = 1.75
# A share of the memory that only rounding lets grow faster than the image.
_NOTHING = 0.01


def memory_rates(model: onnx.ModelProto, size: tuple[int, int] | None = None) -> dict[str, float]:
    """``bytes_per_pixel`` and ``bytes_per_square``: a run on P pixels takes about the one times P and the other times
    P squared, what it returns included, its weights not. The latter is attention, of each position to every other.

    size: (height, width) of the only image that ``model`` takes; ``None`` where it takes any.
    """
    if size is not None:
        return {"bytes_per_pixel": math.ceil(_most(model, *size) / math.prod(size)), "bytes_per_square": 0.0}
    small, large = (_most(model, edge, edge) / edge**2 for edge in _EDGES)
    growth = (large - small) / (_EDGES[1] ** 2 - _EDGES[0] ** 2)
    # What has the same size at any size of the image counts for less in the larger one.
    if growth * _EDGES[1] ** 2 < _NOTHING * large:
        return {"bytes_per_pixel": math.ceil(small), "bytes_per_square": 0.0}
    return {"bytes_per_pixel": max(1, math.ceil(small - growth * _EDGES[0] ** 2)), "bytes_per_square": growth}


def bytes_per_pixel(model: onnx.ModelProto) -> int:
    """Of a run of ``model``, in which no position sees all others."""
    return math.ceil(_most(model, _EDGES[0], _EDGES[0]) / _EDGES[0] ** 2)


def _most(model: onnx.ModelProto, height: int, width: int) -> float:
    """How many bytes a run on an image of this size takes at its largest moment."""
    graph_model = ir.from_proto(model)
    graph = graph_model.graph
    sizes = {"H": height, "W": width}
    for value in graph.inputs:
        assert value.shape is not None
        value.shape = ir.Shape([dim if isinstance(dim, int) else _evaluated(dim, sizes) for dim in value.shape])
    infer_again(graph_model)
    nodes = list(graph)
    last = {value: number for number, node in enumerate(nodes) for value in node.inputs if value is not None}
    kept = set(graph.outputs)
    live = most = 0
    for number, node in enumerate(nodes):
        live += sum(_bytes(value) for value in node.outputs)
        most = max(most, live)
        done = {value for value in node.inputs if value is not None and value.producer() is not None}
        done.update(value for value in node.outputs if value not in last)
        live -= sum(_bytes(value) for value in done if last.get(value, number) == number and value not in kept)
    return ARENA * most


def _evaluated(dim: ir.SymbolicDim, sizes: dict[str, int]) -> int | ir.SymbolicDim:
    found = dim.evaluate(sizes) if dim.value is not None else None
    return found if isinstance(found, int) else dim


def _bytes(value: ir.Value) -> int:
    """None for the few that are of no known size: they are small ones, of sizes."""
    if value.shape is None or value.dtype is None or not value.shape.is_static():
        return 0
    return math.prod(int(size) for size in value.shape.numpy()) * int(value.dtype.itemsize)
