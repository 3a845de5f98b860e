"""The layers that have something to learn, from the image to the end."""

from __future__ import annotations

import onnx_ir as ir

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.networks.network import Network
from pixelgrad.exporters.opset18.shapes import dims

_LEARNT = {"Conv", "ConvTranspose", "Gemm", "MatMul"}
# What belongs to the layer before it.
_TAIL = {"Relu", "LeakyRelu", "PRelu", "Clip", "Elu", "Selu", "HardSwish", "Sigmoid", "Tanh", "BatchNormalization"}


def learnt_layers(network: Network, most: int) -> list[str]:
    """The tensor names of the layers with weights, each behind its activation; ``most`` of them, evenly spread.

    The first and the last are always among them. Raises :class:`NetworkError` where there is none.
    """
    found: list[str] = []
    where = network.layouts()
    for node in network.model.graph:
        if node.op_type not in _LEARNT or node.name == "preprocess" or not _has_weight(node):
            continue
        value = node.outputs[0]
        while len(consumers := {use.node for use in value.uses()}) == 1:
            (after,) = consumers
            if not (after.op_type in _TAIL and after.inputs[0] is value) and not _adds_weight(after):
                break
            value = after.outputs[0]
        axis = where[value].channels if value in where else 1
        is_layer = value in where or (value.shape is not None and value.shape.rank() == 2)
        if is_layer and isinstance(dims(value)[axis], int):
            found.append(str(value.name))
    if not found:
        raise NetworkError(f"{network.name!r} has no layer with weights of its own; name some (--layers)")
    if len(found) <= most:
        return found
    return [found[round(number * (len(found) - 1) / (most - 1))] for number in range(most)]


def _adds_weight(node: ir.Node) -> bool:
    """Whether it adds the bias of a product."""
    return node.op_type == "Add" and any(value is not None and value.const_value is not None for value in node.inputs)


def _has_weight(node: ir.Node) -> bool:
    return any(value is not None and value.const_value is not None for value in node.inputs[1:2])
