"""The scan: a folder of images through a network in batches, decoding the next while the network looks at this one."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pixelgrad.errors import ImageError
from pixelgrad.runtime.projector import Projector
from pixelgrad.runtime.scanning.folder import find_images
from pixelgrad.runtime.scanning.index import ScanIndex
from pixelgrad.runtime.scanning.loading import load_pixels, to_batch

__all__ = ["ScanEvent", "in_batches", "scan", "scan_files"]

Array = np.ndarray[Any, Any]
_SECONDS_BETWEEN_COMMITS = 2.0


@dataclass(frozen=True)
class ScanEvent:
    """Some more images are done.

    done, total: images known and images there are, those of earlier scans included.
    known: how many of ``total`` were known before this scan. unreadable: how many of ``done`` are no images.
    rate: images per second so far; 0 where there was nothing to do. seconds: since the scan began.
    progress: the share of this scan that is done, from 0 to 1.
    """

    done: int
    total: int
    known: int
    unreadable: int
    rate: float
    seconds: float
    progress: float


def scan(
    projector: Projector, folder: Path, index: ScanIndex, size: tuple[int, int], batch: int = 16
) -> Iterator[ScanEvent]:
    """Bring ``index`` up to date with the images in ``folder``; yields an event after every batch, at least one.

    size: (width, height) that the middle of every image is brought to. Broken off at any point, it keeps what it has.

    Raises :class:`ImageError` where there is no image in the folder, or none of them can be read.
    """
    return scan_files(projector, find_images(folder), str(folder), index, size, batch)


def scan_files(
    projector: Projector,
    files: Iterable[tuple[str, int, int]],
    where: str,
    index: ScanIndex,
    size: tuple[int, int],
    batch: int = 16,
) -> Iterator[ScanEvent]:
    """:func:`scan` of files as :func:`find_images` gives them. where: what a message calls the place they are in."""
    began = time.perf_counter()
    total, pending = index.update(files)
    if not total:
        raise ImageError(f"there is no image in {where!r}; give a folder of PNG, JPEG, WebP, ... files")
    known = total - pending
    unreadable = index.count()[1]

    def event(fresh: int) -> ScanEvent:
        seconds = time.perf_counter() - began
        share = fresh / pending if pending else 1.0
        return ScanEvent(known + fresh, total, known, unreadable, fresh / seconds, seconds, share)

    yield event(0)
    fresh, committed = 0, time.perf_counter()
    kept: list[tuple[tuple[str, int, int], Array, Array]] = []
    try:
        for files, pixels, failed in in_batches(index.pending(), lambda file: file[0], size, projector.at_once(batch)):
            for file, error in failed:
                index.add_unreadable(file, error)
            unreadable += len(failed)
            if files:
                maxima, positions = projector.strongest(to_batch(pixels))
                kept += zip(files, maxima, positions, strict=True)
            fresh += len(files) + len(failed)
            if time.perf_counter() - committed > _SECONDS_BETWEEN_COMMITS:
                index.add(kept)
                kept, committed = [], time.perf_counter()
            yield event(fresh)
    finally:
        index.add(kept)
    if unreadable == total:
        path, reason = index.unreadable(1)[0]
        raise ImageError(
            f"none of the {total} image files in {where!r} can be read; the first is {Path(path).name}: "
            f"{reason.removeprefix(f'{path}: ')}"
        )


def in_batches(
    files: Iterator[Any], path_of: Callable[[Any], str], size: tuple[int, int], batch: int
) -> Iterator[tuple[list[Any], list[Array], list[tuple[Any, str]]]]:
    """``files`` decoded, ``batch`` at a time and some ahead: those that could be read, their pixels (uint8 [H, W, 3],
    see :func:`load_pixels`), and those that could not, with the reason. Memory does not grow with their number.
    """
    workers = max(1, min(8, (os.cpu_count() or 2) // 2))
    waiting: deque[tuple[Any, Future[Array]]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="pixelgrad-decode") as pool:

        def fill() -> None:
            while len(waiting) < 2 * batch and (file := next(files, None)) is not None:
                waiting.append((file, pool.submit(load_pixels, path_of(file), size)))

        try:
            fill()
            while waiting:
                good: list[Any] = []
                pixels: list[Array] = []
                failed: list[tuple[Any, str]] = []
                while waiting and len(good) < batch:
                    file, future = waiting.popleft()
                    try:
                        pixels.append(future.result())
                        good.append(file)
                    except ImageError as error:
                        failed.append((file, str(error)))
                fill()
                yield good, pixels, failed
        finally:
            for _, future in waiting:
                future.cancel()
