"""The vectors of L-BFGS and what is done with them: on the host by NumPy, or on a device by the artifact's graphs."""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol

import numpy as np

from pixelgrad.runtime.memory import DeviceArray, memory_of

__all__ = ["PAIRS", "DeviceVectors", "HostVectors", "Vectors"]

Array = np.ndarray[Any, Any]
#: How many pairs of a step and the gradient's change are remembered.
PAIRS = 10
# A pair along which the gradient does not grow by this much of its change tells nothing of a minimum.
_LEAST_CURVATURE = 1e-10
# The first step moves the average pixel by a hundredth of its range.
_FIRST_STEP = 0.01
_TINY = 1e-12


class Vectors(Protocol):
    """The images and gradients of a descent in a box."""

    @property
    def best(self) -> Any:
        """The best image so far."""

    @property
    def trial(self) -> Any:
        """The image whose loss is wanted."""

    def accept(self, gradient: Any) -> None:
        """The trial, with this gradient, is the best image; find the direction from there."""

    def forget(self) -> None:
        """Drop what was remembered; the direction is that of steepest descent."""

    def propose(self, length: float) -> float:
        """Make the next trial, so far along the direction; what it lowers the loss by, were the loss linear."""


class HostVectors:
    """The two-loop recursion (Nocedal & Wright 2006, algorithm 7.4) over the pixels that are free to move.

    On a CPU the graphs of :class:`DeviceVectors` take about twice as long (tests/benchmarks/lbfgs.py) and
    twice the memory, because they write the history anew at every step; so this is done there.
    """

    def __init__(self, image: Array, bounds: tuple[float, float] = (0.0, 1.0), pairs: int = PAIRS) -> None:
        self._low, self._high = bounds
        self.best = self.trial = image.astype(np.float32)
        self._gradient: Array | None = None
        self._pairs: deque[tuple[Array, Array, float]] = deque(maxlen=pairs)
        self._direction = np.zeros_like(self.best)

    def accept(self, gradient: Any) -> None:
        gradient = np.asarray(gradient, np.float32)
        if self._gradient is not None:
            moved, changed = self.trial - self.best, gradient - self._gradient
            curvature = float(np.vdot(moved, changed))
            if curvature > _LEAST_CURVATURE * float(np.vdot(changed, changed)):
                self._pairs.append((moved, changed, curvature))
        self.best, self._gradient = self.trial, gradient
        self._aim()

    def forget(self) -> None:
        self._pairs.clear()
        self._aim()

    def propose(self, length: float) -> float:
        assert self._gradient is not None
        self.trial = np.clip(self.best + np.float32(length) * self._direction, self._low, self._high)
        return float(np.vdot(self._gradient, self.trial - self.best))

    def _aim(self) -> None:
        gradient = self._gradient
        assert gradient is not None
        held = ((self.best <= self._low) & (gradient > 0)) | ((self.best >= self._high) & (gradient < 0))
        q = np.where(held, np.float32(0), gradient)
        part = np.empty_like(q)
        kept = []
        for moved, changed, curvature in reversed(self._pairs):
            alpha = float(np.vdot(moved, q)) / curvature
            q -= np.multiply(changed, np.float32(alpha), out=part)
            kept.append(alpha)
        if self._pairs:
            _, changed, curvature = self._pairs[-1]
            q *= np.float32(curvature / float(np.vdot(changed, changed)))
        else:
            q *= np.float32(_FIRST_STEP / max(float(np.abs(q).mean()), _TINY))
        for (moved, changed, curvature), alpha in zip(self._pairs, reversed(kept), strict=True):
            beta = float(np.vdot(changed, q)) / curvature
            q += np.multiply(moved, np.float32(alpha - beta), out=part)
        self._direction = np.where(held, np.float32(0), -q)
        if float(np.vdot(self._direction, gradient)) >= 0:
            self._direction = np.where(held, np.float32(0), -gradient)
            self._pairs.clear()


class DeviceVectors:
    """The same recursion over inner products (Chen, Wang & Zhou 2014, algorithm 3), the vectors on a device.

    accept, propose: sessions of ``lbfgs_accept_model.onnx`` and ``lbfgs_propose_model.onnx``. Between previews no image
    leaves the device: of an accepted trial 3 (2 m + 1) inner products come to the host, of any trial one slope.
    """

    def __init__(self, image: Array, accept: Any, propose: Any) -> None:
        memory = memory_of(accept)
        assert memory is not None
        self._accept, self._propose, self._memory = accept, propose, memory
        self.best = self.trial = memory.put(np.asarray(image, np.float32))
        self._gradient: DeviceArray | None = None
        batch, depth, height, width = image.shape
        shape = (batch * depth * height, 2 * PAIRS, width)
        # The history is written anew for each pair, into one of two buffers in turn.
        self._history, self._spare = (memory.put(np.zeros(shape, np.float32)) for _ in range(2))
        # products[i, j]: of the vectors s_1 ... s_m, y_1 ... y_m, g. known: which pairs of them to use.
        self._products = np.zeros((2 * PAIRS + 1, 2 * PAIRS + 1))
        self._known = np.zeros(PAIRS, bool)
        self._magnitude = 0.0
        self._coefficients = np.zeros((1, 2 * PAIRS + 1), np.float32)

    def accept(self, gradient: Any) -> None:
        gradient = self._memory.put(gradient)
        feeds = {
            "image": self.trial,
            "gradient": gradient,
            "best": self.best,
            "best_gradient": gradient if self._gradient is None else self._gradient,
            "history": self._history,
        }
        history, products, magnitude = self._memory.run(
            self._accept,
            ["new_history", "products", "magnitude"],
            feeds,
            host=["products", "magnitude"],
            into={"new_history": self._spare},
        )
        self._history, self._spare = history, self._history
        self._remember(products.astype(np.float64))
        self._magnitude = float(magnitude)
        self.best, self._gradient = self.trial, gradient
        self._aim()

    def forget(self) -> None:
        self._known[:] = False
        self._aim()

    def propose(self, length: float) -> float:
        assert self._gradient is not None
        feeds = {
            "best": self.best,
            "best_gradient": self._gradient,
            "history": self._history,
            "coefficients": self._coefficients,
            "length": np.asarray(length, np.float32),
        }
        self.trial, slope = self._memory.run(self._propose, ["trial", "slope"], feeds, host=["slope"])
        return float(slope)

    def _remember(self, found: Array) -> None:
        """Put the products of all vectors with the newest pair and the gradient in their places."""
        newest_step, newest_change = PAIRS - 1, 2 * PAIRS - 1
        order = [*range(1, PAIRS), 0, *range(PAIRS + 1, 2 * PAIRS), PAIRS, 2 * PAIRS]
        self._products = self._products[np.ix_(order, order)]
        for column, place in enumerate((newest_step, newest_change, 2 * PAIRS)):
            self._products[:, place] = self._products[place, :] = found[:, column]
        self._known = np.roll(self._known, -1)
        curvature, change = (self._products[place, newest_change] for place in (newest_step, newest_change))
        self._known[-1] = curvature > _LEAST_CURVATURE * change

    def _aim(self) -> None:
        """The two loops, on coefficients of the vectors in place of the vectors."""
        products, pairs = self._products, np.flatnonzero(self._known)
        q = np.zeros(2 * PAIRS + 1)
        q[-1] = 1
        alphas = {}
        for pair in reversed(pairs):
            alphas[pair] = products[pair] @ q / products[pair, PAIRS + pair]
            q[PAIRS + pair] -= alphas[pair]
        if len(pairs):
            last = PAIRS + pairs[-1]
            q *= products[pairs[-1], last] / products[last, last]
        else:
            q *= _FIRST_STEP / max(self._magnitude, _TINY)
        for pair in pairs:
            beta = products[PAIRS + pair] @ q / products[pair, PAIRS + pair]
            q[pair] += alphas[pair] - beta
        if products[-1] @ q <= 0:
            q[:] = 0
            q[-1] = 1
            self._known[:] = False
        self._coefficients = -q[None].astype(np.float32)
