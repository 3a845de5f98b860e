"""One objective of every kind of artifact, by name: what is checked for all of them goes through this table."""

from __future__ import annotations

from collections.abc import Callable

from pixelgrad.exporters import (
    Network,
    Objective,
    dream_objective,
    features_objective,
    inversion_objective,
    style_objective,
    texture_objective,
    visualize_objective,
)

__all__ = ["OBJECTIVES"]

# A new kind of artifact adds its line here; the network is one of helpers.networks.chain.
OBJECTIVES: dict[str, Callable[[Network], Objective]] = {
    "style": style_objective,
    "style-gram": lambda network: style_objective(network, loss="gram"),
    "style-masks": lambda network: style_objective(network, masks=2),
    "texture": texture_objective,
    "inversion": lambda network: inversion_objective(network, "r3"),
    "inversion-sharp": lambda network: inversion_objective(network, "r3", beta=1.0),
    "dream": dream_objective,
    "dream-channels": lambda network: dream_objective(network, enhance="channels", layers=["r3"]),
    "dream-guide": lambda network: dream_objective(network, enhance="guide", layers=["r3"]),
    "visualize": lambda network: visualize_objective(
        network, "r3", batch=2, tv_weight=1.0, norm_weight=1.0, diversity_weight=1.0
    ),
    "features": lambda network: features_objective(network, ["r3"]),
}
