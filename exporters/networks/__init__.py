"""Network files -> :class:`Network`."""

from pixelgrad.exporters.networks.batch import set_batch
from pixelgrad.exporters.networks.defaults import default_content_weight, default_dream_layers, default_layers
from pixelgrad.exporters.networks.depth import depth_layers
from pixelgrad.exporters.networks.ends import FirstLayer, first_layer, last_map
from pixelgrad.exporters.networks.fitting import fitting
from pixelgrad.exporters.networks.geometry import Geometry, Span, minimum_size
from pixelgrad.exporters.networks.network import IMAGE, POOLS, Network, load_network
from pixelgrad.exporters.networks.readers import Reading, read_network
from pixelgrad.exporters.networks.scores import class_scores
from pixelgrad.exporters.networks.sizes import infer_again, insists_on_size, settle_size, upstream
from pixelgrad.exporters.networks.stages import learnt_layers
from pixelgrad.exporters.networks.summary import LayerFacts, summary
from pixelgrad.exporters.networks.tiling import Tiling, tiling
from pixelgrad.exporters.networks.torch_module import from_torch

__all__ = [
    "IMAGE",
    "POOLS",
    "FirstLayer",
    "Geometry",
    "LayerFacts",
    "Network",
    "Reading",
    "Span",
    "Tiling",
    "class_scores",
    "default_content_weight",
    "default_dream_layers",
    "default_layers",
    "depth_layers",
    "first_layer",
    "fitting",
    "from_torch",
    "infer_again",
    "insists_on_size",
    "last_map",
    "learnt_layers",
    "load_network",
    "minimum_size",
    "read_network",
    "set_batch",
    "settle_size",
    "summary",
    "tiling",
    "upstream",
]
