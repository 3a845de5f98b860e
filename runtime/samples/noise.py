"""Gradient noise and its fractal sums, evaluated at any coordinates, so that a picture has no grid of its
own.

The lattice hash and the quintic fade are those of Perlin, "Improving Noise" (SIGGRAPH 2002); the gradients
are random unit vectors rather than his eight, which leaves no preferred direction. Sums turn by about 37
degrees from octave to octave, so that the lattices of two octaves never line up.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]  # float32, wherever there are as many values as pixels.
Picture = npt.NDArray[np.float32]

_PERIOD = 1024  # Lattice cells until the hash repeats: more than any octave here spans.
_PIECE = 1 << 14  # Points evaluated at a time.
_TURN = (0.8, 0.6)  # Cosine and sine of the turn between octaves.


def smoothstep(low: float, high: float, x: Array) -> Array:
    """0 below ``low``, 1 above ``high`` and 3t^2 - 2t^3 between; ``low > high`` gives the falling edge."""
    t = np.clip((x - np.float32(low)) * np.float32(1.0 / (high - low)), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), np.float32)


def mix(a: Array, b: Array, t: Array) -> Array:
    """Colours from ``a`` where ``t`` is 0 to ``b`` where it is 1; a and b are [..., 3], t has no colour
    axis.
    """
    return np.asarray(a + (b - a) * t[..., None], np.float32)


class Noise:
    """One random field: gradient noise of unit cell, with values within about [-1, 1], mean 0 and
    deviation 0.3.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        order = rng.permutation(_PERIOD)
        angle = rng.random(_PERIOD) * (2.0 * np.pi)
        twice = np.resize(order, 2 * _PERIOD + 2)  # Long enough for a hash plus a lattice row, with no second mask.
        self._hash = twice
        self._gx = (1.4 * np.cos(angle)).astype(np.float32)[twice]
        self._gy = (1.4 * np.sin(angle)).astype(np.float32)[twice]

    def __call__(self, x: Array, y: Array) -> Array:
        """Noise at (x, y), arrays of one shape."""
        return self._in_pieces(x, y, False)[0]

    def slope(self, x: Array, y: Array) -> tuple[Array, Array, Array]:
        """Noise at (x, y) and its two partial derivatives."""
        value, along_x, along_y = self._in_pieces(x, y, True)
        return value, along_x, along_y

    def _in_pieces(self, x: Array, y: Array, slope: bool) -> list[Array]:
        """Evaluate piece by piece, so that the many temporaries stay in the processor's cache."""
        x, y = np.broadcast_arrays(x, y)
        flat_x, flat_y = x.ravel(), y.ravel()
        results = [np.empty(flat_x.size, np.float32) for _ in range(3 if slope else 1)]
        for start in range(0, flat_x.size, _PIECE):
            piece = slice(start, start + _PIECE)
            for result, part in zip(results, self._evaluate(flat_x[piece], flat_y[piece], slope), strict=True):
                result[piece] = part
        return [result.reshape(x.shape) for result in results]

    def _evaluate(self, x: Array, y: Array, slope: bool) -> list[Array]:
        x0, y0 = np.floor(x), np.floor(y)
        i, j = x0.astype(np.int64), y0.astype(np.int64) & (_PERIOD - 1)
        u, v = x - x0, y - y0
        left = self._hash[i & (_PERIOD - 1)] + j
        right = self._hash[(i + 1) & (_PERIOD - 1)] + j
        gx = [self._gx[k] for k in (left, right, left + 1, right + 1)]
        gy = [self._gy[k] for k in (left, right, left + 1, right + 1)]
        a = gx[0] * u + gy[0] * v
        b = gx[1] * (u - 1) + gy[1] * v
        c = gx[2] * u + gy[2] * (v - 1)
        d = gx[3] * (u - 1) + gy[3] * (v - 1)
        fu = u * u * u * (u * (u * 6 - 15) + 10)
        fv = v * v * v * (v * (v * 6 - 15) + 10)
        low, high = a + (b - a) * fu, c + (d - c) * fu
        value = low + (high - low) * fv
        if not slope:
            return [value]
        du, dv = 30 * u * u * (u * (u - 2) + 1), 30 * v * v * (v * (v - 2) + 1)
        low_x, high_x = gx[0] + (gx[1] - gx[0]) * fu, gx[2] + (gx[3] - gx[2]) * fu
        low_y, high_y = gy[0] + (gy[1] - gy[0]) * fu, gy[2] + (gy[3] - gy[2]) * fu
        along_x = low_x + (high_x - low_x) * fv + du * (b - a + (a - b - c + d) * fv)
        along_y = low_y + (high_y - low_y) * fv + dv * (high - low)
        return [value, along_x, along_y]

    def cells(self, i: Array, j: Array) -> tuple[Array, Array]:
        """Two independent numbers in [0, 1) for each lattice cell (i, j)."""
        mask = _PERIOD - 1
        first = self._hash[self._hash[i.astype(np.int64) & mask] + (j.astype(np.int64) & mask)]
        second = self._hash[first + 401]
        return (first / np.float32(_PERIOD)).astype(np.float32), (second / np.float32(_PERIOD)).astype(np.float32)

    def fractal(self, x: Array, y: Array, octaves: int, gain: float = 0.5) -> Array:
        """Fractal Brownian motion: octaves of doubling frequency, each ``gain`` times as strong as the one
        before.
        """
        total = np.zeros(np.broadcast(x, y).shape, np.float32)
        amplitude = 1.0
        for _ in range(octaves):
            total += np.float32(amplitude) * self(x, y)
            x, y = _next_octave(x, y)
            amplitude *= gain
        return total

    def billows(self, x: Array, y: Array, octaves: int, gain: float = 0.5) -> Array:
        """Sum of 1 - 2|noise|-like heaps: rounded tops and sharp clefts, as cumulus has; about [-1, 1]."""
        total = np.zeros(np.broadcast(x, y).shape, np.float32)
        amplitude = 1.0
        for _ in range(octaves):
            total += np.float32(amplitude) * (2.4 * np.abs(self(x, y)) - 0.55)
            x, y = _next_octave(x, y)
            amplitude *= gain
        return total

    def eroded(self, x: Array, y: Array, octaves: int, gain: float = 0.5) -> Array:
        """Fractal sum whose octaves fade where the ground is steep already: flat valleys, sharp ridges, clean
        flanks.

        Inigo Quilez, "Value noise derivatives" (2008), with gradient noise.
        """
        total = np.zeros(np.broadcast(x, y).shape, np.float32)
        steep_x, steep_y = np.zeros_like(total), np.zeros_like(total)
        amplitude = 1.0
        for _ in range(octaves):
            value, along_x, along_y = self.slope(x, y)
            steep_x += along_x
            steep_y += along_y
            total += np.float32(amplitude) * value / (1.0 + steep_x * steep_x + steep_y * steep_y)
            x, y = _next_octave(x, y)
            amplitude *= gain
        return total


def _next_octave(x: Array, y: Array) -> tuple[Array, Array]:
    """The coordinates of the next octave: twice as fine, turned and moved on."""
    c, s = _TURN
    return (
        np.asarray(2.0 * (c * x - s * y) + 17.3, np.float32),
        np.asarray(2.0 * (s * x + c * y) + 5.7, np.float32),
    )
