"""How much memory a large picture may take where nobody has said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from pixelgrad.runtime import Artifact, Choice, StyleSettings, TextureSettings

__all__ = ["free_memory", "memory_limit", "with_limit"]

S = TypeVar("S", StyleSettings, TextureSettings)
# Below so many pixels a step takes a gigabyte or two, and writing graphs of tiles more seconds than it is worth.
_LARGE = 2_000_000
# The rest is for what else runs, and for estimates that fall short.
_SHARE = 0.8
_CGROUP = Path("/sys/fs/cgroup")


def memory_limit(settings: StyleSettings | TextureSettings, choice: Choice) -> int | None:
    """How many bytes a run may take: what ``settings`` say, else what is free on a CPU; ``None`` for a small result."""
    # A texture of no given size is not a large one; of a style transfer it is the longer edge.
    edges = (settings.size, settings.size) if isinstance(settings, StyleSettings) else settings.size or (0, 0)
    if settings.max_memory is not None or choice.device.name != "cpu" or math.prod(edges) < _LARGE:
        return settings.max_memory
    return int(_SHARE * free_memory())


def with_limit(settings: S, limit: int | None, artifacts: Sequence[Artifact]) -> S:
    """``settings`` that keep to the limit; as they are where nobody asked for one and whole images are all that an
    artifact can see.
    """
    able = all(artifact.tiles is not None for artifact in artifacts)
    return replace(settings, max_memory=limit) if able else settings


def free_memory() -> int:
    """Bytes that are free here and now: of the machine, or of the container that this runs in."""
    import psutil

    free = int(psutil.virtual_memory().available)
    try:
        limit, used = ((_CGROUP / name).read_text().strip() for name in ("memory.max", "memory.current"))
        return min(free, int(limit) - int(used)) if limit != "max" else free
    except (OSError, ValueError):  # no container, or one of another kind
        return free
