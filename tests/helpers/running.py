"""Loaded networks, computed by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from helpers.gradcheck import runtime
from pixelgrad.exporters import Network
from pixelgrad.exporters.autodiff import finish

Array = np.ndarray[Any, Any]


def run(network: Network, image: Array, tensor: str) -> Array:
    """A tensor of a loaded network for an image, float32 [1, 3, H, W], RGB in [0, 1]."""
    return run_several(network, image, [tensor])[0]


def run_several(network: Network, image: Array, tensors: Sequence[str]) -> list[Array]:
    clone = network.clone()
    clone.model.graph.outputs.clear()
    values = list(dict.fromkeys(clone.layer(tensor) for tensor in tensors))
    clone.model.graph.outputs.extend(values)
    results = runtime(finish(clone.model))({"image": image})
    return [results[str(clone.layer(tensor).name)] for tensor in tensors]


def some_image(size: int = 16, seed: int = 0) -> Array:
    return np.random.default_rng(seed).random((1, 3, size, size), dtype=np.float32)
