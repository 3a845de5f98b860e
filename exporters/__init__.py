"""Networks and objectives in, gradient graphs and artifacts out; nothing is run here."""

from pixelgrad.exporters.artifact import write_artifact
from pixelgrad.exporters.autodiff import value_and_gradient, vjp
from pixelgrad.exporters.networks import Network, load_network, read_onnx
from pixelgrad.exporters.objectives import Objective, style_objective

__all__ = [
    "Network",
    "Objective",
    "load_network",
    "read_onnx",
    "style_objective",
    "value_and_gradient",
    "vjp",
    "write_artifact",
]
