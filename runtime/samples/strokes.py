"""Style picture 1: a wheat field under a whirling sky, painted with about 2,400 oil brush strokes."""

import numpy as np

from pixelgrad.runtime.samples.brush import Painting, Strokes
from pixelgrad.runtime.samples.drawing import check, stream
from pixelgrad.runtime.samples.noise import Array, Noise, Picture, mix, smoothstep

# Width and length of the strokes in parts of the picture's height, how often they cover it, their paint.
_PASSES = (
    (0.060, 0.26, 3.0, 0.80),
    (0.040, 0.18, 2.2, 0.85),
    (0.027, 0.115, 1.7, 1.0),
    (0.019, 0.075, 0.8, 1.1),
)

_SUN = (0.34, 0.215)
# Middle, radius and strength of the whirls.
_WHIRLS = (
    (-0.16, 0.30, 0.150, 0.30),
    (0.075, 0.435, 0.090, -0.16),
    (-0.36, 0.115, 0.085, -0.13),
    (0.66, 0.42, 0.09, 0.14),
)


def _rgb(red: float, green: float, blue: float) -> Array:
    return np.array([red, green, blue], np.float32)


_PRUSSIAN, _COBALT = _rgb(0.035, 0.075, 0.21), _rgb(0.09, 0.21, 0.50)
_CERULEAN, _MIST = _rgb(0.27, 0.48, 0.67), _rgb(0.66, 0.76, 0.73)
_CREAM, _OCHRE = _rgb(0.97, 0.91, 0.70), _rgb(0.88, 0.62, 0.16)
_SIENNA, _UMBER = _rgb(0.60, 0.30, 0.09), _rgb(0.16, 0.10, 0.06)
_PINE, _SAGE = _rgb(0.05, 0.14, 0.13), _rgb(0.36, 0.46, 0.30)


def strokes(width: int = 768, height: int = 512, seed: int = 0) -> Picture:
    """A painted wheat field under a whirling sky, float32 [height, width, 3], RGB in [0, 1].

    The same seed gives the same painting at every size. The strokes follow the level lines of a stream
    function, noise and whirls: curl noise in the plane (Bridson, Hourihan and Nordenstam, "Curl-Noise for
    Procedural Fluid Flow", SIGGRAPH 2007).
    """
    check(width, height, seed)
    rng = stream(seed, 100)
    scale = max(width / 1.5, float(height))
    motif = _Motif(rng)
    rows, columns = np.arange(height, dtype=np.float32), np.arange(width, dtype=np.float32)
    across, down = np.meshgrid((columns - width / 2) / np.float32(scale), (rows - height / 2) / np.float32(scale) + 0.5)
    painting = Painting(0.75 * motif.colour(across, down), rng)
    for broad, long, often, load in _PASSES:
        count = round(1.5 * often / (broad * long))
        u = 1.7 * rng.random(count) - 0.85
        v = 1.1 * rng.random(count) - 0.05
        tone = rng.standard_normal((count, 4)).astype(np.float32)
        size = (0.75 + 0.5 * rng.random((count, 2))).astype(np.float32)
        angle, curvature, colour = motif.at(u.astype(np.float32), v.astype(np.float32))
        second = np.clip(
            colour * (1.0 + 0.18 * tone[:, :1] + 0.15 * np.abs(tone[:, 1:2])) + 0.02 * tone[:, 1:], 0.0, 1.0
        )
        first = np.clip(
            colour * (1.0 + 0.18 * tone[:, :1] - 0.15 * np.abs(tone[:, 1:2])) + 0.012 * tone[:, 1:], 0.0, 1.0
        )
        middle = np.stack([width / 2 + u * scale, height / 2 + (v - 0.5) * scale], axis=1).astype(np.float32)
        painting.lay(
            Strokes(
                middle,
                np.asarray(angle + 0.09 * tone[:, 3], np.float32),
                np.asarray(curvature / scale, np.float32),
                long * scale * size[:, 0],
                broad * scale * size[:, 1],
                np.asarray(first, np.float32),
                np.asarray(second, np.float32),
                load,
            )
        )
    return np.clip(painting.lit(0.24), 0.0, 1.0).astype(np.float32)


class _Motif:
    """What the painting shows, at any points: u to the right from the middle, v down from the upper edge."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._flow, self._tone = Noise(rng), Noise(rng)
        self._shift = 0.02 * rng.standard_normal((8, 2)).astype(np.float32)

    def at(self, u: Array, v: Array) -> tuple[Array, Array, Array]:
        """Direction in radians, curvature in 1/unit and colour [..., 3] of a stroke at (u, v)."""
        step = np.float32(0.012)
        angle = self._angle(u, v)
        ahead = self._angle(u + step * np.cos(angle), v + step * np.sin(angle))
        turn = np.arctan2(np.sin(ahead - angle), np.cos(ahead - angle))
        turn = np.where(np.abs(turn) < 0.7, turn, 0.0)
        return angle, np.asarray(turn / step, np.float32), self.colour(u, v)

    def _stream(self, u: Array, v: Array) -> Array:
        """Stream function of the sky's wind."""
        psi = 0.9 * v + 0.030 * np.sin(5.0 * u + 1.0) + 0.085 * self._flow.fractal(u * 2.6, v * 2.6, 2)
        for k, (x, y, radius, strength) in enumerate(_WHIRLS):
            away = (u - x - self._shift[k, 0]) ** 2 + (v - y - self._shift[k, 1]) ** 2
            psi = psi + strength * np.exp(-away / radius**2)
        away = (u - _SUN[0]) ** 2 + (v - _SUN[1]) ** 2
        return np.asarray(psi + 0.40 * np.exp(-away / 0.17**2), np.float32)

    def _lines(self, u: Array) -> tuple[Array, Array, Array]:
        """Where the far hills, the near hills and the wheat begin."""
        far = 0.620 - 0.055 * self._tone(u * 2.2, u * 0 + 0.5) - 0.030 * self._tone(u * 6.0, u * 0 + 7.5)
        near = 0.690 - 0.045 * self._tone(u * 1.7, u * 0 + 11.5) + 0.03 * u
        field = 0.745 + 0.035 * np.sin(2.6 * u + 0.6) + 0.01 * self._tone(u * 4.0, u * 0 + 4.5)
        return np.asarray(far, np.float32), np.asarray(near, np.float32), np.asarray(field, np.float32)

    def _tree(self, u: Array, v: Array) -> Array:
        """How far inside one of the cypresses, 1 on its axis, 0 at its edge, negative outside."""
        inside = np.full(u.shape, -1.0, np.float32)
        for x, foot, tall, wide in (
            (-0.520, 0.93, 0.84, 0.062),
            (-0.610, 0.92, 0.58, 0.054),
        ):
            t = (foot - v) / tall
            sway = 0.02 * np.sin(9.0 * v + 3.0 * x) * np.clip(t, 0, 1)
            shape = np.clip(t, 0.0, 1.0) ** 0.30 * np.clip(1.0 - t, 0.0, 1.0) ** 0.55 * 1.45
            ragged = 1.0 + 0.35 * self._tone(u * 14.0, v * 14.0)
            inside = np.maximum(inside, 1.0 - np.abs(u - x - sway) / (wide * shape * ragged + 1e-4))
        return inside

    def _angle(self, u: Array, v: Array) -> Array:
        e = np.float32(0.004)
        du = self._stream(u + e, v) - self._stream(u - e, v)
        dv = self._stream(u, v + e) - self._stream(u, v - e)
        sky = np.arctan2(-du, dv)
        lines = self._lines(u)
        ahead = self._lines(u + e)
        wave = self._flow.fractal(u * 3.0 + 5.0, v * 3.0, 2)
        angle = sky
        for k in (0, 1):
            along = np.arctan2(ahead[k] - lines[k], e) + 0.45 * wave * (k + 0.6)
            angle = np.where(v > lines[k], along, angle)
        stalks = -1.25 + 0.75 * wave + 0.45 * np.sin(7.0 * u + 5.0 * v)
        angle = np.where(v > lines[2], stalks, angle)
        lick = -0.5 * np.pi + 0.5 * np.sin(26.0 * v + 9.0 * u) * 0.8 + 0.5 * wave
        return np.asarray(np.where(self._tree(u, v) > 0.0, lick, angle), np.float32)

    def colour(self, u: Array, v: Array) -> Array:
        """Colour [..., 3] of the motif."""
        psi = self._stream(u, v)
        grain = self._tone.fractal(u * 9.0, v * 9.0, 2)
        band = np.sin(46.0 * psi + 1.8 * self._tone(u * 3.0, v * 3.0))
        tint = 0.5 + 0.34 * band + 0.5 * grain
        sky = mix(_PRUSSIAN, _COBALT, smoothstep(0.0, 0.45, tint))
        sky = mix(sky, _CERULEAN, smoothstep(0.40, 0.85, tint))
        whirl = np.zeros_like(u)
        for k, (x, y, radius, _) in enumerate(_WHIRLS):
            away = np.hypot(u - x - self._shift[k, 0], v - y - self._shift[k, 1])
            whirl = np.maximum(whirl, np.exp(-((away / (radius * 1.15)) ** 2)))
        pale = smoothstep(0.75, 1.25, tint + 0.55 * whirl)
        sky = mix(sky, mix(_MIST, _CREAM, smoothstep(-0.2, 0.5, grain)), 0.9 * pale)
        sky = mix(sky, mix(_CERULEAN, _MIST, smoothstep(-0.3, 0.3, band)), 0.75 * smoothstep(0.42, 0.62, v))
        sun = np.hypot(u - _SUN[0], v - _SUN[1])
        rings = 0.5 + 0.5 * np.sin(sun * 120.0 + 2.0 * grain)
        halo = mix(mix(_OCHRE, _CREAM, rings), mix(_CERULEAN, _MIST, rings), smoothstep(0.07, 0.20, sun))
        sky = mix(sky, halo, smoothstep(0.225, 0.13, sun + 0.03 * grain))
        sky = mix(sky, mix(_CREAM, _OCHRE, smoothstep(0.035, 0.062, sun)), smoothstep(0.075, 0.06, sun))

        far, near, field = self._lines(u)
        lit = 0.5 + 0.9 * grain + 0.30 * np.sin(30.0 * (v - far) + 8.0 * u)
        colour = np.where((v > far)[..., None], mix(_PRUSSIAN * 1.6, _CERULEAN * 0.85, smoothstep(0.1, 1.0, lit)), sky)
        hills = mix(_PINE * 1.3, _SAGE, smoothstep(0.1, 0.9, lit))
        hills = mix(hills, _OCHRE, 0.7 * smoothstep(0.75, 1.1, lit))
        colour = np.where((v > near)[..., None], hills, colour)
        rows = 0.5 + 0.55 * np.sin(16.0 * u + 26.0 * v + 5.0 * self._flow(u * 2.0, v * 2.0)) + 0.9 * grain
        wheat = mix(_SIENNA, _OCHRE, smoothstep(-0.2, 0.5, rows))
        wheat = mix(wheat, _CREAM, 0.75 * smoothstep(0.75, 1.25, rows))
        wheat = mix(wheat, _UMBER * 1.5, 0.55 * smoothstep(0.1, -0.5, rows))
        colour = np.where((v > field)[..., None], wheat, colour)
        tree = self._tree(u, v)
        dark = mix(_PINE, _UMBER, smoothstep(0.0, 0.5, grain))
        dark = mix(dark, _SAGE * 0.9, 0.8 * smoothstep(0.15, 0.6, band * 0.5 + grain))
        return np.where((tree > 0.0)[..., None], dark, colour).astype(np.float32)
