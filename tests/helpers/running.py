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
    """A layer of a loaded network, as a map wherever it keeps one, for an image [1, 3, H, W], RGB in [0, 1]."""
    return run_several(network, image, [tensor])[0]


def run_several(network: Network, image: Array, tensors: Sequence[str]) -> list[Array]:
    clone = network.clone()
    clone.model.graph.outputs.clear()
    values = list(dict.fromkeys(clone.features(tensor) for tensor in tensors))
    clone.model.graph.outputs.extend(values)
    results = runtime(finish(clone.model))({"image": image})
    return [results[str(clone.features(tensor).name)] for tensor in tensors]


def raw(network: Network, image: Array, tensor: str) -> Array:
    """A tensor as the graph has it, in the form that it has there."""
    clone = network.clone()
    clone.model.graph.outputs.clear()
    clone.model.graph.outputs.append(clone.layer(tensor))
    return runtime(finish(clone.model))({"image": image})[tensor]


def some_image(size: int = 16, seed: int = 0) -> Array:
    return np.random.default_rng(seed).random((1, 3, size, size), dtype=np.float32)
