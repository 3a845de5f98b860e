"""Network files -> :class:`Network`."""

from pixelgrad.exporters.networks.converted import companions, fingerprint
from pixelgrad.exporters.networks.defaults import default_layers
from pixelgrad.exporters.networks.geometry import Geometry, minimum_size
from pixelgrad.exporters.networks.network import IMAGE, POOLS, Network, load_network, settle_size, upstream
from pixelgrad.exporters.networks.onnx_file import read_onnx
from pixelgrad.exporters.networks.summary import LayerFacts, summary

__all__ = [
    "IMAGE",
    "POOLS",
    "Geometry",
    "LayerFacts",
    "Network",
    "companions",
    "default_layers",
    "fingerprint",
    "load_network",
    "minimum_size",
    "read_onnx",
    "settle_size",
    "summary",
    "upstream",
]
