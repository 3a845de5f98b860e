"""One objective of every kind of artifact, by name: what is checked for all of them goes through this table."""

from __future__ import annotations

from collections.abc import Callable

from pixelgrad.exporters import Network, Objective, style_objective
from pixelgrad.exporters.objectives import Activation

__all__ = ["OBJECTIVES"]

# A new kind of artifact adds its line here; the network is one of helpers.networks.chain.
OBJECTIVES: dict[str, Callable[[Network], Objective]] = {
    "style": style_objective,
    "activation": lambda _: Objective("activation", (Activation("activation.r3", "r3", 1.0),)),
}
