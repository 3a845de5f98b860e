"""Several images at once: a network that was written for one, made to take a batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.autodiff import Emitter
from pixelgrad.exporters.networks.network import Network
from pixelgrad.exporters.networks.sizes import infer_again, upstream
from pixelgrad.exporters.opset18 import forget_counts
from pixelgrad.exporters.opset18.attributes import integer, integers
from pixelgrad.exporters.opset18.shapes import constant, dims, rank
from pixelgrad.exporters.opset18.weights import add_weight


def set_batch(network: Network, values: Sequence[ir.Value], batch: int) -> None:
    """Make the image input of ``network`` ``batch`` images, and ``values`` what each of them gives, one after another.

    Exporters that trace a single image leave its 1 behind in the constants of Reshape and Expand: they become
    ``batch`` times as much, which is right as long as the images are the outermost axis. Raises :class:`NetworkError`
    for a network that moves that axis or sums over it.
    """
    used = set(upstream(values))
    depends = {network.image}
    op = Emitter(network.model.graph)
    for node in list(network.model.graph):
        if node not in used or not any(value in depends for value in node.inputs):
            continue
        if node.op_type in {"Shape", "Size"}:
            continue
        depends.update(node.outputs)
        if _moves_axis(node):
            raise _not_in_a_batch(node)
        if node.op_type == "Reshape" or (node.op_type == "Expand" and node.inputs[0] in depends):
            _multiply(node, batch)
        elif node.op_type == "Concat":
            _repeat_constants(op, node, depends, batch)
    network.model.graph.sort()
    network.image.shape = ir.Shape([batch, *dims(network.image)[1:]])
    forget_counts(network.model.graph)
    infer_again(network.model)
    for value in values:
        if value.shape is None or dims(value)[0] != batch:
            producer = value.producer()
            assert producer is not None
            raise _not_in_a_batch(producer)


def _moves_axis(node: ir.Node) -> bool:
    """Whether a node would mix the images of a batch, or put them elsewhere than first."""
    source = node.inputs[0]
    if source is None or source.shape is None:
        return False
    if node.op_type == "Transpose":
        order = integers(node, "perm")
        return order is None or order[0] != 0
    if node.op_type in {"Softmax", "LogSoftmax", "Gather", "Concat"}:
        default = {"Gather": 0, "Concat": 0}.get(node.op_type, -1)
        return integer(node, "axis", default) % rank(source) == 0
    if node.op_type.startswith("Reduce") or node.op_type in {"Squeeze", "Unsqueeze"}:
        given = node.inputs[1] if len(node.inputs) > 1 else None
        axes = constant(given) if given is not None else None
        ndim = rank(source) + (len(axes) if node.op_type == "Unsqueeze" and axes is not None else 0)
        return axes is None or any(int(axis) % ndim == 0 for axis in axes)
    return False


def _multiply(node: ir.Node, batch: int) -> None:
    """``batch`` times as much along the first axis of a constant shape."""
    shape = constant(node.inputs[1])
    if shape is None or not shape.size or shape[0] < 1:
        return  # worked out from the input itself
    assert node.graph is not None
    changed = shape.astype(np.int64).copy()
    changed[0] *= batch
    node.replace_input_with(1, add_weight(node.graph, f"{node.outputs[0].name}/batch_shape", changed))


def _repeat_constants(op: Emitter, node: ir.Node, depends: set[ir.Value], batch: int) -> None:
    """What is concatenated with every image, a class token say, once for each."""
    for index, value in enumerate(node.inputs):
        if value is None or value in depends or value.shape is None or dims(value)[0] != 1:
            continue
        shape = [batch, *[1] * (rank(value) - 1)]
        node.replace_input_with(index, op.Expand(value, shape))


def _not_in_a_batch(node: ir.Node) -> NetworkError:
    return NetworkError(
        f"{node.op_type} at {node.outputs[0].name!r} does not keep the images of a batch apart, so this network takes "
        "one image at a time"
    )
