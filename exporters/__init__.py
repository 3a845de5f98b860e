"""Networks and objectives in, gradient graphs and artifacts out; nothing is run here."""

from pixelgrad.exporters.artifact import write_artifact
from pixelgrad.exporters.autodiff import value_and_gradient, vjp
from pixelgrad.exporters.networks import (
    LayerFacts,
    Network,
    companions,
    depth_layers,
    fingerprint,
    from_torch,
    load_network,
    read_network,
    summary,
)
from pixelgrad.exporters.objectives import (
    Objective,
    dream_objective,
    inversion_objective,
    style_objective,
    texture_layers,
    texture_objective,
)

__all__ = [
    "LayerFacts",
    "Network",
    "Objective",
    "companions",
    "depth_layers",
    "dream_objective",
    "fingerprint",
    "from_torch",
    "inversion_objective",
    "load_network",
    "read_network",
    "style_objective",
    "summary",
    "texture_layers",
    "texture_objective",
    "value_and_gradient",
    "vjp",
    "write_artifact",
]
