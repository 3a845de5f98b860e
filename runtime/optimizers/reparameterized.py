"""An image moved along its parameters: by Adam, a different view of it at every step, or by L-BFGS as it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pixelgrad.runtime.optimizers.lbfgs import LBFGS
from pixelgrad.runtime.parameters import Parameters
from pixelgrad.runtime.transforms import Robustness

__all__ = ["Reparameterized", "Settled", "settling"]

Array = np.ndarray[Any, Any]
_BETAS = (0.9, 0.99)
_TINY = 1e-8
_STIR = 0.3
# The share of the steps, at the end, over which the learning rate goes to zero: what jitters there settles.
_SETTLING = 0.5


class Reparameterized:
    """Kingma & Ba 2015 on what the pictures are made from; the gradient is taken at a random view of them.

    parameters: what the pictures are made from. start: its values, one set for each picture.
    rng: draws the views. rates: the learning rate of each step of Adam in turn. views: how many gradients are averaged
    for a step. noise: for each picture, what stirs it where it has no gradient; ``rng`` by default.
    :meth:`look` says how far the views differ from the pictures, before the first.
    """

    def __init__(
        self,
        parameters: Parameters,
        start: Array,
        rng: np.random.Generator,
        rates: Sequence[float],
        views: int = 1,
        noise: Sequence[np.random.Generator] = (),
    ) -> None:
        self._parameters, self._values = parameters, start
        self._rng, self._rates, self._views = rng, rates, views
        self._noise = noise or [rng] * len(start)
        self._moments = np.zeros_like(start), np.zeros_like(start)
        self._sum, self._seen, self._step = np.zeros_like(start), 0, 0
        self._result = parameters.image(start)
        self._importance = np.zeros_like(self._result[:, 0])
        self.look(Robustness())

    @property
    def values(self) -> Array:
        """What the pictures are made from, as it is now."""
        return self._values

    @property
    def image(self) -> Array:
        return self._view

    @property
    def result(self) -> Array:
        return self._result

    @property
    def importance(self) -> Array:
        """How much each pixel mattered: the sum of its gradients' magnitudes at this size, [N, H, W]."""
        return self._importance

    def look(self, robustness: Robustness) -> None:
        """Draw the views from ``robustness`` from now on."""
        self._robustness = robustness
        self._draw()

    def update(self, loss: float, gradient: Array) -> None:
        """Take the loss and the gradient at the view :attr:`image`, and move on."""
        asleep: Array = np.logical_not(gradient.reshape(len(gradient), -1).any(axis=1))
        if asleep.any():
            self._stir(asleep)
        pixels = self._warp.adjoint(gradient)
        self._importance = self._importance + np.abs(pixels).sum(1)
        self._sum += self._parameters.gradient(self._values, self._result, pixels)
        self._seen += 1
        if self._seen == self._views:
            self._move(self._sum / self._views)
            self._sum, self._seen = np.zeros_like(self._sum), 0
        self._draw()

    def grow(self, parameters: Parameters, rest: Array) -> None:
        """Go on at a larger size, with moments and all. rest: values of that size, for what is new in it."""
        height, width = parameters.image(rest).shape[2:]
        old, nothing = self._parameters, np.zeros_like(rest)
        self._parameters, self._values = parameters, old.resized(self._values, rest, height, width)
        first, second = (old.spread(moment, nothing, height, width) for moment in self._moments)
        self._moments = first, np.maximum(second, 0)
        self._sum, self._seen = nothing, 0
        self._result = parameters.image(self._values)
        self._importance = np.zeros_like(self._result[:, 0])
        self._draw()

    def _stir(self, asleep: Array) -> None:
        """Noise for pictures without any gradient, such as none of the units before the one that is wanted responds to.

        What was there fades as the noise comes in, so that however long it takes, there is no more than one noise. Each
        picture has its own, so that one that sleeps is nothing to those beside it.
        """
        self._values = self._values.copy()
        for picture in np.flatnonzero(asleep).tolist():
            noise = self._noise[picture].standard_normal(self._values.shape[1:], dtype=np.float32)
            self._values[picture] *= np.float32(math.sqrt(1 - _STIR**2))
            self._values[picture] += np.float32(_STIR) * noise
        self._result = self._parameters.image(self._values)

    def _move(self, gradient: Array) -> None:
        first, second = self._moments
        first += (1 - _BETAS[0]) * (gradient - first)
        second += (1 - _BETAS[1]) * (gradient * gradient - second)
        rate = self._rates[min(self._step, len(self._rates) - 1)]
        self._step += 1
        mean = first / (1 - _BETAS[0] ** self._step)
        size = np.sqrt(second / (1 - _BETAS[1] ** self._step))
        moved = (self._values - rate * mean / (size + _TINY)).astype(np.float32)
        self._values = self._parameters.held(moved)
        self._result = self._parameters.image(self._values)

    def _draw(self) -> None:
        height, width = self._result.shape[2:]
        self._warp = self._robustness.draw(self._rng, (height, width))
        self._view = self._warp.forward(self._result)
        if self._robustness.noise:
            # The same for all, as the warp is: a picture does not depend on those beside it.
            self._view += self._robustness.noise * self._rng.standard_normal(self._view.shape[1:], dtype=np.float32)


class Settled:
    """L-BFGS on what the pictures are made from: where nothing changes between steps, a few of them go far.

    parameters, start: as of :class:`Reparameterized`.
    """

    def __init__(self, parameters: Parameters, start: Array) -> None:
        self._parameters = parameters
        self._descent = LBFGS(start, bounds=(-np.inf, np.inf))
        self._image = self._result = parameters.image(start)

    @property
    def image(self) -> Array:
        return self._image

    @property
    def result(self) -> Array:
        return self._result

    def update(self, loss: float, gradient: Array) -> None:
        before = self._descent.image
        self._descent.update(loss, self._parameters.gradient(before, self._image, gradient))
        if self._descent.result is before:
            self._result = self._image
        self._image = self._parameters.image(self._descent.image)


def settling(rate: float, steps: int) -> list[float]:
    """The learning rate of each step: constant, then down to zero along half a cosine."""
    begins = steps * (1 - _SETTLING)
    ahead = [max(0.0, (step + 0.5 - begins) / (steps - begins)) for step in range(steps)]
    return [rate * 0.5 * (1 + math.cos(math.pi * share)) for share in ahead]
