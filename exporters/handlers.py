"""What the handler of a signal raises while the libraries below take every exception for one of their own."""

from __future__ import annotations

import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["handlers_heard"]


@contextmanager
def handlers_heard() -> Iterator[None]:
    """What a handler raised, the time limit of a queue of tasks say, comes out as it is, not as what was made of it.

    That is told by its traceback: a handler may raise anything, and runs between any two instructions.
    """
    try:
        yield
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None and not _is_of_handler(cause):
            cause = cause.__cause__
        if cause is None or cause is error:
            raise
        raise cause from None


def _is_of_handler(error: BaseException) -> bool:
    handlers = {getattr(signal.getsignal(number), "__code__", None) for number in signal.valid_signals()}
    return any(frame.f_code in handlers for frame, _ in traceback.walk_tb(error.__traceback__))
