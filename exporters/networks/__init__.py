"""Network files -> :class:`Network`."""

from pixelgrad.exporters.networks.defaults import default_layers
from pixelgrad.exporters.networks.geometry import Geometry, minimum_size
from pixelgrad.exporters.networks.network import IMAGE, POOLS, Network, load_network, settle_size, upstream
from pixelgrad.exporters.networks.onnx_file import read_onnx

__all__ = [
    "IMAGE",
    "POOLS",
    "Geometry",
    "Network",
    "default_layers",
    "load_network",
    "minimum_size",
    "read_onnx",
    "settle_size",
    "upstream",
]
