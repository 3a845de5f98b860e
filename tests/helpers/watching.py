"""What an artifact is given while it runs."""

from __future__ import annotations

from typing import Any

import pytest

from pixelgrad.runtime import Artifact


def shapes_seen(monkeypatch: pytest.MonkeyPatch, artifact: Artifact) -> set[tuple[int, ...]]:
    """(height, width) of every image that it evaluates, or takes targets from, from now on."""
    shapes: set[tuple[int, ...]] = set()
    for name in ("evaluate", "targets"):
        method = getattr(artifact, name)

        def watched(image: Any, *rest: Any, method: Any = method) -> Any:
            shapes.add(image.shape[2:])
            return method(image, *rest)

        monkeypatch.setattr(artifact, name, watched)
    return shapes
