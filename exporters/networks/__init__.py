"""Network files -> :class:`Network`."""

from pixelgrad.exporters.networks.geometry import Geometry, minimum_size
from pixelgrad.exporters.networks.network import IMAGE, POOLS, Network, load_network, settle_size, upstream

__all__ = ["IMAGE", "POOLS", "Geometry", "Network", "load_network", "minimum_size", "settle_size", "upstream"]
