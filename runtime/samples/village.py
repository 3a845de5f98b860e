"""A village on the point, and a sailing boat: small solids of flat faces, each face broken into courses and planks."""

from collections.abc import Iterator, Sequence

import numpy as np

from .camera import Camera
from .canvas import Layer, Point
from .noise import Array
from .terrain import SKY_COLOUR, SUN, SUN_COLOUR

Vector = npt_vector = Array
_LAMP = np.array([3.6, 2.0, 0.62], np.float32)


def _vec(x: float, y: float, z: float) -> Array:
    return np.array([x, y, z], np.float32)


def _shade(albedo: Array, normal: Array, through: float = 0.0) -> Array:
    """Radiance of a face under the evening sun; ``through`` lets light from behind shine through cloth."""
    towards = float(normal @ SUN) / float(np.linalg.norm(SUN))
    sun = max(towards, 0.0) + through * abs(min(towards, 0.0))
    return np.asarray(albedo * (sun * SUN_COLOUR + (0.75 + 0.35 * float(normal[1])) * SKY_COLOUR), np.float32)


class _Face:
    """A flat quadrilateral a-b-c-d, a to b along its foot, cut into patches of slightly different colour."""

    def __init__(self, a: Array, b: Array, c: Array, d: Array) -> None:
        self.corners = (a, b, c, d)
        normal = np.cross(b - a, d - a)
        self.normal = np.asarray(normal / np.linalg.norm(normal), np.float32)

    def at(self, s: float, t: float) -> Array:
        """The point s along the foot and t up."""
        a, b, c, d = self.corners
        return np.asarray((1 - t) * ((1 - s) * a + s * b) + t * ((1 - s) * d + s * c), np.float32)

    def seen(self, camera: Camera) -> bool:
        """Whether the outside of the face is turned to the camera."""
        return bool(self.normal @ (_vec(0.0, camera.eye, 0.0) - self.corners[0]) > 0)

    def patch(self, layer: Layer, camera: Camera, box: Sequence[float], colour: Array) -> None:
        """Fill the part between s0, s1 and t0, t1."""
        s0, s1, t0, t1 = box
        ring = [self.at(s0, t0), self.at(s1, t0), self.at(s1, t1), self.at(s0, t1)]
        layer.polygon([_place(camera, point) for point in ring], colour)

    def fill(
        self, layer: Layer, camera: Camera, rng: np.random.Generator, albedo: Array, across: int, up: int, vary: float
    ) -> None:
        """Draw the face as ``up`` courses of about ``across`` pieces, their albedo varied by ``vary``."""
        lit = _shade(albedo, self.normal)
        self.patch(layer, camera, (0, 1, 0, 1), lit)
        for row in range(up):
            cuts = np.sort(np.concatenate([[0.0], rng.random(across - 1), [1.0]]))
            tone = 1.0 + vary * rng.standard_normal(across)
            warm = 1.0 + 0.25 * vary * rng.standard_normal((across, 3))
            for k in range(across):
                box = (float(cuts[k]), float(cuts[k + 1]), row / up, (row + 1) / up)
                self.patch(layer, camera, box, np.asarray(lit * tone[k] * warm[k], np.float32))


def _place(camera: Camera, point: Array) -> Point:
    return camera.project(float(point[0]), float(point[1]), float(point[2]))


class _House:
    """A gabled house: middle of its foot, size along the ridge, depth, height of wall and roof, and turn in radians."""

    def __init__(self, foot: Array, size: Sequence[float], turn: float) -> None:
        self.foot, self.size, self.turn = foot, size, turn

    def point(self, along: float, up: float, back: float) -> Array:
        """A point in the house's own axes, in halves of its length and depth; ``up`` is in world units."""
        length, depth = self.size[0] / 2, self.size[1] / 2
        c, s = float(np.cos(self.turn)), float(np.sin(self.turn))
        x, z = along * length, back * depth
        return self.foot + _vec(c * x - s * z, up, s * x + c * z)

    def walls(self) -> Iterator[tuple[_Face, int]]:
        """Front, back and both gable ends with the number of windows across."""
        p, high = self.point, self.size[2]
        yield _Face(p(1, 0, -1), p(-1, 0, -1), p(-1, high, -1), p(1, high, -1)), 3
        yield _Face(p(-1, 0, 1), p(1, 0, 1), p(1, high, 1), p(-1, high, 1)), 3
        yield _Face(p(1, 0, 1), p(1, 0, -1), p(1, high, -1), p(1, high, 1)), 2
        yield _Face(p(-1, 0, -1), p(-1, 0, 1), p(-1, high, 1), p(-1, high, -1)), 2

    def draw(
        self, layer: Layer, lamps: Layer, camera: Camera, rng: np.random.Generator, wall: Array, roof: Array, lit: float
    ) -> None:
        """Walls with windows, gables, then the roof with its eaves."""
        p, high, top = self.point, self.size[2], self.size[2] + self.size[3]
        for face, across in self.walls():
            state = rng.random((across, 2, 2))
            if not face.seen(camera):
                continue
            face.fill(layer, camera, rng, wall, 5, 7, 0.06)
            self._windows(face, layer, lamps, camera, state, lit)
        for end in (1.0, -1.0):
            gable = _Face(p(end, high, end), p(end, high, -end), p(end, top, 0), p(end, top, 0))
            if gable.seen(camera):
                gable.fill(layer, camera, rng, np.asarray(wall * _vec(0.62, 0.5, 0.42), np.float32), 6, 1, 0.10)
        for side in (1.0, -1.0):
            eave = high - 0.16 * (top - high)
            plane = _Face(
                p(-1.12 * side, eave, 1.16 * side),
                p(1.12 * side, eave, 1.16 * side),
                p(1.12 * side, top, 0),
                p(-1.12 * side, top, 0),
            )
            flip = _Face(*(plane.corners[k] for k in (1, 0, 3, 2)))
            face = plane if plane.normal[1] > 0 else flip
            if face.seen(camera):
                face.fill(layer, camera, rng, roof, 9, 7, 0.13)

    def _windows(
        self, face: _Face, layer: Layer, lamps: Layer, camera: Camera, state: Array, lit: float
    ) -> None:
        across, rows = state.shape[:2]
        for i in range(across):
            for j in range(rows):
                s, t = (i + 0.5) / across, 0.16 + 0.46 * j
                box = (s - 0.28 / across, s + 0.28 / across, t, t + 0.27)
                frame = (box[0] - 0.02, box[1] + 0.02, box[2] - 0.03, box[3] + 0.03)
                face.patch(layer, camera, frame, np.asarray(_shade(_vec(0.16, 0.10, 0.07), face.normal), np.float32))
                bright = state[i, j, 0] < lit
                glass = _LAMP * (0.45 + 0.75 * state[i, j, 1]) if bright else _vec(0.05, 0.07, 0.11)
                face.patch(layer, camera, box, np.asarray(glass, np.float32))
                if bright:
                    face.patch(lamps, camera, box, np.asarray(glass, np.float32))


_WALLS = np.array([[0.62, 0.55, 0.45], [0.70, 0.64, 0.55], [0.58, 0.43, 0.30], [0.66, 0.58, 0.42]], np.float32)
_ROOFS = np.array([[0.36, 0.13, 0.07], [0.30, 0.12, 0.08], [0.20, 0.15, 0.14], [0.40, 0.18, 0.08]], np.float32)

# Foot x and z, length, depth, wall, roof, turn: from far to near.
_HOUSES = (
    (0.62, 7.20, 0.40, 0.28, 0.17, 0.16, 0.35),
    (1.72, 7.25, 0.42, 0.30, 0.18, 0.17, -0.30),
    (2.45, 7.15, 0.40, 0.28, 0.18, 0.16, 0.25),
    (1.28, 6.95, 0.40, 0.30, 0.22, 0.18, -0.15),
    (0.30, 6.85, 0.36, 0.26, 0.16, 0.15, -0.45),
    (2.10, 6.75, 0.46, 0.30, 0.20, 0.18, -0.42),
    (1.52, 6.50, 0.38, 0.28, 0.19, 0.17, 0.50),
    (0.60, 6.45, 0.42, 0.28, 0.18, 0.17, 0.20),
    (2.62, 6.50, 0.40, 0.28, 0.18, 0.17, 0.30),
    (1.98, 6.20, 0.40, 0.26, 0.17, 0.15, 0.12),
)


def draw(seed: Sequence[int], camera: Camera) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """The village, and its lit windows alone (for the glow that they cast)."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
    layer, lamps = Layer(camera.width, camera.height), Layer(camera.width, camera.height)
    for k, (x, z, length, depth, wall, roof, turn) in enumerate(_HOUSES):
        if k == 5:
            _church(layer, lamps, camera, rng)
        jitter = rng.standard_normal(3) * (0.03, 0.02, 0.10)
        house = _House(_vec(x + jitter[0], 0.085, z + jitter[1]), (length, depth, wall, roof), turn + jitter[2])
        colours = rng.integers(0, 4, 2)
        house.draw(layer, lamps, camera, rng, _WALLS[colours[0]], _ROOFS[colours[1]], 0.55)
    return layer.resolve(), lamps.resolve()


def _church(layer: Layer, lamps: Layer, camera: Camera, rng: np.random.Generator) -> None:
    """A nave, and a tower with a tall spire."""
    white, slate = _vec(0.78, 0.72, 0.62), _vec(0.19, 0.16, 0.17)
    _House(_vec(1.16, 0.09, 6.72), (0.62, 0.34, 0.30, 0.24), 0.22).draw(layer, lamps, camera, rng, white, slate, 0.9)
    half, foot, turn = 0.105, _vec(0.80, 0.09, 6.62), 0.22
    tower = _House(foot, (2 * half, 2 * half, 0.66, 0.0), turn)
    for face, _ in tower.walls():
        if face.seen(camera):
            face.fill(layer, camera, rng, white, 4, 14, 0.06)
            for t in (0.48, 0.82):
                face.patch(layer, camera, (0.36, 0.64, t, t + 0.10), _vec(0.07, 0.06, 0.07))
    p, tip = tower.point, foot + _vec(0.0, 1.24, 0.0)
    corners = [p(-1.22, 0.64, -1.22), p(1.22, 0.64, -1.22), p(1.22, 0.64, 1.22), p(-1.22, 0.64, 1.22)]
    for k in (2, 1, 3, 0):
        a, b = corners[(k + 1) % 4], corners[k]
        face = _Face(a, b, tip, tip)
        if face.seen(camera):
            face.fill(layer, camera, rng, slate, 4, 9, 0.12)
