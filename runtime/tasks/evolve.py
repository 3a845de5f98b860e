"""How features come about in training: channels over snapshots of one network (Zeiler & Fergus 2013, figure 4)."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pixelgrad.errors import SettingsError
from pixelgrad.runtime.projector import Projector
from pixelgrad.runtime.recipe import make_recipe
from pixelgrad.runtime.scanning import ScanEvent, ScanIndex, scan, to_batch
from pixelgrad.runtime.scanning.scan import in_batches
from pixelgrad.runtime.settings import check_channel_list, check_choice, check_edge, check_whole
from pixelgrad.runtime.tasks.cropping import CROPS
from pixelgrad.runtime.tasks.deconv import check_channels, image_size, index_key, project_channel
from pixelgrad.runtime.tasks.deconv_result import Hit
from pixelgrad.runtime.tasks.evolve_result import EvolveResult

__all__ = ["EvolveEvent", "EvolveSettings", "Snapshot", "evolve"]

_CHANNELS = 6


@dataclass(frozen=True)
class EvolveSettings:
    """channels, size, batch, crop: as of :class:`DeconvSettings`; by default the last snapshot chooses the channels.
    compared: how many of the images, spread over the folder, tell how far the features moved.
    """

    channels: Sequence[int] | None = None
    size: int = 224
    batch: int = 16
    crop: str = "auto"
    compared: int = 256

    def check(self) -> None:
        """Raise :class:`SettingsError` for a value that cannot be."""
        check_whole(self, 1, "batch", "compared")
        check_edge(self, "size")
        check_choice("crop", self.crop, CROPS)
        check_channel_list(self)


@dataclass(frozen=True)
class Snapshot:
    """A network at one point of its training. name: what to call it. when: the iteration, or its place in the row.
    index: the file to keep its scan in.
    """

    name: str
    when: int
    projector: Projector
    index: Path


@dataclass(frozen=True)
class EvolveEvent:
    """Some more is done. stage: ``scan``, ``project`` or ``compare``. snapshot: its name, in the first two.
    done, total: images, channels, or images again. result: at the last event, all of it.
    """

    stage: str
    snapshot: str
    done: int
    total: int
    seconds: float
    progress: float
    result: EvolveResult | None = None


def evolve(
    snapshots: Sequence[Snapshot], folder: str | Path, settings: EvolveSettings | None = None
) -> Iterator[EvolveEvent]:
    """The strongest activation of each channel at each snapshot, projected; and how far each layer moved in between.

    snapshots: at least two of one network, in order; their artifacts put out the same watched layers.
    How far: |F' - F| / |F|, with F and F' the features of all compared images at a snapshot and at the next, and the
    Euclidean norm.

    Raises :class:`SettingsError` for snapshots or channels that do not fit, and what :func:`scan` raises.
    """
    settings = settings or EvolveSettings()
    settings.check()
    if len(snapshots) < 2:
        raise SettingsError(f"there is {len(snapshots)} snapshot; an evolution takes at least two")
    first = snapshots[0].projector
    if not first.spatial:
        raise SettingsError(f"the layer {first.layer!r} has no spatial extent; choose one before the classifier")
    for other in snapshots[1:]:
        projector = other.projector
        if (projector.layer, projector.channels, projector.watched) != (first.layer, first.channels, first.watched):
            raise SettingsError(
                f"{other.name!r} is no snapshot of the network of {snapshots[0].name!r}: its layers differ "
                f"({projector.channels} channels at {projector.layer!r}, not {first.channels} at {first.layer!r})"
            )
    check_channels(first, settings.channels or ())
    size = image_size(first, settings)
    first.check_size(np.broadcast_to(np.float32(0), (1, 3, size[1], size[0])))
    return _run(list(snapshots), Path(folder), settings, size)


def _run(
    snapshots: list[Snapshot], folder: Path, settings: EvolveSettings, size: tuple[int, int]
) -> Iterator[EvolveEvent]:
    began = time.perf_counter()
    count = len(snapshots)
    # The stages share the work: a scan and a projection for each snapshot, and a comparison as long as the scans.
    parts = 3 * count

    def event(stage: str, snapshot: str, done: int, total: int, finished: float) -> EvolveEvent:
        return EvolveEvent(stage, snapshot, done, total, time.perf_counter() - began, min(finished / parts, 0.999))

    with ExitStack() as stack:
        indices = []
        last: ScanEvent | None = None
        for number, snapshot in enumerate(snapshots):
            index = stack.enter_context(ScanIndex(snapshot.index, index_key(snapshot.projector, size)))
            indices.append(index)
            for last in scan(snapshot.projector, folder, index, size, settings.batch):
                yield event("scan", snapshot.name, last.done, last.total, number + last.progress)
        assert last is not None
        channels = settings.channels
        if channels is None:
            channels = sorted(int(c) for c in np.argsort(-indices[-1].peaks(), kind="stable")[:_CHANNELS])
        rows: list[list[Hit | None]] = [[] for _ in channels]
        for number, (snapshot, index) in enumerate(zip(snapshots, indices, strict=True)):
            strongest = index.strongest(channels, 1)
            for row, channel, found in zip(rows, channels, strongest, strict=True):
                hits = project_channel(snapshot.projector, channel, found, size, settings.crop).hits
                row.append(hits[0] if hits else None)
            yield event("project", snapshot.name, len(channels), len(channels), count + number + 1)
        readable = last.total - last.unreadable
        chosen = list(_spread(indices[-1], readable, settings.compared))
        failures = tuple(indices[-1].unreadable())
    moved = _Movement([snapshot.projector for snapshot in snapshots])
    done = 0
    for _, pixels, _ in in_batches(iter(chosen), str, size, snapshots[0].projector.at_once(settings.batch)):
        moved.add(to_batch(pixels))
        done += len(pixels)
        yield event("compare", "", done, len(chosen), 2 * count + count * done / len(chosen))
    projector = snapshots[-1].projector
    recipe = make_recipe("evolve", projector, settings, size, {})
    recipe |= {"snapshots": [s.projector.manifest["network"]["sha256"] for s in snapshots], "images": readable}
    result = EvolveResult(
        network=projector.manifest["network"]["name"],
        layer=projector.layer,
        rule=projector.rule,
        size=size,
        snapshots=tuple(snapshot.name for snapshot in snapshots),
        when=tuple(snapshot.when for snapshot in snapshots),
        channels=tuple(channels),
        hits=tuple(tuple(row) for row in rows),
        movement=moved.relative(),
        images=last.total,
        unreadable=last.unreadable,
        compared=done,
        failures=failures,
        recipe=recipe,
    )
    yield EvolveEvent("compare", "", done, len(chosen), time.perf_counter() - began, 1.0, result)


def _spread(index: ScanIndex, readable: int, most: int) -> Iterator[str]:
    """``most`` of the readable images, evenly spread by path."""
    number = 0
    for paths, _, _ in index.rows():
        for path in paths:
            if (number + 1) * most // readable > number * most // readable or readable <= most:
                yield path
            number += 1


class _Movement:
    """Sums of squares over images: of each layer's features at each snapshot, and of their changes to the next."""

    def __init__(self, projectors: Sequence[Projector]) -> None:
        self._projectors = projectors
        self._layers = projectors[0].watched
        shape = (len(projectors) - 1, len(self._layers))
        self._changes, self._sizes = np.zeros(shape), np.zeros(shape)

    def add(self, images: np.ndarray[Any, Any]) -> None:
        before: list[Any] | None = None
        for number, projector in enumerate(self._projectors):
            features = projector.features(images, self._layers)
            for layer, now in enumerate(features):
                if before is not None:
                    self._changes[number - 1, layer] += _energy(now - before[layer])
                    self._sizes[number - 1, layer] += _energy(before[layer])
            before = features

    def relative(self) -> dict[str, tuple[float, ...]]:
        """By layer, for each step from one snapshot to the next; infinite from nothing to something."""
        result = {}
        for layer, name in enumerate(self._layers):
            pairs = zip(self._changes[:, layer], self._sizes[:, layer], strict=True)
            result[name] = tuple(math.sqrt(a / b) if b else (math.inf if a else 0.0) for a, b in pairs)
        return result


def _energy(values: np.ndarray[Any, Any]) -> float:
    return float(np.square(values, dtype=np.float64).sum())
