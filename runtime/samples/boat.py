"""A small sailing boat: a clinker hull, a mast, two ochre sails that the low sun shines through."""

import numpy as np

from pixelgrad.runtime.samples.camera import Camera
from pixelgrad.runtime.samples.canvas import Layer
from pixelgrad.runtime.samples.noise import Array
from pixelgrad.runtime.samples.terrain import SKY_COLOUR, SUN, SUN_COLOUR

_PLACE = np.array([-0.23, 0.0, 2.95], np.float32)
_TURN = 0.42
_HALF, _BEAM, _SIDE = 0.27, 0.085, 0.062  # Half length, half beam and freeboard.
_TEAL = np.array([0.05, 0.16, 0.19], np.float32)
_OAK = np.array([0.30, 0.15, 0.07], np.float32)
_RAIL = np.array([0.62, 0.50, 0.34], np.float32)
_CLOTH = np.array([0.80, 0.42, 0.13], np.float32)


def _world(along: Array, up: Array, across: Array) -> Array:
    """Points of the world [..., 3] from the boat's own axes."""
    c, s = np.cos(_TURN), np.sin(_TURN)
    return np.asarray(_PLACE + np.stack([c * along - s * across, up, s * along + c * across], axis=-1))


def _spot(along: float, up: float, across: float = 0.0) -> Array:
    return _world(np.asarray(along), np.asarray(up), np.asarray(across))


def _quads(grid: Array) -> Array:
    """The cells [R * C, 4, D] of a grid of points [R + 1, C + 1, D]."""
    corners = np.stack([grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]], axis=2)
    return corners.reshape(-1, 4, grid.shape[2])


def draw(layer: Layer, camera: Camera, rng: np.random.Generator) -> None:
    """The boat as ``camera`` sees it: far side from inside, near side, mast, mainsail, jib."""
    strakes, stations = 5, 14
    t, s = np.meshgrid(np.linspace(0, 1, strakes + 1), np.linspace(-1, 1, stations + 1), indexing="ij")
    fullness = np.where(s > 0, 2.4, 6.0)
    beam = _BEAM * np.maximum(1.0 - np.abs(s) ** fullness, 0.0) ** 0.8 * (0.72 + 0.28 * t)
    along, up = _HALF * s * (1.0 + 0.10 * t), _SIDE * t * (1.0 + 0.5 * s * s)
    bend = (0.10 + 0.28 * np.arange(stations) / (stations - 1))[None, :, None]
    light = 0.75 * SKY_COLOUR + bend * SUN_COLOUR
    tone = 1.0 + 0.08 * rng.standard_normal((strakes, 1, 1)) + 0.015 * rng.standard_normal((strakes, stations, 1))
    for side, albedo in ((1.0, _OAK), (-1.0, _TEAL)):
        planks = np.broadcast_to(albedo, (strakes, stations, 3)).copy()
        planks[-1] = _RAIL
        hull = _world(along, up, side * beam)
        layer.polygons(camera.project(_quads(hull)), (planks * light * tone).reshape(-1, 3))
    mast = np.stack([_spot(0.05, 0.03), _spot(0.02, 0.66)])
    layer.lines(camera.project(mast)[None], (0.12, 0.07, 0.04), camera.scale * 0.0032)
    _sail(layer, camera, _spot(0.02, 0.13), _spot(-0.25, 0.12, 0.03), _spot(0.02, 0.63), -0.045)
    _sail(layer, camera, _spot(0.29, 0.11), _spot(0.07, 0.12, 0.03), _spot(0.03, 0.57), -0.030)


def _sail(layer: Layer, camera: Camera, tack: Array, clew: Array, head: Array, belly: float) -> None:
    """A triangle of cloth that bellies out, lit through its weave; seams run across it."""
    steps = 12
    across = np.cross(clew - tack, head - tack)
    across = across / np.linalg.norm(across)
    t, s = np.meshgrid(np.linspace(0, 1, steps + 1), np.linspace(0, 1, steps + 1), indexing="ij")
    s, t = s[..., None], t[..., None]
    cloth = tack + (clew - tack) * s * (1 - t) + (head - tack) * t
    cloth = cloth + across * belly * 4 * s * (1 - s) * (1 - t) ** 0.7
    normal = np.cross(cloth[:-1, 1:] - cloth[:-1, :-1], cloth[1:, :-1] - cloth[:-1, :-1])
    normal = normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
    facing = np.abs(normal @ SUN)[..., None] / float(np.linalg.norm(SUN))
    seams = np.where(np.arange(steps) % 3 == 0, 0.90, 1.0)[:, None, None]
    light = ((0.25 + 0.75 * facing) * 0.8 * SUN_COLOUR + 0.5 * SKY_COLOUR) * seams
    layer.polygons(camera.project(_quads(cloth)), (_CLOTH * light).reshape(-1, 3))
