"""A small picture seen through a network at a larger size: optimising it moves only what is coarse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pixelgrad.runtime.artifact import Evaluation
from pixelgrad.runtime.engine import Evaluator

__all__ = ["Enlarged"]

Array = np.ndarray[Any, Any]


class Enlarged:
    """Looks at a picture after bilinear interpolation to (width, height); the gradient comes back by the adjoint.

    In pixels a loss over deep features says much about fine detail and little about broad areas of colour, which are
    then never found. Given few pixels there is only the broad.
    """

    def __init__(self, evaluator: Evaluator, width: int, height: int) -> None:
        self._evaluator = evaluator
        self.precision = evaluator.precision
        self._size = (height, width)

    def evaluate(
        self, image: Array, targets: Mapping[str, Array], weights: Mapping[str, float] | None = None
    ) -> Evaluation:
        """As of :meth:`Artifact.evaluate`, for an image of any size."""
        down, across = (_interpolation(*pair) for pair in zip(image.shape[2:], self._size, strict=True))
        found = self._evaluator.evaluate(down @ image @ across.T, targets, weights)
        return Evaluation(found.loss, found.losses, down.T @ found.gradient @ across)


def _interpolation(small: int, large: int) -> Array:
    """[large, small]: each row the weights of the pixels around its centre, the edge continued."""
    places = np.clip((np.arange(large) + 0.5) * small / large - 0.5, 0, small - 1)
    before = np.minimum(places.astype(int), max(small - 2, 0))
    after = np.minimum(before + 1, small - 1)
    share = (places - before).astype(np.float32)
    matrix = np.zeros((large, small), np.float32)
    rows = np.arange(large)
    np.add.at(matrix, (rows, before), 1 - share)
    np.add.at(matrix, (rows, after), share)
    return matrix
