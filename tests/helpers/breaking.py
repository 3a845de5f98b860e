"""Runs that break in the middle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pixelgrad.runtime import Artifact
from pixelgrad.runtime.artifact import Evaluation


def break_at(monkeypatch: pytest.MonkeyPatch, step: int, error: BaseException | None = None) -> None:
    """From this evaluation of an artifact on, the first being 1: the error, or neither loss nor gradient a number."""
    evaluate, calls = Artifact.evaluate, [0]

    def broken(self: Artifact, *arguments: Any) -> Evaluation:
        calls[0] += 1
        if calls[0] >= step and error is not None:
            raise error
        found = evaluate(self, *arguments)
        if calls[0] < step:
            return found
        return Evaluation(float("nan"), found.losses, found.gradient * np.float32(np.nan))

    monkeypatch.setattr(Artifact, "evaluate", broken)
