"""Running out of memory as an error that can be told, rather than as the end of the process."""

from __future__ import annotations

import sys
import warnings

from pixelgrad.tasks import free_memory

__all__ = ["hold_memory", "release_memory"]

# The soft limit that was there before ours, while that holds.
_before: list[int] = []


def hold_memory() -> None:
    """Let this process take what is free now, with what can be swapped out, and no more. Nothing but on Linux.

    There memory is promised whether it is there or not, and who takes most of it is killed when it is not: the picture
    so far would be lost, and nothing said. Elsewhere the system itself refuses.
    """
    if sys.platform != "linux" or _before:
        return
    import resource

    import psutil

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what else it would say of the swap space
            taken, swap = psutil.Process().memory_info().data, psutil.swap_memory().free
    except (OSError, psutil.Error):  # a sandbox that does not tell
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = taken + free_memory() + swap
    known = [limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY]
    if taken and most < min(known, default=sys.maxsize):
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
        _before.append(soft)


def release_memory() -> None:
    """Let the system promise again what it likes."""
    if _before:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (_before.pop(), resource.getrlimit(resource.RLIMIT_DATA)[1]))
