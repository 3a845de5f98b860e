"""The C heap while a session loads: ONNX Runtime folds weights, and what it has freed should go back to the system."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import sys
from collections.abc import Iterator
from typing import Any

__all__ = ["tidy_heap"]

# From glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_MEBIBYTE = 1 << 20


@contextlib.contextmanager
def tidy_heap() -> Iterator[None]:
    """Around the loading of a session: memory freed inside is the system's again afterwards. Nothing but on glibc.

    A session folds each weight into several forms and frees all but one. From the first large block freed, glibc
    keeps such blocks on its heap, where the gaps between them are lost: a process that had loaded VGG-19 with its
    gradient held 285 MB instead of 157 (1.0 s and 0.9 s to load, within noise), one with Winograd's transforms 800.

    Inside, blocks of 1 MiB or more are mapped each by itself. Afterwards the thresholds are the highest that glibc
    would have reached on its own (``HEAP_MAX / 2``), so that arrays of pixels are taken from the heap as before.
    """
    libc = _glibc()
    if libc is None:
        yield
        return
    libc.mallopt(_MMAP_THRESHOLD, _MEBIBYTE)
    try:
        yield
    finally:
        libc.mallopt(_MMAP_THRESHOLD, 32 * _MEBIBYTE)
        libc.mallopt(_TRIM_THRESHOLD, 64 * _MEBIBYTE)
        libc.malloc_trim(0)


@functools.cache
def _glibc() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
