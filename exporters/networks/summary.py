"""What is in a network, for people who choose layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir as ir

from pixelgrad.exporters.networks.layers import tensors
from pixelgrad.exporters.networks.network import Network
from pixelgrad.exporters.networks.sizes import settle_size
from pixelgrad.exporters.opset18.shapes import dims

__all__ = ["LayerFacts", "summary"]


@dataclass(frozen=True)
class LayerFacts:
    """One layer.

    operator: what computes it. shape: (channels, height, width), or fewer for what is no map; an entry that the image's
    size does not settle is ``None``. stride, receptive_field: in image pixels; ``None`` where the layer sees all of it.
    aliases: other names that it goes by.
    """

    name: str
    operator: str
    shape: tuple[int | None, ...]
    stride: float | None
    receptive_field: float | None
    aliases: tuple[str, ...]


def summary(network: Network, size: tuple[int, int]) -> list[LayerFacts]:
    """The layers of ``network`` from the image on, with their shapes for an image of ``size`` (height, width).

    A network that works at one size only is described at that size.
    """
    copy = network.clone()
    settled = settle_size(copy, list(copy.model.graph.outputs)) if copy.declared_size is not None else None
    height, width = settled or size
    aliases: dict[str, list[str]] = {}
    for alias, name in copy.aliases.items():
        aliases.setdefault(name, []).append(alias)
    geometry, where = copy.geometries(), copy.layouts()
    return [
        LayerFacts(
            name=name,
            operator=value.producer().op_type,  # type: ignore[union-attr]
            shape=_sizes(where[value].shape(value) if value in where else dims(value), {"H": height, "W": width}),
            stride=geometry[value].stride,
            receptive_field=geometry[value].receptive_field,
            aliases=tuple(aliases.get(name, ())),
        )
        for name, value in tensors(copy.model.graph).items()
        if value in geometry and value.shape is not None
    ]


def _sizes(shape: Sequence[int | ir.SymbolicDim], free: dict[str, int]) -> tuple[int | None, ...]:
    found = [dim if isinstance(dim, int) else dim.evaluate(free) for dim in shape[1:]]
    return tuple(dim if isinstance(dim, int) else None for dim in found)
