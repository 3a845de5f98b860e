"""L-BFGS in a box, one gradient evaluation a step."""

from __future__ import annotations

from typing import Any

import numpy as np

from pixelgrad.runtime.images.resizing import Resize, resize
from pixelgrad.runtime.optimizers.lbfgs_vectors import PAIRS, DeviceVectors, HostVectors, Vectors

Array = np.ndarray[Any, Any]
_SUFFICIENT = 1e-4  # Armijo's constant (Nocedal & Wright 2006, equation 3.4)
_SHORTER = 0.3
_MOST_TRIALS = 12


class LBFGS:
    """Limited-memory BFGS (Nocedal & Wright 2006, algorithm 7.4) with projected backtracking.

    Pixels at a bound that the gradient pushes outwards are held there while a direction is found, and every trial
    is clipped to ``bounds``. A trial that does not lower the loss enough is taken back and shortened; so each step
    costs one evaluation, and :attr:`result` is always the best image so far.

    sessions: those of the artifact's two graphs of L-BFGS (:attr:`Artifact.lbfgs`): all vectors stay on their device.
    bounds: of each value, those of a pixel by default; ``sessions`` know no others.
    pairs: how many steps are remembered, each with how the gradient changed; ``sessions`` always remember ten.
    """

    def __init__(
        self,
        image: Array,
        sessions: tuple[Any, Any] | None = None,
        bounds: tuple[float, float] = (0.0, 1.0),
        pairs: int = PAIRS,
    ) -> None:
        self._sessions, self._pairs = sessions, pairs
        self._vectors: Vectors = (
            HostVectors(image, bounds, pairs) if sessions is None else DeviceVectors(image, *sessions)
        )
        self._loss = np.inf
        self._slope = 0.0
        self._length = 1.0
        self._trials = 0
        self._started = False

    @property
    def image(self) -> Array:
        return self._vectors.trial  # type: ignore[no-any-return]

    @property
    def result(self) -> Array:
        return self._vectors.best  # type: ignore[no-any-return]

    def update(self, loss: float, gradient: Array) -> None:
        if not self._started or self._good_enough(loss):
            self._started, self._loss = True, loss
            self._vectors.accept(gradient)
            self._trials, self._length = 0, 1.0
        elif self._trials >= _MOST_TRIALS:
            # The curvature that was remembered misleads: start again from the steepest descent.
            self._vectors.forget()
            self._trials, self._length = 0, 1.0
        else:
            self._trials += 1
            self._length *= _SHORTER
        self._slope = self._vectors.propose(self._length)

    def resized(self, width: int, height: int, resize: Resize = resize) -> LBFGS:
        """Curvature belongs to one size, so only the image carries over."""
        image = np.clip(resize(np.asarray(self.result), (width, height), "bicubic"), 0.0, 1.0)
        return LBFGS(image, self._sessions, pairs=self._pairs)

    def _good_enough(self, loss: float) -> bool:
        return bool(np.isfinite(loss)) and loss <= self._loss + _SUFFICIENT * min(self._slope, 0.0)
