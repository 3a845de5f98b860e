"""Networks and objectives in, gradient graphs and artifacts out; nothing is run here."""

from typing import TYPE_CHECKING

from pixelgrad.lazy import lazy

if TYPE_CHECKING:
    from pixelgrad.exporters.artifact import write_artifact, write_projection
    from pixelgrad.exporters.autodiff import value_and_gradient, vjp
    from pixelgrad.exporters.identity import companions, fingerprint
    from pixelgrad.exporters.networks import (
        LayerFacts,
        Network,
        class_scores,
        default_dream_layers,
        default_layers,
        depth_layers,
        first_layer,
        from_torch,
        last_map,
        learnt_layers,
        load_network,
        read_network,
        summary,
    )
    from pixelgrad.exporters.objectives import (
        Objective,
        can_tile,
        dream_objective,
        features_objective,
        inversion_objective,
        style_objective,
        texture_layers,
        texture_objective,
        visualize_objective,
    )
    from pixelgrad.exporters.projections import Projection

# Loaded when they are first used: they take half a second, and what was exported before needs none of them.
__getattr__, __dir__ = lazy(
    __name__,
    {
        "pixelgrad.exporters.artifact": "write_artifact write_projection",
        "pixelgrad.exporters.autodiff": "value_and_gradient vjp",
        "pixelgrad.exporters.identity": "companions fingerprint",
        "pixelgrad.exporters.networks": (
            "LayerFacts Network class_scores default_dream_layers default_layers depth_layers first_layer from_torch "
            "last_map learnt_layers load_network read_network summary"
        ),
        "pixelgrad.exporters.objectives": (
            "Objective can_tile dream_objective features_objective inversion_objective style_objective texture_layers "
            "texture_objective visualize_objective"
        ),
        "pixelgrad.exporters.projections": "Projection",
    },
)

__all__ = [
    "LayerFacts",
    "Network",
    "Objective",
    "Projection",
    "can_tile",
    "class_scores",
    "companions",
    "default_dream_layers",
    "default_layers",
    "depth_layers",
    "dream_objective",
    "features_objective",
    "fingerprint",
    "first_layer",
    "from_torch",
    "inversion_objective",
    "last_map",
    "learnt_layers",
    "load_network",
    "read_network",
    "style_objective",
    "summary",
    "texture_layers",
    "texture_objective",
    "value_and_gradient",
    "visualize_objective",
    "vjp",
    "write_artifact",
    "write_projection",
]
