"""How far features move when the image is shifted, scaled or turned (Zeiler & Fergus 2014, figure 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pixelgrad.runtime.comparing.features import Features
from pixelgrad.runtime.transforms import Warp, warp

__all__ = ["CHANGES", "Change", "Invariance", "invariance"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Change:
    """One way to change an image by degrees. values: how much, the unchanged image among them."""

    name: str
    unit: str
    values: tuple[float, ...]
    view: Callable[[tuple[int, int], float], Warp]


#: The ranges of the paper: 60 pixels of 224 up and down, up to 1.8 times as large, all the way round.
CHANGES = (
    Change(
        "vertical shift",
        "% of the height",
        tuple(float(v) for v in np.linspace(-27, 27, 13)),
        lambda size, value: warp(size, size, shift=(-value / 100 * size[0], 0)),
    ),
    Change(
        "scale",
        "times",
        tuple(float(v) for v in np.linspace(1, 1.8, 9)),
        lambda size, value: warp(size, size, scale=value),
    ),
    Change(
        "rotation",
        "degrees",
        tuple(float(v) for v in np.arange(0, 361, 30)),
        lambda size, value: warp(size, size, degrees=value),
    ),
)


@dataclass(frozen=True)
class Invariance:
    """distances: by change, by layer, one number for each of the change's values: the Euclidean distance between the
        features of the changed and the unchanged image, mean over the images, as a share of the mean distance between
        different images.
    certainty: by change, the mean probability of the class that was the unchanged image's likeliest; empty where the
        network has no classes.
    """

    distances: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    certainty: dict[str, list[float]] = field(default_factory=dict)


def invariance(
    features: Features, images: Sequence[Array], layers: Sequence[str], scores: str | None
) -> Iterator[Invariance | None]:
    """Measure ``layers`` under each of :data:`CHANGES`; yields ``None`` after each image, and at last the result.

    images: two or more, [1, 3, *features.size]. scores: the layer of the classes' scores, if there is one.
    """
    still = [features(image) for image in images]
    apart = {layer: _mean_distance([found[layer] for found in still]) for layer in layers}
    moved = {change.name: {layer: np.zeros(len(change.values)) for layer in layers} for change in CHANGES}
    sure = {change.name: np.zeros(len(change.values)) for change in CHANGES}
    for image, before in zip(images, still, strict=True):
        best = int(before[scores].argmax()) if scores is not None else 0
        for change in CHANGES:
            for at, value in enumerate(change.values):
                after = features(change.view(features.size, value).forward(image))
                for layer in layers:
                    distance = float(np.linalg.norm((after[layer] - before[layer]).astype(np.float64)))
                    moved[change.name][layer][at] += distance / apart[layer] / len(images)
                if scores is not None:
                    sure[change.name][at] += _probabilities(after[scores])[best] / len(images)
        yield None
    yield Invariance(
        {name: {layer: values.tolist() for layer, values in by_layer.items()} for name, by_layer in moved.items()},
        {name: values.tolist() for name, values in sure.items()} if scores is not None else {},
    )


def _mean_distance(found: Sequence[Array]) -> float:
    pairs = [(i, j) for i in range(len(found)) for j in range(i)]
    total = sum(float(np.linalg.norm((found[i] - found[j]).astype(np.float64))) for i, j in pairs)
    return max(total / len(pairs), 1e-12)


def _probabilities(scores: Array) -> Array:
    raised = np.exp(scores.ravel().astype(np.float64) - scores.max())
    shares: Array = raised / raised.sum()
    return shares
