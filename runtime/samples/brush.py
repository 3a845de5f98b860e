"""An oil brush: curved, tapered, bristly strokes with the thickness of their paint, and a raking light over
them.

Strokes are laid as in Hertzmann, "Painterly Rendering with Curved Brush Strokes of Multiple Sizes" (SIGGRAPH
1998), large before small, each an arc of the curvature that the flow has at its middle; the lit height field
is that of his "Fast Paint Texture" (NPAR 2002).
"""

from dataclasses import dataclass

import numpy as np

from pixelgrad.runtime.samples.noise import Array, smoothstep

_ROWS, _COLUMNS = 512, 256  # The bristle texture: across all bristles, and along them.


@dataclass(frozen=True)
class Strokes:
    """N strokes: middle [N, 2] (column, row), angle in radians, curvature in 1/pixel, length, width in pixels.

    The bristles carry two colours [N, 3]; ``load`` is the amount of paint, which sets how thick a stroke lies
    and how soon it runs dry.
    """

    middle: Array
    angle: Array
    curvature: Array
    length: Array
    width: Array
    colour: Array
    second: Array
    load: float


class Painting:
    """A canvas of wet colour and of the thickness of paint."""

    def __init__(self, ground: Array, rng: np.random.Generator) -> None:
        self.colour = ground.copy()
        self.thickness = np.zeros(ground.shape[:2], np.float32)
        self._rng = rng
        self._bristles = _bristles(rng)

    def lay(self, strokes: Strokes) -> None:
        """Paint the strokes one over the other, in order."""
        reach = 0.5 * strokes.length + 0.6 * strokes.width
        place = self._rng.random((len(reach), 2)) * (_ROWS, _COLUMNS)
        for k in range(len(reach)):
            self._stroke(strokes, k, float(reach[k]), place[k])

    def _stroke(self, strokes: Strokes, k: int, reach: float, place: Array) -> None:
        height, width = self.colour.shape[:2]
        cx, cy = float(strokes.middle[k, 0]), float(strokes.middle[k, 1])
        left, right = max(0, int(cx - reach)), min(width, int(cx + reach) + 2)
        top, bottom = max(0, int(cy - reach)), min(height, int(cy + reach) + 2)
        if left >= right or top >= bottom:
            return
        x = np.arange(left, right, dtype=np.float32)[None, :] - np.float32(cx)
        y = np.arange(top, bottom, dtype=np.float32)[:, None] - np.float32(cy)
        c, s = np.float32(np.cos(strokes.angle[k])), np.float32(np.sin(strokes.angle[k]))
        along, across = c * x + s * y, c * y - s * x
        bend = float(strokes.curvature[k])
        if abs(bend) * reach > 0.02:
            radius = np.float32(1.0 / bend)
            off = radius - across
            across = radius - np.copysign(np.sqrt(along * along + off * off), radius)
            along = np.arctan2(along * np.sign(radius), off * np.sign(radius)) * radius
        half, long = float(strokes.width[k]) / 2, float(strokes.length[k]) / 2
        p, q = along / np.float32(long), across / np.float32(half)
        rows = (q * 14.0 + place[0]).astype(np.int64) & (_ROWS - 1)
        columns = (p * 40.0 + place[1]).astype(np.int64) & (_COLUMNS - 1)
        hair = self._bristles[rows, columns]
        load = strokes.load
        end = 1.0 - 0.5 * p * p * p * p - 0.28 * np.maximum(p, 0.0)
        edge = (end + 0.28 * (hair - 0.5) - np.abs(q)) * np.float32(half)
        tip = (1.0 - np.abs(p) - 0.30 * (1.0 - hair) * (1.0 + 0.8 * p)) * np.float32(long)
        cover = np.clip(np.minimum(edge, tip) + 0.5, 0.0, 1.0)
        dry = np.clip((load + 0.35 - 0.55 * (p + 1.0) * 0.5 - 0.75 * (1.0 - hair)) * 4.0, 0.0, 1.0)
        cover = cover * dry
        box = (slice(top, bottom), slice(left, right))
        paint = strokes.colour[k] + (strokes.second[k] - strokes.colour[k]) * (hair * 1.1 - 0.1)[..., None]
        under = self.colour[box]
        under += (paint - under) * cover[..., None]
        ridge = half * load * (0.45 + 0.40 * hair + 0.45 * smoothstep(0.45, 0.95, np.abs(q)))
        relief = self.thickness[box]
        relief += (ridge - 0.55 * relief) * cover

    def lit(self, depth: float) -> Array:
        """The picture under a light from the upper left; ``depth`` scales the relief."""
        z = self.thickness * np.float32(depth)
        dy, dx = np.gradient(z)
        light = np.array([-0.62, -0.62, 0.48], np.float32)
        normal = 1.0 / np.sqrt(dx * dx + dy * dy + 1.0)
        facing = (-dx * light[0] - dy * light[1] + light[2]) * normal / light[2]
        shine = np.maximum(facing * light[2], 0.0) ** 24
        shade = 1.0 + 0.55 * (np.clip(facing, 0.0, 2.0) - 1.0)
        return np.asarray(self.colour * shade[..., None] + 0.10 * shine[..., None], np.float32)


def _bristles(rng: np.random.Generator) -> Array:
    """Streaks along the second axis, in [0, 1]; both axes wrap round."""
    spectrum_y = np.fft.fftfreq(_ROWS)[:, None]
    spectrum_x = np.fft.fftfreq(_COLUMNS)[None, :]
    band = np.exp(-((spectrum_x * 90.0) ** 2)) * (
        np.exp(-(((np.abs(spectrum_y) - 0.10) / 0.06) ** 2)) + 0.8 * np.exp(-((spectrum_y / 0.03) ** 2))
    )
    field = np.fft.ifft2(np.fft.fft2(rng.standard_normal((_ROWS, _COLUMNS))) * band).real
    order = np.argsort(np.argsort(field.ravel()))
    return (order / (order.size - 1.0)).reshape(field.shape).astype(np.float32)
