"""L-BFGS in the box [0, 1], one gradient evaluation a step."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from pixelgrad.runtime.images import resize

Array = np.ndarray[Any, Any]
_SUFFICIENT = 1e-4  # Armijo's constant (Nocedal & Wright 2006, equation 3.4)
_SHORTER = 0.3
_MOST_TRIALS = 12


class LBFGS:
    """Limited-memory BFGS (Nocedal & Wright 2006, algorithm 7.4) with projected backtracking.

    Pixels at a bound that the gradient pushes outwards are held there while a direction is found, and every trial
    is clipped to [0, 1]. A trial that does not lower the loss enough is taken back and shortened; so each step
    costs one evaluation, and :attr:`result` is always the best image so far.
    """

    def __init__(self, image: Array, memory: int = 10) -> None:
        self._best = self._trial = image.astype(np.float32)
        self._gradient: Array | None = None
        self._loss = np.inf
        self._direction: Array | None = None
        self._length = 1.0
        self._trials = 0
        self._pairs: deque[tuple[Array, Array, float]] = deque(maxlen=memory)

    @property
    def image(self) -> Array:
        return self._trial

    @property
    def result(self) -> Array:
        return self._best

    def update(self, loss: float, gradient: Array) -> None:
        gradient = np.asarray(gradient, np.float32)
        if self._gradient is None or self._good_enough(loss):
            self._accept(loss, gradient)
            self._length = 1.0
        elif self._trials >= _MOST_TRIALS:
            # The curvature that was remembered misleads: start again from the steepest descent.
            self._pairs.clear()
            self._length = 1.0
            self._aim()
        else:
            self._trials += 1
            self._length *= _SHORTER
        self._propose()

    def resized(self, width: int, height: int) -> LBFGS:
        """Curvature belongs to one size, so only the image carries over."""
        return LBFGS(np.clip(resize(self._best, (width, height), "bicubic"), 0.0, 1.0), self._pairs.maxlen or 10)

    def _good_enough(self, loss: float) -> bool:
        assert self._gradient is not None
        expected = float(np.vdot(self._gradient, self._trial - self._best))
        return bool(np.isfinite(loss)) and loss <= self._loss + _SUFFICIENT * min(expected, 0.0)

    def _accept(self, loss: float, gradient: Array) -> None:
        if self._gradient is not None:
            moved, changed = self._trial - self._best, gradient - self._gradient
            curvature = float(np.vdot(moved, changed))
            if curvature > 1e-10 * float(np.vdot(changed, changed)):
                self._pairs.append((moved, changed, curvature))
        self._best, self._loss, self._gradient = self._trial, loss, gradient
        self._aim()

    def _aim(self) -> None:
        """The two-loop recursion over the pixels that are free to move."""
        assert self._gradient is not None
        self._trials = 0
        held = ((self._best <= 0) & (self._gradient > 0)) | ((self._best >= 1) & (self._gradient < 0))
        q = np.where(held, np.float32(0), self._gradient)
        kept = []
        for moved, changed, curvature in reversed(self._pairs):
            alpha = float(np.vdot(moved, q)) / curvature
            q = q - np.float32(alpha) * changed
            kept.append(alpha)
        if self._pairs:
            _, changed, curvature = self._pairs[-1]
            q = q * np.float32(curvature / float(np.vdot(changed, changed)))
        else:
            # The first step moves the average pixel by a hundredth of its range.
            q = q * np.float32(0.01 / max(float(np.abs(q).mean()), 1e-12))
        for (moved, changed, curvature), alpha in zip(self._pairs, reversed(kept), strict=True):
            beta = float(np.vdot(changed, q)) / curvature
            q = q + np.float32(alpha - beta) * moved
        direction = np.where(held, np.float32(0), -q)
        if float(np.vdot(direction, self._gradient)) >= 0:
            direction = np.where(held, np.float32(0), -self._gradient)
            self._pairs.clear()
        self._direction = direction

    def _propose(self) -> None:
        assert self._direction is not None
        self._trial = np.clip(self._best + np.float32(self._length) * self._direction, 0.0, 1.0)
