"""Being asked to stop: whoever asks, the picture so far is saved as it is after Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import time
from types import FrameType

__all__ = ["stop_politely"]

# A shell passes on the hang-up that the terminal has sent already.
_AGAIN = 2.0
_last: dict[int, float] = {}
# ``timeout``, ``docker stop``, a batch system at its limit; a terminal that is closed; Ctrl-Break on Windows.
_REQUESTS = ("SIGTERM", "SIGHUP", "SIGBREAK")


def stop_politely() -> None:
    """Let the signals that ask a program to stop raise :class:`KeyboardInterrupt`, but for those that are ignored."""
    for name in _REQUESTS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:  # nohup ignores SIGHUP
            signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    # Once, so that the picture is written whole; but who asks later is heard, should C code have lost the first.
    last, _last[number] = _last.get(number), time.monotonic()
    if last is not None and _last[number] - last < _AGAIN:
        return
    if number == getattr(signal, "SIGHUP", None):
        _forget_terminal()
    raise KeyboardInterrupt


def _forget_terminal() -> None:
    """Writing to a terminal that is gone is an error, in the middle of a progress bar."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        with contextlib.suppress(OSError):  # closed already
            if stat.S_ISCHR(os.fstat(stream).st_mode):
                os.dup2(nowhere, stream)
    os.close(nowhere)
