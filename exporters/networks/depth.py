"""The layers that a network passes through from image to output, where all of its branches come together."""

from __future__ import annotations

import onnx_ir as ir

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.networks.layers import structural_aliases, tensors
from pixelgrad.exporters.networks.network import Network
from pixelgrad.exporters.networks.sizes import upstream

# Not layers of their own: they pass on what another has found, or prepare the image.
_PASSIVE = {"Pad", "Identity", "Dropout", "Flatten", "Reshape", "Squeeze", "Transpose", "Softmax", "LRN"}
_POOLS = {"MaxPool", "AveragePool", "LpPool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean"}
_ACTIVATIONS = {"Relu", "LeakyRelu", "PRelu", "Clip", "Elu", "Selu", "HardSwish", "Sigmoid", "Tanh"}


def depth_layers(network: Network, most: int = 16) -> list[str]:
    """Names of up to ``most`` layers, from shallow to deep, evenly spread over all that everything passes through.

    Those that the catalogue has a name for, if any; else activations, and layers that no activation follows, from the
    first convolution or product on. Poolings and normalisations are left out for the layers between them.
    """
    graph = network.model.graph
    known = tensors(graph)
    where = network.layouts()
    layers = [v for v in _bottlenecks(graph, network.image) if v.name in known and _is_layer(v, is_map=v in where)]
    names = {name: alias for alias, name in structural_aliases(graph).items()}
    if network.entry is not None and network.entry.aliases:
        names = {name: alias for alias, name in network.entry.aliases.items()}
        layers = [value for value in layers if value.name in names]
    else:
        layers = [value for value in layers if not _is_activated(value)]
    if not layers:
        raise NetworkError(f"no layer of {network.name!r} stands out as one that everything passes through; name some")
    found = [str(layer.name) for layer in layers]
    found = [names.get(name, name) for name in found] if len(names) > 1 else network.modules(found, least=3)
    count = min(most, len(found))
    return [found[round(index * (len(found) - 1) / max(1, count - 1))] for index in range(count)]


def _bottlenecks(graph: ir.Graph, image: ir.Value) -> list[ir.Value]:
    """Every tensor that each path from the image to the output runs through, in order.

    Going through the graph in order, that is each tensor after which no other tensor of before is still to be used.
    """
    nodes = list(graph)
    place = {node: index for index, node in enumerate(nodes)}
    reached = {image}
    open_until = max((place[use.node] for use in image.uses() if use.node in place), default=-1)
    found = []
    for index, node in enumerate(nodes):
        if not any(value in reached for value in node.inputs):
            continue
        reached.update(node.outputs)
        if open_until <= index and len(node.outputs) == 1:
            found.append(node.outputs[0])
        for output in node.outputs:
            ends = [
                place[use.node]
                for use in output.uses()
                if use.node.op_type not in {"Shape", "Size"} and use.node in place
            ]
            open_until = max([open_until, *ends])
    return found


def _is_layer(value: ir.Value, *, is_map: bool) -> bool:
    node = value.producer()
    if node is None or node.op_type in _PASSIVE | _POOLS or value.shape is None:
        return False
    if not is_map and value.shape.rank() not in (2, 4):
        return False
    return any(_learns(before) for before in upstream([value]))


def _learns(node: ir.Node) -> bool:
    """Whether it is a convolution or a product with weights, and not one that only mixes the image's own channels."""
    if node.op_type not in {"Conv", "Gemm", "MatMul"}:
        return False
    weight = node.inputs[1]
    return weight is None or weight.shape is None or list(weight.shape) != [3, 3, 1, 1]


def _is_activated(value: ir.Value) -> bool:
    return any(use.node.op_type in _ACTIVATIONS for use in value.uses())
