"""Which image sizes a network takes, and the shapes that follow from them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import onnx_ir as ir

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.opset18 import infer_shapes
from pixelgrad.exporters.opset18.attributes import integer
from pixelgrad.exporters.opset18.shapes import SIZES, constant, dims, elements

if TYPE_CHECKING:
    from pixelgrad.exporters.networks.network import Network

_BROADCASTING = {"Add", "Sub", "Mul", "Div"}


def settle_size(network: Network, values: Sequence[ir.Value]) -> tuple[int, int] | None:
    """The one (height, width) at which ``values`` can be computed, or ``None`` where any will do.

    A fully connected layer is made for one image size; every layer before it, and every network that pools over
    the whole map, takes any. Where there is such a layer, the image input gets the size that the file declares.
    Raises :class:`NetworkError` where it declares none.
    """
    culprit = next((node for node in upstream(values) if insists_on_size(node)), None)
    if culprit is None:
        return None
    if network.declared_size is None:
        raise NetworkError(
            f"{culprit.op_type} at {culprit.outputs[0].name!r} works at one image size only, and the network file does "
            "not say at which; choose an earlier layer, or export the network with a fixed input size"
        )
    network.image.shape = ir.Shape([1, 3, *network.declared_size])
    infer_again(network.model)
    return network.declared_size


def infer_again(model: ir.Model) -> None:
    """Infer every shape anew from those of the inputs."""
    for node in model.graph:
        for output in node.outputs:
            output.shape = None
    infer_shapes(model)


def insists_on_size(node: ir.Node) -> bool:
    """Whether a node only works at one image size: weights for a flattened map or for each position, or a reshape to a
    fixed size.
    """
    source = node.inputs[0] if node.inputs else None
    if node.op_type in _BROADCASTING and len(node.inputs) == 2 and _for_each_position(*node.inputs):
        return True
    if node.op_type in {"Gemm", "MatMul"}:
        return _multiplies_positions(node, *node.inputs[:2])
    if source is None or not _is_open(source):
        return False
    assert source.shape is not None
    target = constant(node.inputs[1]) if node.op_type == "Reshape" else None
    if target is None:
        return False
    fixed = math.prod(int(size) for size in target if size > 0)
    kept = {place for place, size in enumerate(target) if size == 0}  # as they are
    rest = [dim for place, dim in enumerate(dims(source)) if place not in kept]
    counts = [elements(rest, {"H": size, "W": size + 6}) for size in SIZES]
    return bool((target > 0).all()) or any(count is None or count % fixed for count in counts)


def _multiplies_positions(node: ir.Node, left: ir.Value | None, right: ir.Value | None) -> bool:
    """Whether a product has a weight of a certain length along what is as long as the image makes it."""
    if left is None or right is None or left.shape is None or right.shape is None:
        return False
    weight, other = (left, right) if left.const_value is not None else (right, left)
    if weight.const_value is None or not _is_open(other):
        return False
    turned = [node.op_type == "Gemm" and integer(node, name, 0) != 0 for name in ("transA", "transB")]
    across = dims(left)[0 if turned[0] or left.shape.rank() == 1 else -1]
    along = dims(right)[-1 if turned[1] or right.shape.rank() == 1 else -2]
    return across != along


def _is_open(value: ir.Value) -> bool:
    """Whether its shape is known and depends on the image: what is not known need not insist on anything."""
    return value.shape is not None and not value.shape.is_static() and _follows(value)


def _for_each_position(*pair: ir.Value | None) -> bool:
    """Whether one of a pair is a weight of a certain length where the length of the other depends on the image, as the
    embeddings of a transformer's positions are.
    """
    for value, weight in (pair, pair[::-1]):
        if value is None or weight is None or value.shape is None or weight.shape is None:
            continue
        lengths = zip(reversed(dims(value)), reversed(dims(weight)), strict=False)
        longer = any(isinstance(fixed, int) and fixed > 1 and not isinstance(free, int) for free, fixed in lengths)
        if longer and not depends_on_input(weight):
            return True
    return False


def depends_on_input(value: ir.Value) -> bool:
    """Whether a value changes with the image."""
    sources = [value, *(source for node in upstream([value]) for source in node.inputs if source is not None)]
    return any(source.is_graph_input() and source.const_value is None for source in sources)


def fill_in_shapes(model: ir.Model, size: tuple[int, int]) -> None:
    """Where the shape of a tensor does not follow from an image of any size, take its shape for one of ``size``, if it
    lies behind something that works at that (height, width) only: positions of a transformer, windows of fixed numbers.
    """
    if all(_follows(value) for node in model.graph for value in node.outputs):
        return
    settled: set[ir.Value | None] = set()
    for node in model.graph:
        if not settled.isdisjoint(node.inputs) or insists_on_size(node):
            settled.update(node.outputs)
    unclear = [value for node in model.graph for value in node.outputs if value in settled and not _follows(value)]
    if not unclear:
        return
    twin = model.clone()
    twin.graph.inputs[0].shape = ir.Shape([1, 3, *size])
    infer_again(twin)
    shapes = {value.name: value.shape for node in twin.graph for value in node.outputs}
    for value in unclear:
        value.shape = shapes[value.name]


def _follows(value: ir.Value) -> bool:
    """Whether the shape is known for every size of the image."""
    if value.shape is None:
        return False
    return all(
        isinstance(dim, int) or (dim.value is not None and dim.free_symbols() <= {"H", "W"}) for dim in value.shape
    )


def upstream(values: Sequence[ir.Value]) -> list[ir.Node]:
    """The nodes that ``values`` depend on, in no particular order."""
    seen: dict[ir.Node, None] = {}
    waiting = [value.producer() for value in values]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen[node] = None
        waiting.extend(value.producer() for value in node.inputs if value is not None)
    return list(seen)
