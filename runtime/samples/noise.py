"""Gradient noise and its fractal sums, evaluated at any coordinates, so that a picture has no grid of its own.

The lattice hash and the quintic fade are those of Perlin, "Improving Noise" (SIGGRAPH 2002); the gradients are
random unit vectors rather than his eight, which leaves no preferred direction. Sums turn by about 37 degrees from
octave to octave, so that the lattices of two octaves never line up.
"""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

_PERIOD = 1024  # Lattice cells until the hash repeats: more than any octave here spans.
_TURN = (0.8, 0.6)  # Cosine and sine of the turn between octaves.


def smoothstep(low: float, high: float, x: Array) -> Array:
    """0 below ``low``, 1 above ``high`` and 3t^2 - 2t^3 between; ``low > high`` gives the falling edge."""
    t = np.clip((x - np.float32(low)) * np.float32(1.0 / (high - low)), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), np.float32)


def mix(a: Array, b: Array, t: Array) -> Array:
    """Colours from ``a`` where ``t`` is 0 to ``b`` where it is 1; a and b are [..., 3], t has no colour axis."""
    return np.asarray(a + (b - a) * t[..., None], np.float32)


class Noise:
    """One random field: gradient noise of unit cell, with values within about [-1, 1], mean 0 and deviation 0.3."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._hash = rng.permutation(_PERIOD)
        angle = rng.random(_PERIOD) * (2.0 * np.pi)
        self._gradient = np.stack([np.cos(angle), np.sin(angle)]).astype(np.float32) * np.float32(1.4)

    def _corners(self, x: Array, y: Array) -> tuple[Array, Array, list[Array], list[Array]]:
        """Offsets in the cell, and the gradients of its corners 00, 10, 01, 11."""
        x0, y0 = np.floor(x), np.floor(y)
        i = x0.astype(np.int64)
        j = y0.astype(np.int64)
        left = self._hash[i & (_PERIOD - 1)] + j
        right = self._hash[(i + 1) & (_PERIOD - 1)] + j
        gx, gy = [], []
        for lattice in (left, right, left + 1, right + 1):
            corner = self._hash[lattice & (_PERIOD - 1)]
            gx.append(self._gradient[0][corner])
            gy.append(self._gradient[1][corner])
        return x - x0, y - y0, gx, gy

    def __call__(self, x: Array, y: Array) -> Array:
        """Noise at (x, y), arrays of one shape."""
        u, v, gx, gy = self._corners(x, y)
        a = gx[0] * u + gy[0] * v
        b = gx[1] * (u - 1) + gy[1] * v
        c = gx[2] * u + gy[2] * (v - 1)
        d = gx[3] * (u - 1) + gy[3] * (v - 1)
        fu = u * u * u * (u * (u * 6 - 15) + 10)
        fv = v * v * v * (v * (v * 6 - 15) + 10)
        low = a + (b - a) * fu
        return np.asarray(low + (c + (d - c) * fu - low) * fv, np.float32)

    def slope(self, x: Array, y: Array) -> tuple[Array, Array, Array]:
        """Noise at (x, y) and its two partial derivatives."""
        u, v, gx, gy = self._corners(x, y)
        a = gx[0] * u + gy[0] * v
        b = gx[1] * (u - 1) + gy[1] * v
        c = gx[2] * u + gy[2] * (v - 1)
        d = gx[3] * (u - 1) + gy[3] * (v - 1)
        fu = u * u * u * (u * (u * 6 - 15) + 10)
        fv = v * v * v * (v * (v * 6 - 15) + 10)
        du = 30 * u * u * (u * (u - 2) + 1)
        dv = 30 * v * v * (v * (v - 2) + 1)
        twist = a - b - c + d
        value = a + (b - a) * fu + (c - a) * fv + twist * fu * fv
        along_x = gx[0] + (gx[1] - gx[0]) * fu + (gx[2] - gx[0]) * fv + (gx[0] - gx[1] - gx[2] + gx[3]) * fu * fv
        along_y = gy[0] + (gy[1] - gy[0]) * fu + (gy[2] - gy[0]) * fv + (gy[0] - gy[1] - gy[2] + gy[3]) * fu * fv
        along_x = along_x + du * (b - a + twist * fv)
        along_y = along_y + dv * (c - a + twist * fu)
        return value, along_x, along_y

    def fractal(self, x: Array, y: Array, octaves: int, gain: float = 0.5) -> Array:
        """Fractal Brownian motion: octaves of doubling frequency, each ``gain`` times as strong as the one before."""
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
        """Fractal sum whose octaves fade where the ground is steep already: flat valleys, sharp ridges, clean flanks.

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
