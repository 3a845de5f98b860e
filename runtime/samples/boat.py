"""A small sailing boat: a clinker hull, a mast, two ochre sails that the low sun shines through."""

import numpy as np

from .camera import Camera
from .canvas import Layer, Point
from .noise import Array
from .terrain import SKY_COLOUR, SUN, SUN_COLOUR

_PLACE = np.array([-0.10, 0.0, 3.7], np.float32)
_TURN = 0.42
_HALF, _BEAM, _SIDE = 0.27, 0.085, 0.062


def _world(along: float, up: float, across: float) -> Array:
    c, s = float(np.cos(_TURN)), float(np.sin(_TURN))
    return _PLACE + np.array([c * along - s * across, up, s * along + c * across], np.float32)


def _spot(camera: Camera, point: Array) -> Point:
    return camera.project(float(point[0]), float(point[1]), float(point[2]))


def _hull(s: float, t: float, side: float) -> Array:
    """Hull surface: s from stern -1 to bow 1, t from the waterline 0 to the gunwale 1."""
    beam = _BEAM * (1.0 - abs(s) ** (2.4 if s > 0 else 6.0)) ** 0.8 * (0.72 + 0.28 * t)
    rake = 1.0 + 0.10 * t
    return _world(_HALF * s * rake, _SIDE * t * (1.0 + 0.5 * s * s), side * beam)


def draw(seed: int, camera: Camera) -> tuple[Array, Array]:
    """The boat as ``camera`` sees it, premultiplied, and its coverage."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, 41])))
    layer = Layer(camera.width, camera.height)
    for side, inside in ((1.0, True), (-1.0, False)):
        for strake in range(5):
            tone = 0.85 + 0.3 * rng.random(14)
            for k in range(14):
                s0, s1 = -1 + k / 7, -1 + (k + 1) / 7
                t0, t1 = strake / 5, (strake + 1) / 5
                ring = [_hull(s0, t0, side), _hull(s1, t0, side), _hull(s1, t1, side), _hull(s0, t1, side)]
                albedo = np.array([0.30, 0.15, 0.07]) if inside else np.array([0.05, 0.16, 0.19])
                if strake == 4:
                    albedo = np.array([0.62, 0.50, 0.34])
                shade = 0.75 * SKY_COLOUR + (0.10 + 0.28 * (k / 13)) * SUN_COLOUR
                layer.polygon([_spot(camera, p) for p in ring], np.asarray(albedo * shade * tone[k], np.float32))
    mast_foot, mast_top = _world(0.05, 0.03, 0.0), _world(0.02, 0.66, 0.0)
    layer.line([_spot(camera, mast_foot), _spot(camera, mast_top)], (0.12, 0.07, 0.04), camera.scale * 0.0032)
    _sail(layer, camera, _world(0.02, 0.13, 0.0), _world(-0.25, 0.12, 0.03), _world(0.02, 0.63, 0.0), -0.045, rng)
    _sail(layer, camera, _world(0.29, 0.11, 0.0), _world(0.07, 0.12, 0.03), _world(0.03, 0.57, 0.0), -0.030, rng)
    return layer.resolve()


def _sail(
    layer: Layer, camera: Camera, tack: Array, clew: Array, head: Array, belly: float, rng: np.random.Generator
) -> None:
    """A triangle of cloth that bellies out, lit through its weave; seams run across it."""
    cloth = np.array([0.80, 0.42, 0.13], np.float32)
    across = np.cross(clew - tack, head - tack)
    across = across / np.linalg.norm(across)
    steps = 12

    def at(s: float, t: float) -> Array:
        flat = tack + (clew - tack) * s * (1 - t) + (head - tack) * t
        return np.asarray(flat + across * belly * 4 * s * (1 - s) * (1 - t) ** 0.7, np.float32)

    for j in range(steps):
        for i in range(steps):
            s0, s1, t0, t1 = i / steps, (i + 1) / steps, j / steps, (j + 1) / steps
            ring = [at(s0, t0), at(s1, t0), at(s1, t1), at(s0, t1)]
            normal = np.cross(ring[1] - ring[0], ring[3] - ring[0])
            normal = normal / max(float(np.linalg.norm(normal)), 1e-9)
            facing = abs(float(normal @ SUN)) / float(np.linalg.norm(SUN))
            light = (0.25 + 0.75 * facing) * 0.8 * SUN_COLOUR + 0.5 * SKY_COLOUR
            seam = 0.80 if j % 3 == 0 else 1.0
            tone = seam * (0.95 + 0.10 * rng.random())
            layer.polygon([_spot(camera, p) for p in ring], np.asarray(cloth * light * tone, np.float32))
