"""How much memory a large picture may take where nobody has said."""

from __future__ import annotations

import math
from pathlib import Path

from pixelgrad.runtime import (
    Choice,
    DreamSettings,
    InversionSettings,
    StyleSettings,
    TextureSettings,
    VisualizeSettings,
)

__all__ = ["free_memory", "memory_limit"]

# Below so many pixels a step takes a gigabyte or two, and writing graphs of tiles more seconds than it is worth.
_LARGE = 2_000_000
# The rest is for what else runs, and for estimates that fall short.
_SHARE = 0.8
_CGROUP = Path("/sys/fs/cgroup")


def memory_limit(
    settings: StyleSettings | TextureSettings | DreamSettings | InversionSettings | VisualizeSettings, choice: Choice
) -> int | None:
    """How many bytes a run may take: what ``settings`` say, else what is free on a CPU; ``None`` for a small result."""
    # What has no given size is not large; and of all but a texture it is the longer edge.
    size = settings.size or 0
    edges = size if isinstance(size, tuple | list) else (size, size)
    given: int | None = getattr(settings, "max_memory", None)
    if given is not None or choice.device.name != "cpu" or math.prod(edges) < _LARGE:
        return given
    return int(_SHARE * free_memory())


def free_memory() -> int:
    """Bytes that are free here and now: of the machine, or of the container that this runs in."""
    import psutil

    free = int(psutil.virtual_memory().available)
    try:
        limit, used = ((_CGROUP / name).read_text().strip() for name in ("memory.max", "memory.current"))
        return min(free, int(limit) - int(used) + _reclaimable()) if limit != "max" else free
    except (OSError, ValueError):  # no container, or one of another kind
        return free


def _reclaimable() -> int:
    """Bytes that hold files, which a container gives up when memory runs short."""
    rows = (line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())
    return sum(int(count) for name, count in rows if name in ("inactive_file", "active_file"))
