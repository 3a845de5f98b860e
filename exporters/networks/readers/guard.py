"""Damage that nothing foresaw becomes the one error that a damaged file gives."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager

from pixelgrad.errors import NetworkError, PixelgradError

_UNFORESEEN = (
    ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError, EOFError, AssertionError,
    struct.error, OSError, RuntimeError,
)  # fmt: skip
_LONGEST = 300


@contextmanager
def damage(file: str) -> Iterator[None]:
    """Readers check what they know can be wrong; what else a damaged file sets off, in them or in the libraries that
    take its graph apart, is raised as :class:`NetworkError` here, with the original error as its cause.
    """
    try:
        yield
    except PixelgradError:
        raise
    except MemoryError as error:
        raise NetworkError(f"{file!r} asks for more memory than there is; it is damaged, or too large") from error
    except _UNFORESEEN as error:
        root: BaseException = error
        while root.__cause__ is not None:  # what went wrong, not how it was passed on
            root = root.__cause__
        reason = " ".join(f"{type(root).__name__}: {root}".split())[:_LONGEST]
        raise NetworkError(f"{file!r} is damaged, or was not downloaded completely ({reason})") from error
