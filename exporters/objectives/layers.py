"""Layers with relative weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pixelgrad.errors import SettingsError
from pixelgrad.exporters.objectives.numbers import is_number

Layers = Sequence[str] | Mapping[str, float]


def layer_weights(layers: Layers, ratio: float = 1.0) -> dict[str, float]:
    """Relative weights that sum to one; each layer's is ``ratio`` times the next one's where none are given."""
    if isinstance(layers, str):  # one name, not its letters
        layers = [layers]
    if not isinstance(layers, Mapping | Sequence):
        raise SettingsError(f"the layers are {layers!r}; they must be names, or names with relative weights")
    named = (
        dict(layers)
        if isinstance(layers, Mapping)
        else {name: ratio ** (len(layers) - 1 - index) for index, name in enumerate(layers)}
    )
    if not all(map(is_number, named.values())) or (named and not sum(named.values())):
        raise SettingsError(f"layer weights must be positive numbers; they are {named}")
    total = sum(named.values())
    return {name: weight / total for name, weight in named.items() if weight}
