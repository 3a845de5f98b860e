"""Both ends of a network: the filters that it looks at pixels with, and the last map before its scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.networks.network import Network
from pixelgrad.exporters.networks.sizes import upstream
from pixelgrad.exporters.opset18.attributes import integers
from pixelgrad.exporters.opset18.shapes import constant, dims

__all__ = ["FirstLayer", "first_layer", "last_map"]

_BEFORE_FILTERS = {"Pad", "Identity", "Sub", "Add", "Mul", "Div"}
# What a map is computed by that is worth looking at: not a pooling of it, nor a copy.
_MAP_MAKERS = {"Relu", "LeakyRelu", "PRelu", "Clip", "Elu", "Selu", "HardSwish", "Concat", "Add", "Conv", "Mul"}


@dataclass(frozen=True)
class FirstLayer:
    """The first convolution over the image.

    name: of what it computes. filters: float32 [K, 3, height, width], over R, G and B in [0, 1]: what normalises the
    image is multiplied in. stride: in pixels, down.
    """

    name: str
    filters: np.ndarray[Any, Any]
    stride: int


def first_layer(network: Network) -> FirstLayer:
    """The first convolution over the colours, other than the 1x1 ones that only mix them: those are multiplied in.

    Raises :class:`NetworkError` where there is none: what comes first works otherwise.
    """
    colours = np.eye(3, dtype=np.float32)
    value: ir.Value | None = network.image
    while value is not None:
        node = next((n for n in value.consumers() if n.op_type == "Conv" and n.inputs[0] is value), None)
        weight = constant(node.inputs[1]) if node is not None else None
        if node is not None and weight is not None and weight.shape[1] == 3:
            if weight.shape != (3, 3, 1, 1):
                filters = np.einsum("kcyx,cr->kryx", weight, colours).astype(np.float32)
                return FirstLayer(str(node.outputs[0].name), filters, (integers(node, "strides") or [1])[0])
            colours = weight[:, :, 0, 0] @ colours
            value = node.outputs[0]
        else:
            value = next((n.outputs[0] for n in value.consumers() if n.op_type in _BEFORE_FILTERS), None)
    raise NetworkError(f"the first layer of {network.name!r} is no convolution over the colours of the image")


def last_map(network: Network, before: ir.Value | None = None) -> ir.Value:
    """The deepest map of features on the way to ``before`` (the network's output by default), classes' maps left out.

    Raises :class:`NetworkError` where nothing has positions.
    """
    end = network.model.graph.outputs[0] if before is None else before
    used, where = set(upstream([end])), network.layouts()
    for node in reversed(list(network.model.graph)):
        value = node.outputs[0]
        if node not in used or node.op_type not in _MAP_MAKERS or value not in where:
            continue
        sizes = list(dims(value))
        if sizes.pop(where[value].channels) != network.classes and not all(size == 1 for size in sizes[1:]):
            return value
    raise NetworkError(f"no layer of {network.name!r} before {end.name!r} has a map of features")
