"""How much memory a graph takes for each pixel of its image: estimated from when its tensors are made and last used."""

from __future__ import annotations

import math

import onnx
import onnx_ir as ir

from pixelgrad.exporters.networks import infer_again

__all__ = ["bytes_per_pixel"]

_EDGE = 512
#: What ONNX Runtime on a CPU takes for each byte that lives at once: gaps in its arena, and copies of tensors in the
#: layout that its convolutions want. Of steps through four networks at 512 and 1024 pixels: 1.25 to 1.75.
ARENA = 1.75


def bytes_per_pixel(model: onnx.ModelProto) -> int:
    """Of one run of ``model``, whose input ``image`` may have any size; what it returns included, its weights not."""
    graph_model = ir.from_proto(model)
    graph = graph_model.graph
    sizes = {"H": _EDGE, "W": _EDGE}
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
    return math.ceil(ARENA * most / _EDGE**2)


def _evaluated(dim: ir.SymbolicDim, sizes: dict[str, int]) -> int | ir.SymbolicDim:
    found = dim.evaluate(sizes) if dim.value is not None else None
    return found if isinstance(found, int) else dim


def _bytes(value: ir.Value) -> int:
    """None for the few that are of no known size: they are small ones, of sizes."""
    if value.shape is None or value.dtype is None or not value.shape.is_static():
        return 0
    return math.prod(int(size) for size in value.shape.numpy()) * int(value.dtype.itemsize)
