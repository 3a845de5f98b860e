"""Arrays for the rows, from one generator."""

from __future__ import annotations

from typing import Any

import numpy as np

from helpers.gradcheck import Case

_rng = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray[Any, Any]:
    return _rng.normal(size=shape)


def positive(*shape: int) -> np.ndarray[Any, Any]:
    return _rng.uniform(0.3, 2.0, size=shape)


def within(*shape: int) -> np.ndarray[Any, Any]:
    return _rng.uniform(-0.9, 0.9, size=shape)


def ints(*values: int) -> np.ndarray[Any, Any]:
    return np.asarray(values, dtype=np.int64)


def unary(op: str, x: np.ndarray[Any, Any] | None = None, label: str = "", **attributes: Any) -> Case:
    return Case(op, {"x": normal(2, 3, 4) * 2 if x is None else x}, attributes, label=label)
