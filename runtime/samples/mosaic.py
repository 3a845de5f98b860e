"""Style picture 2: a glass mosaic of a golden sun over a sea with fish."""

import numpy as np

from pixelgrad.runtime.samples.drawing import check, stream
from pixelgrad.runtime.samples.noise import Array, Noise, Picture, mix, smoothstep
from pixelgrad.runtime.samples.tesserae import Cells, Indices, cells, relax

_SIDE = 0.0195  # A tessera's side in parts of the picture's height.
_ROUNDS = 20
_COARSE = 224  # Height at which the cells are relaxed: always the same, so that every size has the same cells.
_MARGIN = 3 * _SIDE
_SUN = (-0.22, 0.305)
_BAND = 4  # Rows of tesserae from one wave to the next.

# Middle of the body, half length, bend, heading in radians.
_FISH = ((0.35, 0.470, 0.190, 1.0, -0.30), (-0.33, 0.815, 0.175, -0.7, 0.10), (0.50, 0.845, 0.140, 0.8, 2.95))


def _rgb(red: float, green: float, blue: float) -> Array:
    return np.array([red, green, blue], np.float32)


_GOLD, _AMBER, _CREAM = _rgb(0.90, 0.66, 0.17), _rgb(0.80, 0.36, 0.06), _rgb(0.94, 0.88, 0.70)
_LAPIS, _AZURE, _TEAL = _rgb(0.045, 0.09, 0.36), _rgb(0.08, 0.31, 0.64), _rgb(0.04, 0.47, 0.50)
_PEARL = _rgb(0.90, 0.88, 0.80)
_AQUA, _ROSE, _RUBY = _rgb(0.38, 0.73, 0.69), _rgb(0.84, 0.42, 0.34), _rgb(0.58, 0.045, 0.085)
_EMERALD, _INK, _GROUT = _rgb(0.06, 0.38, 0.22), _rgb(0.07, 0.05, 0.08), _rgb(0.078, 0.068, 0.064)


def mosaic(width: int = 768, height: int = 512, seed: int = 0) -> Picture:
    """A glass mosaic of a sun over the sea, float32 [height, width, 3], RGB in [0, 1].

    The same seed gives the same mosaic at every size. Rows of tesserae follow the outlines, as in opus
    vermiculatum.
    """
    check(width, height, seed)
    rng = stream(seed, 200)
    motif = _Motif(rng)
    wide, high = 1.5 + 2 * _MARGIN, 1.0 + 2 * _MARGIN
    shape = (round(high * _COARSE), round(wide * _COARSE))
    corner = np.array([wide / 2, _MARGIN], np.float32)
    columns, rows = np.meshgrid(np.arange(round(wide / _SIDE)), np.arange(round(high / _SIDE)))
    lattice = np.stack([columns, rows], axis=-1).reshape(-1, 2) + rng.random((columns.size, 2))
    seeds = (lattice * _SIDE * _COARSE).astype(np.float32)
    seeds = relax(
        seeds,
        lambda points: motif.angle(points / _COARSE - corner),
        lambda points, part: (motif.snap(points / _COARSE - corner, part) + corner) * _COARSE,
        _SIDE * _COARSE,
        shape,
        _ROUNDS,
    )
    scale = max(width / 1.5, float(height))
    points = np.asarray(seeds / _COARSE - corner, np.float32)
    angle = motif.angle(points)
    place = (points - (0.0, 0.5)) * scale + (width / 2, height / 2)
    tiles = cells(place.astype(np.float32), lambda _: angle, _SIDE * scale, (height, width))
    colour, metal = motif.colour(points, rng)
    return _render(tiles, colour, metal, _SIDE * scale, rng)


def _render(tiles: Cells, colour: Array, metal: Array, side: float, rng: np.random.Generator) -> Picture:
    """Glass set by hand: every tessera is tilted its own way, rounded at its edges, and casts light back
    here and there.
    """
    count, own = len(colour), tiles.owner
    tilt = rng.standard_normal((count, 2)).astype(np.float32)
    matt = rng.random(count).astype(np.float32)
    x, y = tiles.along / np.float32(side), tiles.across / np.float32(side)
    inside = np.clip((tiles.edge - 0.055 * side) / max(0.9, 0.03 * side) + 0.5, 0.0, 1.0)
    dy, dx = np.gradient(tiles.edge)
    bevel = smoothstep(0.24 * side, 0.06 * side, tiles.edge) * (dx + dy) * 0.7
    a, b = tilt[own, 0], tilt[own, 1]
    grain = Noise(rng)
    rows, columns = np.mgrid[0 : own.shape[0], 0 : own.shape[1]].astype(np.float32) / np.float32(side)
    streak = grain.fractal(columns * 2.2 + a * 9.0, rows * 5.0 + b * 9.0, 2)
    shade = 1.0 + 0.26 * (a * x + b * y) + 0.42 * bevel + 0.10 * streak
    spot = np.maximum(1.0 - ((x - 0.3 * a) ** 2 + (y - 0.3 * b) ** 2) / 0.09, 0.0)
    gloss = spot * spot * (0.16 * matt[own] + 0.45 * metal[own] * (matt[own] > 0.55))
    glass = colour[own] * shade[..., None] + gloss[..., None] * (0.45 + 0.55 * colour[own])
    bed = _GROUT * (1.0 + 0.5 * grain.fractal(columns * 4.0, rows * 4.0, 3))[..., None]
    return np.asarray(np.clip(bed + (glass - bed) * inside[..., None], 0.0, 1.0), np.float32)


class _Motif:
    """What the mosaic shows, at points [N, 2]: to the right from the middle, and down from the upper edge.

    It is a few fields of rows; each has a coordinate that grows by 1 from one row of tesserae to the next.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._tone = Noise(rng)
        self._phase = rng.random(3).astype(np.float32) * 6.28
        grid = np.stack(np.meshgrid(np.arange(-0.85, 0.9, 0.15), np.arange(0.05, 0.5, 0.125)), axis=-1).reshape(-1, 2)
        stars = grid + 0.02 * rng.standard_normal(grid.shape)
        far = np.hypot(stars[:, 0] - _SUN[0], stars[:, 1] - _SUN[1]) > 0.46
        clear = np.hypot(stars[:, 0] - _FISH[0][0], stars[:, 1] - _FISH[0][1]) > 0.22
        self._stars = stars[far & clear].astype(np.float32)

    def _star(self, p: Array) -> tuple[Array, Array]:
        """Offset from the nearest star."""
        away = p[:, None] - self._stars
        near = np.argmin((away**2).sum(axis=2), axis=1)
        offset = away[np.arange(len(p)), near]
        return offset[:, 0], offset[:, 1]

    def _fish(self, p: Array, k: int) -> tuple[Array, Array]:
        """Along (tail -1.4, nose 1) and across (back to belly, in half lengths) the k-th fish."""
        x, y, half, bend, heading = _FISH[k]
        c, s = np.cos(heading), np.sin(heading)
        dx, dy = p[:, 0] - x, p[:, 1] - y
        along, across = (c * dx + s * dy) / half, (c * dy - s * dx) / half
        flip = -1.0 if c < 0 else 1.0
        return np.asarray(along, np.float32), np.asarray(flip * (across - 0.32 * bend * along * along), np.float32)

    @staticmethod
    def _girth(s: Array) -> Array:
        """Half width of a fish's body and tail."""
        body = 0.37 * np.sqrt(np.maximum(1.0 - s * s, 0.0)) * (0.86 + 0.22 * s)
        tail = np.where((s < -0.86) & (s > -1.38), 0.10 + 0.75 * (-0.86 - s), 0.0)
        return np.asarray(np.maximum(body, tail), np.float32)

    def _row(self, p: Array, field: Indices) -> Array:
        """Row coordinate of each point in its field: 0 sky, 1 sea, 2 star, 3 and on the fish."""
        rows = np.empty(len(p), np.float32)
        for kind in np.unique(field).tolist():
            here = field == kind
            q = p[here]
            if kind == 0:
                rows[here] = np.hypot(q[:, 0] - _SUN[0], q[:, 1] - _SUN[1]) / _SIDE
            elif kind == 1:
                rows[here] = self._sea(q)
            elif kind == 2:
                rows[here] = np.hypot(*self._star(q)) / _SIDE + 0.5
            else:
                rows[here] = self._fish(q, kind - 3)[1] * _FISH[kind - 3][2] / _SIDE
        return rows

    def _sea(self, p: Array) -> Array:
        """Rows below the surface of the sea."""
        u, v = p[:, 0], p[:, 1]
        lift = 0.034 * np.sin(8.0 * u + 4.0 * v + self._phase[0]) + 0.018 * np.sin(15.0 * u - 7.0 * v + self._phase[1])
        return np.asarray((v - 0.605 + lift * (0.5 + v)) / _SIDE, np.float32)

    def _field(self, p: Array) -> Indices:
        field = (self._sea(p) > 0).astype(np.int64)
        star = np.hypot(*self._star(p)) < 1.95 * _SIDE
        field = np.where(star & (field == 0), 2, field)
        for k in range(len(_FISH)):
            s, t = self._fish(p, k)
            field = np.where(np.abs(t) < self._girth(s), 3 + k, field)
        return field

    def _slope(self, p: Array) -> tuple[Array, Array]:
        """Row coordinate and its gradient [N, 2]."""
        field = self._field(p)
        e = np.float32(0.002)
        dx, dy = np.array([e, 0.0], np.float32), np.array([0.0, e], np.float32)
        across = self._row(p + dx, field) - self._row(p - dx, field)
        down = self._row(p + dy, field) - self._row(p - dy, field)
        return self._row(p, field), np.stack([across, down], axis=1) / (2 * e)

    def angle(self, p: Array) -> Array:
        """Direction of the rows."""
        _, slope = self._slope(p)
        return np.arctan2(-slope[:, 0], slope[:, 1]).astype(np.float32)

    def snap(self, p: Array, part: float) -> Array:
        """The points, moved ``part`` of the way to the middle of their rows."""
        row, slope = self._slope(p)
        miss = np.floor(row) + 0.5 - row
        steep = np.maximum((slope**2).sum(axis=1), 0.3 / _SIDE**2)
        return np.asarray(p + part * (miss / steep)[:, None] * slope, np.float32)

    def colour(self, p: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """Colour [N, 3] and how metallic [N] each tessera is."""
        count, field = len(p), self._field(p)
        row = np.floor(self._row(p, field))
        vary = rng.standard_normal((count, 4)).astype(np.float32)
        u, v = p[:, 0], p[:, 1]
        spoke = np.arctan2(v - _SUN[1], u - _SUN[0])
        tone = self._tone.fractal(u * 4.0, v * 4.0, 2)

        drift = row * _SIDE + 0.05 * tone + 0.012 * vary[:, 0]
        sky = mix(np.broadcast_to(_ROSE, (count, 3)), _PEARL, smoothstep(0.25, 0.36, drift))
        sky = mix(sky, _AQUA, smoothstep(0.37, 0.46, drift))
        sky = mix(sky, _TEAL, smoothstep(0.44, 0.54, drift))
        sky = mix(sky, _AZURE, smoothstep(0.51, 0.66, drift))
        sky = mix(sky, _LAPIS, smoothstep(0.64, 0.86, drift))
        ray = np.cos(20.0 * spoke) > (row - 8.0) / 5.5 - 1.0
        flame = np.where((row < 12)[:, None], _GOLD, _AMBER)
        sky = np.where((ray & (row >= 8))[:, None], flame, sky)
        rings = np.array([_CREAM, _GOLD, _GOLD, _AMBER, _GOLD, _GOLD, _RUBY, _GOLD], np.float32)
        sky = np.where((row < 8)[:, None], rings[np.clip(row, 0, 7).astype(np.int64)], sky)
        gilt = (row < 8) | (ray & (row < 19))

        crests = np.array([_CREAM, _AQUA, _TEAL, _AZURE, _LAPIS], np.float32)
        wave = np.mod(row, _BAND + 1).astype(np.int64)
        sea = crests[wave]
        glade = np.abs(u - _SUN[0] + 0.06 * tone) < 0.17 - 0.1 * (v - 0.6)
        sea = np.where((glade & (wave == 0))[:, None], _GOLD, sea)
        deep = smoothstep(0.62, 1.0, v)
        sea = mix(sea, np.where((wave == 2)[:, None], _EMERALD, 0.8 * sea).astype(np.float32), deep)

        star = np.where((row < 1)[:, None], _RUBY, np.where((row < 2)[:, None], _GOLD, _CREAM))
        colour = np.where((field == 1)[:, None], sea, sky)
        colour = np.where((field == 2)[:, None], star, colour)
        colour[np.argmin(np.hypot(u - self._stars[:, :1], v - self._stars[:, 1:]), axis=1)] = _RUBY
        metal = np.where(field == 0, gilt, (field == 2) & (row == 1)).astype(np.float32)
        for k in range(len(_FISH)):
            colour = np.where((field == 3 + k)[:, None], self._scales(p, k), colour)
        jitter = 1.0 + (0.13 * vary[:, :1] + 0.05 * vary[:, 1:]) * (1.0 + 0.5 * metal[:, None])
        return np.clip(colour * jitter, 0.0, 1.0).astype(np.float32), metal

    def _scales(self, p: Array, k: int) -> Array:
        """A fish: dark back, red and orange flank, cream belly, a golden tail, a black eye."""
        s, t = self._fish(p, k)
        part = t / np.maximum(self._girth(s), 1e-3)
        colour = mix(np.broadcast_to(_RUBY, (len(p), 3)), _rgb(0.90, 0.30, 0.07), smoothstep(-0.7, -0.2, part))
        colour = mix(colour, _GOLD, smoothstep(0.0, 0.45, part))
        colour = mix(colour, _CREAM, smoothstep(0.45, 0.8, part))
        colour = np.where((s < -0.84)[:, None], np.where((s < -1.15)[:, None], _RUBY, _GOLD), colour)
        colour = np.where((s > 0.52)[:, None], mix(_AMBER + 0.0 * colour, _CREAM, smoothstep(0.1, 0.6, part)), colour)
        eye = np.argmin(np.hypot(s - 0.66, t + 0.06))
        colour[eye] = _INK
        return np.asarray(colour, np.float32)
