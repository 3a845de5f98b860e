"""A village on the point: houses and a church of flat faces, each face laid in courses of uneven stones
and tiles.
"""

from collections.abc import Iterator

import numpy as np

from pixelgrad.runtime.samples.camera import Camera
from pixelgrad.runtime.samples.canvas import Layer
from pixelgrad.runtime.samples.noise import Array
from pixelgrad.runtime.samples.terrain import SKY_COLOUR, SUN, SUN_COLOUR

_LAMP = np.array([3.8, 2.0, 0.60], np.float32)
_FRAME = np.array([0.16, 0.10, 0.07], np.float32)
_DARK = np.array([0.05, 0.07, 0.11], np.float32)


def _vec(x: float, y: float, z: float) -> Array:
    return np.array([x, y, z], np.float32)


def _shade(albedo: Array, normal: Array) -> Array:
    """Radiance of a face under the evening sun."""
    towards = max(float(normal @ SUN) / float(np.linalg.norm(SUN)), 0.0)
    light = towards * SUN_COLOUR + (0.75 + 0.35 * float(normal[1])) * SKY_COLOUR
    return np.asarray(albedo * light, np.float32)


class _Face:
    """A flat quadrilateral a-b-c-d, a to b along its foot, seen from the side where that runs
    counter-clockwise.
    """

    def __init__(self, a: Array, b: Array, c: Array, d: Array) -> None:
        self.corners = (a, b, c, d)
        normal = np.cross(b - a, d - a)
        self.normal = np.asarray(normal / np.linalg.norm(normal), np.float32)

    def seen(self, camera: Camera) -> bool:
        """Whether the outside of the face is turned to the camera."""
        return bool(self.normal @ (_vec(0.0, camera.eye, 0.0) - self.corners[0]) > 0)

    def patches(self, layer: Layer, camera: Camera, boxes: Array, colours: Array) -> None:
        """Fill parts of the face, rows s0, s1 (along the foot), t0, t1 (upwards) of ``boxes`` [N, 4]."""
        a, b, c, d = self.corners
        s, t = boxes[:, (0, 1, 1, 0)][..., None], boxes[:, (2, 2, 3, 3)][..., None]
        points = (1 - t) * ((1 - s) * a + s * b) + t * ((1 - s) * d + s * c)
        layer.polygons(camera.project(points), colours)

    def fill(
        self,
        layer: Layer,
        camera: Camera,
        rng: np.random.Generator,
        albedo: Array,
        across: int,
        up: int,
        vary: float,
    ) -> None:
        """Cover the face with ``up`` courses of ``across`` uneven pieces, whose albedo varies by ``vary``."""
        lit = _shade(albedo, self.normal)
        self.patches(layer, camera, np.array([[0, 1, 0, 1]], np.float32), lit)  # No gaps between pieces.
        cuts = np.sort(rng.random((up, across + 1)), axis=1)
        cuts[:, 0], cuts[:, -1] = 0.0, 1.0
        foot = np.repeat(np.arange(up) / up, across)
        boxes = np.stack([cuts[:, :-1].ravel(), cuts[:, 1:].ravel(), foot, foot + 1 / up], axis=1)
        tone = 1.0 + vary * rng.standard_normal((up * across, 1)) + 0.25 * vary * rng.standard_normal((up * across, 3))
        self.patches(
            layer,
            camera,
            boxes.astype(np.float32),
            np.asarray(lit * tone, np.float32),
        )


class _House:
    """A gabled house; ``size`` is its length along the ridge, its depth, and the heights of wall and roof."""

    def __init__(self, foot: Array, size: tuple[float, float, float, float], turn: float) -> None:
        self.foot, self.size, self.turn = foot, size, turn

    def point(self, along: float, up: float, back: float) -> Array:
        """A point in the house's own axes, in halves of its length and depth; ``up`` is in world units."""
        c, s = float(np.cos(self.turn)), float(np.sin(self.turn))
        x, z = along * self.size[0] / 2, back * self.size[1] / 2
        return np.asarray(self.foot + _vec(c * x - s * z, up, s * x + c * z), np.float32)

    def walls(self) -> Iterator[tuple[_Face, int]]:
        """Front, back and both gable ends, with the number of windows across."""
        p, high = self.point, self.size[2]
        yield _Face(p(1, 0, -1), p(-1, 0, -1), p(-1, high, -1), p(1, high, -1)), 3
        yield _Face(p(-1, 0, 1), p(1, 0, 1), p(1, high, 1), p(-1, high, 1)), 3
        yield _Face(p(1, 0, 1), p(1, 0, -1), p(1, high, -1), p(1, high, 1)), 2
        yield _Face(p(-1, 0, -1), p(-1, 0, 1), p(-1, high, 1), p(-1, high, -1)), 2

    def draw(
        self,
        layer: Layer,
        lamps: Layer,
        camera: Camera,
        rng: np.random.Generator,
        wall: Array,
        roof: Array,
        lit: float,
    ) -> None:
        """Walls with windows, ``lit`` of them lit, then gables, then the roof with its eaves."""
        p, high, top = self.point, self.size[2], self.size[2] + self.size[3]
        for face, across in self.walls():
            state = rng.random((2 * across, 2)).astype(np.float32)
            if face.seen(camera):
                face.fill(layer, camera, rng, wall, 6, 8, 0.04)
                _windows(face, layer, lamps, camera, state, lit)
        for end in (1.0, -1.0):
            gable = _Face(p(end, high, end), p(end, high, -end), p(end, top, 0), p(end, top, 0))
            if gable.seen(camera):
                gable.fill(layer, camera, rng, np.asarray(wall * _vec(0.62, 0.5, 0.42), np.float32), 6, 1, 0.10)
        eave = high - 0.16 * (top - high)
        for side in (1.0, -1.0):
            face = _Face(
                p(1.12 * side, eave, -1.16 * side),
                p(-1.12 * side, eave, -1.16 * side),
                p(-1.12 * side, top, 0),
                p(1.12 * side, top, 0),
            )
            if face.seen(camera):
                face.fill(layer, camera, rng, roof, 14, 10, 0.08)


def _windows(face: _Face, layer: Layer, lamps: Layer, camera: Camera, state: Array, lit: float) -> None:
    """Two rows of windows; ``state`` [N, 2] says which are lit, and how brightly."""
    across = len(state) // 2
    s = (np.arange(across).repeat(2) + 0.5) / across
    t = np.tile([0.16, 0.60], across)
    glass = np.stack([s - 0.19 / across, s + 0.19 / across, t, t + 0.25], axis=1).astype(np.float32)
    edge = np.array([-0.02, 0.02, -0.03, 0.04], np.float32)
    face.patches(layer, camera, glass + edge, _shade(_FRAME, face.normal))
    bright = state[:, 0] < lit
    colours = np.where(bright[:, None], _LAMP * (0.4 + 0.6 * state[:, 1:]), _DARK)
    face.patches(layer, camera, glass, colours)
    face.patches(lamps, camera, glass[bright], colours[bright])


_WALLS = np.array([[0.62, 0.55, 0.45], [0.70, 0.64, 0.55], [0.58, 0.43, 0.30], [0.66, 0.58, 0.42]], np.float32)
_ROOFS = np.array([[0.27, 0.105, 0.062], [0.23, 0.10, 0.068], [0.16, 0.12, 0.11], [0.30, 0.145, 0.075]], np.float32)

# Foot x and z, length, depth, wall, roof, turn: from far to near.
_HOUSES = (
    (0.22, 7.30, 0.30, 0.22, 0.15, 0.13, -0.30),
    (0.58, 7.40, 0.34, 0.24, 0.17, 0.15, 0.35),
    (1.62, 7.40, 0.34, 0.26, 0.20, 0.16, -0.30),
    (2.05, 7.35, 0.32, 0.24, 0.18, 0.15, 0.20),
    (2.48, 7.30, 0.34, 0.24, 0.17, 0.15, -0.35),
    (2.92, 7.20, 0.32, 0.24, 0.16, 0.14, 0.25),
    (1.34, 7.10, 0.30, 0.24, 0.20, 0.16, -0.15),
    (0.40, 6.95, 0.30, 0.22, 0.15, 0.13, -0.45),
    (1.84, 6.95, 0.34, 0.24, 0.18, 0.16, 0.45),
    (2.28, 6.80, 0.36, 0.24, 0.18, 0.15, -0.42),
    (0.14, 6.75, 0.28, 0.20, 0.13, 0.12, 0.30),
    (2.72, 6.70, 0.34, 0.24, 0.16, 0.14, 0.30),
    (1.58, 6.55, 0.30, 0.22, 0.17, 0.15, -0.25),
    (0.56, 6.50, 0.34, 0.22, 0.15, 0.14, 0.20),
    (1.98, 6.40, 0.34, 0.22, 0.16, 0.14, 0.50),
    (2.40, 6.32, 0.32, 0.22, 0.15, 0.13, -0.20),
    (1.34, 6.30, 0.28, 0.20, 0.14, 0.12, 0.12),
)
_BIG = 1.22
_CHURCH = 10  # Drawn before this house.


def draw(layer: Layer, lamps: Layer, camera: Camera, rng: np.random.Generator) -> None:
    """The village onto ``layer``, and its lit windows once more onto ``lamps``, for the glow that they
    cast.
    """
    for k, (x, z, length, depth, wall, roof, turn) in enumerate(_HOUSES):
        (own,) = rng.spawn(1)  # What one camera sees of a house must not change how the next house looks.
        if k == _CHURCH:
            _church(layer, lamps, camera, own)
        jitter = rng.standard_normal(3) * (0.02, 0.02, 0.08)
        foot = _vec(x + float(jitter[0]), 0.085, z + float(jitter[1]))
        house = _House(foot, (_BIG * length, _BIG * depth, _BIG * wall, _BIG * roof), turn + float(jitter[2]))
        colours = rng.integers(0, 4, 2)
        house.draw(layer, lamps, camera, own, _WALLS[colours[0]], _ROOFS[colours[1]], 0.6)


def _church(layer: Layer, lamps: Layer, camera: Camera, rng: np.random.Generator) -> None:
    """A nave, and a tower with a tall spire."""
    white, slate = _vec(0.74, 0.68, 0.58), _vec(0.19, 0.15, 0.155)
    _House(_vec(1.20, 0.09, 6.72), (0.78, 0.42, 0.38, 0.31), 0.22).draw(layer, lamps, camera, rng, white, slate, 0.9)
    foot = _vec(0.74, 0.09, 6.58)
    tower = _House(foot, (0.28, 0.28, 0.86, 0.0), 0.22)
    for face, _ in tower.walls():
        if face.seen(camera):
            face.fill(layer, camera, rng, white, 4, 16, 0.05)
            slits = np.array([[0.38, 0.62, 0.48, 0.58], [0.38, 0.62, 0.80, 0.92]], np.float32)
            face.patches(layer, camera, slits, _DARK)
    p, tip = tower.point, np.asarray(foot + _vec(0.0, 1.60, 0.0), np.float32)
    corners = [p(x, 0.83, z) for x, z in ((-1.2, -1.2), (1.2, -1.2), (1.2, 1.2), (-1.2, 1.2))]
    for k in (2, 1, 3, 0):
        face = _Face(corners[(k + 1) % 4], corners[k], tip, tip)
        if face.seen(camera):
            face.fill(layer, camera, rng, slate, 6, 16, 0.09)
