"""Layers with relative weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pixelgrad.errors import SettingsError

Layers = Sequence[str] | Mapping[str, float]


def layer_weights(layers: Layers, ratio: float = 1.0) -> dict[str, float]:
    """Relative weights that sum to one; each layer's is ``ratio`` times the next one's where none are given."""
    if isinstance(layers, str):  # one name, not its letters
        layers = [layers]
    named = (
        dict(layers)
        if isinstance(layers, Mapping)
        else {name: ratio ** (len(layers) - 1 - index) for index, name in enumerate(layers)}
    )
    if not all(weight >= 0 and math.isfinite(weight) for weight in named.values()) or (
        named and not sum(named.values())
    ):
        raise SettingsError(f"layer weights must be positive numbers; they are {named}")
    total = sum(named.values())
    return {name: weight / total for name, weight in named.items() if weight}
