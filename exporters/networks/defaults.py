"""Which layers to use where the user names none."""

from __future__ import annotations

from collections.abc import Container

import onnx_ir as ir

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.networks.layers import tensors
from pixelgrad.exporters.networks.layouts import Layout
from pixelgrad.exporters.networks.network import Network
from pixelgrad.exporters.opset18.attributes import integer
from pixelgrad.exporters.opset18.shapes import dims

# What ends a building block of the usual networks.
_BLOCK_ENDS = {"Relu", "LeakyRelu", "PRelu", "Clip", "Elu", "Selu", "HardSwish", "Concat", "Add"}
_COARSEST_STYLE, _CONTENT_STRIDE, _MOST = 16, 8, 5
_DREAM_STRIDE = 16


def default_layers(network: Network) -> tuple[list[str], list[str]]:
    """Style layers from shallow to deep, and content layers.

    Those of the catalogue for a network that it knows; relu1_1, relu2_1, ... and relu4_2 for a plain chain, as
    Gatys et al. 2016 chose; else the first block at each stride from 1 to 16, and for content the middle one of
    the blocks at stride 8. A network of one stride, as a vision transformer is, has style layers all through.
    """
    if network.entry is not None and network.entry.style_layers:
        return list(network.entry.style_layers), list(network.entry.content_layers)
    known, aliases = tensors(network.model.graph), network.aliases
    first = _chain(network, known)
    if first:
        content = next(n for n in ("relu4_2", "relu4_1", first[-1]) if n in aliases or n in known)
        return first, [content]
    return _by_stride(network, known)


def default_content_weight(network: Network) -> float:
    """What the content weighs beside a style of 1, in relative errors.

    Judged by eye, on photographs of an astronaut and of a cat in the style of *The Starry Night*: GoogLeNet and
    SqueezeNet keep neither at what is right for VGG.
    """
    return 0.05 if _chain(network, tensors(network.model.graph)) else 0.15


def _chain(network: Network, known: Container[str]) -> list[str]:
    """The first activation behind each pooling, of a plain chain of convolutions; none for other networks."""
    first = [name for name in (f"relu{block}_1" for block in range(1, 6)) if name in network.aliases or name in known]
    return first if len(first) >= 3 else []


def default_dream_layers(network: Network) -> list[str]:
    """The catalogue's for a network that it knows; relu5_1 for a plain chain, or its deepest; else the middle one of
    the blocks at stride 16, or at the coarsest below, or the finest above: deep enough to see things rather than
    textures.
    """
    if network.entry is not None and network.entry.dream_layers:
        return list(network.entry.dream_layers)
    known = tensors(network.model.graph)
    for name in ("relu5_1", "relu4_1", "relu3_1"):
        if name in network.aliases or name in known:
            return [name]
    blocks = _blocks(network, known)
    at = max((stride for stride in blocks if stride <= _DREAM_STRIDE), default=min(blocks, default=None))
    if at is None:
        raise NetworkError(
            f"no layer of {network.name!r} stands out as one to dream of; name one (layers=..., --layers)"
        )
    return [blocks[at][len(blocks[at]) // 2]]


def _blocks(network: Network, known: dict[str, ir.Value]) -> dict[float, list[str]]:
    """The maps that end a building block, by stride, each from shallow to deep."""
    geometry, where = network.geometries(), network.layouts()
    blocks: dict[float, list[str]] = {}
    for name, value in known.items():
        stride = geometry[value].stride if value in geometry else None
        if value in where and stride is not None and _ends_block(value, geometry, where[value]):
            blocks.setdefault(stride, []).append(name)
    return {stride: network.modules(names) for stride, names in blocks.items()}


def _ends_block(value: ir.Value, of_image: Container[ir.Value | None], layout: Layout) -> bool:
    """Whether it is an activation, or where branches meet: no sum with a bias, no parts of a map side by side."""
    node = value.producer()
    if node is None or node.op_type not in _BLOCK_ENDS:
        return False
    if node.op_type == "Concat":
        return integer(node, "axis", 0) % len(dims(value)) == layout.channels
    return node.op_type != "Add" or all(part in of_image for part in node.inputs)


def _by_stride(network: Network, known: dict[str, ir.Value]) -> tuple[list[str], list[str]]:
    blocks = _blocks(network, known)
    strides = sorted(blocks)
    fine = [stride for stride in strides if stride <= _COARSEST_STYLE] or strides[:1]
    style = [blocks[stride][0] for stride in fine][:_MOST]
    if len(style) == 1:
        (same,) = (blocks[stride] for stride in blocks if style[0] in blocks[stride])
        style = list(dict.fromkeys(same[place * len(same) // _MOST] for place in range(_MOST)))
    if not style:
        raise NetworkError(
            f"no layer of {network.name!r} stands out as one to take style and content from; name some of both "
            "(style_layers=..., content_layers=..., --style-layers, --content-layers)"
        )
    at = max((stride for stride in blocks if stride <= _CONTENT_STRIDE), default=min(blocks))
    return style, [blocks[at][len(blocks[at]) // 2]]
