"""What a classifier gets wrong and what it saw there: confident errors, each with the wrong class projected."""

from __future__ import annotations

import heapq
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pixelgrad.errors import SettingsError
from pixelgrad.runtime.images import Picture
from pixelgrad.runtime.projector import Projector
from pixelgrad.runtime.recipe import make_recipe
from pixelgrad.runtime.scanning import LabelledImages, ScanEvent, ScanIndex, load_pixels, scan_files, to_batch
from pixelgrad.runtime.settings import check_edge, check_whole
from pixelgrad.runtime.tasks.deconv import image_size, index_key
from pixelgrad.runtime.tasks.mistakes_result import MistakesResult, WrongImage

__all__ = ["MistakesEvent", "MistakesSettings", "mistakes"]

Array = np.ndarray[Any, Any]
#: Makes pictures of classes, given their indices, one after the other: what the network believes each to be.
Believe = Callable[[Sequence[int]], Iterable[tuple[int, Picture]]]
_PAIRS = 10


@dataclass(frozen=True)
class MistakesSettings:
    """most: how many errors to show, the most confident first. size, batch: as of :class:`DeconvSettings`."""

    most: int = 8
    size: int = 224
    batch: int = 16

    def check(self) -> None:
        """Raise :class:`SettingsError` for a value that cannot be."""
        check_whole(self, 1, "most", "batch")
        check_edge(self, "size")


@dataclass(frozen=True)
class MistakesEvent:
    """One more error is looked into (stage ``project``), or one more class made a picture of (stage ``believe``).

    result: at the last event, all of it.
    """

    stage: str
    done: int
    total: int
    seconds: float
    progress: float
    result: MistakesResult | None


def mistakes(
    projector: Projector,
    images: LabelledImages,
    index: str | Path,
    settings: MistakesSettings | None = None,
    *,
    names: Callable[[int], str] = "class {}".format,
    believe: Believe | None = None,
) -> Iterator[ScanEvent | MistakesEvent]:
    """Classify ``images``, as far as ``index`` does not know them, and look into the most confident errors.

    projector: of the layer that scores the classes, before its softmax. names: what a class is called. believe: makes
    a picture of each class that a shown error is about.
    Yields a :class:`ScanEvent` after every batch, a :class:`MistakesEvent` after every error and every picture of a
    class, and a last one with the result.

    Raises :class:`SettingsError` for a layer that scores no classes, and what :func:`scan` raises.
    """
    settings = settings or MistakesSettings()
    settings.check()
    size = image_size(projector, settings)
    projector.check_size(np.broadcast_to(np.float32(0), (1, 3, size[1], size[0])))
    if projector.grid((size[1], size[0])) != (1, 1):
        raise SettingsError(
            f"the layer {projector.layer!r} gives a map at {size[0]}x{size[1]}, not one score for each class; name the "
            "layer of the class scores, or use the --size that the network was trained at"
        )
    return _run(projector, images, Path(index), settings, size, names, believe)


def _run(
    projector: Projector,
    images: LabelledImages,
    path: Path,
    settings: MistakesSettings,
    size: tuple[int, int],
    names: Callable[[int], str],
    believe: Believe | None,
) -> Iterator[ScanEvent | MistakesEvent]:
    began = time.perf_counter()
    with ScanIndex(path, index_key(projector, size)) as index:
        last: ScanEvent | None = None
        for last in scan_files(projector, images.files(), images.where, index, size, settings.batch):
            yield last
        assert last is not None
        tally = _Tally(settings.most)
        for paths, scores, _ in index.rows():
            truths = np.asarray([images.truth(one) for one in paths])
            tally.add(paths, scores, truths)
        failures = tuple(index.unreadable())
    wrong = []
    found = tally.worst()
    classes = list(dict.fromkeys(one for error in found for one in (error.predicted, error.truth)))
    believed: dict[int, Picture] = {}
    # A picture of a class is as much work as a hundred projections, so the bar is that of the pictures.
    parts = max(1, len(found) + 100 * len(classes) * (believe is not None))

    def event(stage: str, done: int, total: int) -> MistakesEvent:
        share = (done if stage == "project" else len(found) + 100 * done) / parts
        return MistakesEvent(stage, done, total, time.perf_counter() - began, min(share, 0.999), None)

    for done, error in enumerate(found, 1):
        wrong.append(_look(projector, error, size))
        yield event("project", done, len(found))
    for one, picture in believe(classes) if believe is not None and classes else ():
        believed[one] = picture
        yield event("believe", len(believed), len(classes))
    known = {*classes, *(one for pair in tally.pairs for one in pair), *tally.of_class}
    result = MistakesResult(
        network=projector.manifest["network"]["name"],
        layer=projector.layer,
        rule=projector.rule,
        size=size,
        images=last.total,
        unreadable=last.unreadable,
        failures=failures,
        correct=tally.correct,
        in_five=tally.in_five,
        of_class={one: (tally.of_class[one], tally.correct_of_class[one]) for one in sorted(tally.of_class)},
        pairs=tuple((*pair, count) for pair, count in tally.most_common_pairs(_PAIRS)),
        wrong=tuple(wrong),
        names={one: names(one) for one in sorted(known)},
        believed=believed,
        recipe=make_recipe("mistakes", projector, settings, size, {}) | {"images": last.total - last.unreadable},
    )
    yield MistakesEvent("done", len(found), len(found), time.perf_counter() - began, 1.0, result)


@dataclass(frozen=True)
class _Error:
    path: str
    truth: int
    predicted: int
    confidence: float
    truth_probability: float
    truth_rank: int


class _Tally:
    """Counts over all images, and the most confident errors."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._heap: list[tuple[float, int, _Error]] = []
        self._seen = 0
        self.correct = self.in_five = 0
        self.of_class: Counter[int] = Counter()
        self.correct_of_class: Counter[int] = Counter()
        self.pairs: Counter[tuple[int, int]] = Counter()

    def add(self, paths: Sequence[str], scores: Array, truths: Array) -> None:
        """paths, scores [n, classes] before the softmax, truths [n]."""
        shifted = np.exp(scores.astype(np.float64) - scores.max(axis=1, keepdims=True))
        probabilities = shifted / shifted.sum(axis=1, keepdims=True)
        rows = np.arange(len(paths))
        own = scores[rows, truths]
        ranks = 1 + (scores > own[:, None]).sum(axis=1)
        predictions = scores.argmax(axis=1)
        for row, path in enumerate(paths):
            truth, predicted = int(truths[row]), int(predictions[row])
            self.of_class[truth] += 1
            self.in_five += int(ranks[row] <= 5)
            if predicted == truth:
                self.correct += 1
                self.correct_of_class[truth] += 1
                continue
            self.pairs[truth, predicted] += 1
            confidence = float(probabilities[row, predicted])
            error = _Error(path, truth, predicted, confidence, float(probabilities[row, truth]), int(ranks[row]))
            # Of equals, the first by path.
            self._seen += 1
            entry = (confidence, -self._seen, error)
            if len(self._heap) < self._most:
                heapq.heappush(self._heap, entry)
            else:
                heapq.heappushpop(self._heap, entry)

    def worst(self) -> list[_Error]:
        return [error for _, _, error in sorted(self._heap, reverse=True, key=lambda entry: entry[:2])]

    def most_common_pairs(self, most: int) -> list[tuple[tuple[int, int], int]]:
        return sorted(self.pairs.items(), key=lambda item: (-item[1], item[0]))[:most]


def _look(projector: Projector, error: _Error, size: tuple[int, int]) -> WrongImage:
    image = to_batch([load_pixels(error.path, size)])
    projection = projector.project_one(image, error.predicted, 0)
    pixels, part = (np.ascontiguousarray(array[0].transpose(1, 2, 0)) for array in (image, projection))
    return WrongImage(
        path=error.path,
        truth=error.truth,
        predicted=error.predicted,
        confidence=error.confidence,
        truth_probability=error.truth_probability,
        truth_rank=error.truth_rank,
        image=pixels,
        projection=part,
    )
