"""A classifier's errors: counts, and a sheet of the most confident ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pixelgrad.runtime.images import Picture, fit_size, sheet
from pixelgrad.runtime.tasks.deconv_result import relief

__all__ = ["MistakesResult", "WrongImage"]

Array = np.ndarray[Any, Any]
_PIXELS = 176


@dataclass(frozen=True)
class WrongImage:
    """An error. truth, predicted: classes. confidence: the probability of the predicted class; truth_probability,
    truth_rank: that of the true one, and its place among all, from 1.
    image: float32 [H, W, 3] in [0, 1]. projection: float32 [H, W, 3], the score of the predicted class carried down to
    the pixels.
    """

    path: str
    truth: int
    predicted: int
    confidence: float
    truth_probability: float
    truth_rank: int
    image: Array
    projection: Array


@dataclass(frozen=True)
class MistakesResult:
    """correct, in_five: how many images have their true class first, or among the first five. of_class: by
    class, how many images there are and how many are right.
    pairs: the most frequent errors, as (true class, predicted class, how often). wrong: the most confident errors.
    names: of every class in question. believed: by class, what the network believes it to look like. The rest as of
    :class:`DeconvResult`.
    """

    network: str
    layer: str
    rule: str
    size: tuple[int, int]
    images: int
    unreadable: int
    failures: tuple[tuple[str, str], ...]
    correct: int
    in_five: int
    of_class: Mapping[int, tuple[int, int]]
    pairs: tuple[tuple[int, int, int], ...]
    wrong: tuple[WrongImage, ...]
    names: Mapping[int, str]
    believed: Mapping[int, Picture]
    recipe: dict[str, Any]

    @property
    def readable(self) -> int:
        """How many images were classified."""
        return self.images - self.unreadable

    @property
    def summary(self) -> str:
        """The counts in words."""
        return (
            f"{self.network}: {self.correct} of {self.readable} right ({self.correct / self.readable:.1%}), "
            f"{self.in_five} among the first five"
        )

    def picture(self, pixels: int = _PIXELS) -> Picture | None:
        """A row for each error: the image, what in it speaks for the predicted class, and what the network believes
        the predicted and the true class to be, where that was made. pixels: the edge of a picture. ``None`` where
        there is no error.
        """
        if not self.wrong:
            return None
        # Four pictures to an error, or two errors abreast.
        abreast = 1 if self.believed else 2
        columns = ["image", "what speaks for the prediction"] * min(abreast, len(self.wrong))
        if self.believed:
            columns += ["what the network takes for the predicted class", "and for the true one"]
        shown = [self._row(error, pixels) for error in self.wrong]
        lines = [shown[start : start + abreast] for start in range(0, len(shown), abreast)]
        return sheet(
            [[cell for cells, _ in line for cell in cells] for line in lines],
            title=self.summary,
            columns=columns,
            captions=[[text for _, texts in line for text in texts] for line in lines],
            gutter=14,
            text_size=max(12, round(pixels / 12)),
            recipe=self.recipe,
        )

    def _row(self, error: WrongImage, pixels: int) -> tuple[list[Picture | None], list[str | None]]:
        """The pictures of an error, and what to write under them."""
        predicted, truth = self.names[error.predicted], self.names[error.truth]
        cells: list[Picture | None] = [Picture(np.clip(error.image, 0, 1)), relief(error.projection, pixels)]
        texts: list[str | None] = [
            f"{Path(error.path).name}: {truth}",
            f"{predicted} {error.confidence:.2f}, not {truth} {error.truth_probability:.2f}",
        ]
        if self.believed:
            cells += [self.believed.get(error.predicted), self.believed.get(error.truth)]
            texts += [predicted, truth]
        return [None if cell is None else _fitted(cell, pixels) for cell in cells], texts

    def facts(self) -> dict[str, Any]:
        """All but the pixels, as JSON has it."""

        def named(index: int) -> dict[str, Any]:
            return {"index": index, "name": self.names[index]}

        return {
            "network": self.network,
            "layer": self.layer,
            "rule": self.rule,
            "width": self.size[0],
            "height": self.size[1],
            "images": self.images,
            "unreadable": self.unreadable,
            "correct": self.correct,
            "accuracy": self.correct / self.readable,
            "top5_accuracy": self.in_five / self.readable,
            "classes": [
                {**named(index), "images": count, "correct": right} for index, (count, right) in self.of_class.items()
            ],
            "pairs": [
                {"truth": named(truth), "predicted": named(predicted), "count": count}
                for truth, predicted, count in self.pairs
            ],
            "errors": [
                {
                    "path": error.path,
                    "truth": named(error.truth),
                    "predicted": named(error.predicted),
                    "confidence": error.confidence,
                    "truth_probability": error.truth_probability,
                    "truth_rank": error.truth_rank,
                }
                for error in self.wrong
            ],
        }


def _fitted(picture: Picture, pixels: int) -> Picture:
    size = fit_size(*picture.size, pixels)
    return picture if picture.size == size else picture.resized(*size)
