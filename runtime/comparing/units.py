"""Which channels of a layer respond at all, and which the most."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Responses"]

Array = np.ndarray[Any, Any]


class Responses:
    """The largest and the mean response of every channel of some layers, over images one after the other."""

    def __init__(self) -> None:
        self._largest: dict[str, Array] = {}
        self._sum: dict[str, Array] = {}
        self.images = 0

    def add(self, features: dict[str, Array]) -> None:
        """Take in the features of an image, by layer, [1, C, h, w] or [1, C]."""
        self.images += 1
        for layer, values in features.items():
            flat = values.reshape(values.shape[1], -1)
            largest, mean = flat.max(1), flat.mean(1, dtype=np.float64)
            self._largest[layer] = np.maximum(self._largest.get(layer, largest), largest)
            self._sum[layer] = self._sum.get(layer, 0) + mean

    def dead(self, layer: str) -> float:
        """The share of the layer's channels that nowhere, in no image, got above zero.

        It means something for a layer behind a rectifier.
        """
        return float(np.mean(self._largest[layer] <= 0))

    def strongest(self, layer: str, count: int) -> list[int]:
        """The channels with the largest mean response, best first."""
        return [int(i) for i in np.argsort(-self._sum[layer], kind="stable")[:count]]
