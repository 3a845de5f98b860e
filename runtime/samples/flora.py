"""Plants drawn one leaf at a time: spruces, broad crowns, grass with flowers, reeds."""

import numpy as np

from pixelgrad.runtime.samples.camera import Camera
from pixelgrad.runtime.samples.canvas import Layer
from pixelgrad.runtime.samples.noise import Array, Noise, mix

_DEEP = np.array([0.012, 0.024, 0.020], np.float32)
_NEEDLE = np.array([0.050, 0.075, 0.030], np.float32)
_GILT = np.array([0.62, 0.36, 0.10], np.float32)
_LEAVES = np.array([[0.10, 0.12, 0.03], [0.16, 0.13, 0.03], [0.26, 0.13, 0.03], [0.07, 0.10, 0.04]], np.float32)


def _spruce(layer: Layer, rng: np.random.Generator, foot: Array, tall: float) -> None:
    """A spruce of ``tall`` pixels: drooping boughs around a stem, each hung with twigs, gilded on the
    right.
    """
    layer.lines([[foot, foot - (0.0, 0.9 * tall)]], _DEEP, tall * 0.008)
    layer.lines([[foot, foot - (0.0, 1.01 * tall)]], _DEEP, tall * 0.0025)
    boughs, twigs = 900, 8
    t = np.sort(rng.random(boughs)) ** 0.9
    angle = rng.random(boughs) * 2 * np.pi
    tiers = 0.80 + 0.20 * np.cos(2 * np.pi * (17.0 * t + 0.9 * np.sin(9.0 * t) + 0.08 * rng.standard_normal(boughs)))
    reach = 0.185 * np.maximum(1.0 - t, 0.015) ** 0.85 * tiers * (0.70 + 0.5 * rng.random(boughs)) * np.sin(angle)
    near, tone = np.cos(angle), rng.random(boughs)
    light = np.clip(0.28 + 0.72 * reach / (np.abs(reach) + 0.03), 0.0, 1.0) * (0.60 + 0.40 * near)

    s = (np.arange(twigs) + rng.random((boughs, twigs))) / twigs
    t, reach, near, tone, light = (a[:, None] for a in (t, reach, near, tone, light))
    droop = 0.46 * np.abs(reach) + 0.022 * near * (1.1 - t)
    x = reach * s
    y = -(0.035 + 0.95 * t) + droop * (1.5 * s - 0.75 * s * s)
    length = (0.006 + 0.020 * (1 - t)) * (0.6 + 0.8 * rng.random((boughs, twigs))) * (1.15 - 0.6 * s)
    lean = 0.55 * rng.standard_normal((boughs, twigs)) + 0.8 * np.sign(reach)
    root = np.stack([x, y], axis=-1)
    twig = np.stack([root, root + np.stack([lean * length, 0.9 * length], axis=-1)], axis=2)
    gild = light * s * s * (0.2 + 0.8 * tone)
    body = (0.3 + 0.7 * s) * tone * (0.6 + 0.4 * near)
    colour = _DEEP + body[..., None] * _NEEDLE + 0.52 * gild[..., None] * _GILT
    layer.lines(foot + tall * twig.reshape(-1, 2, 2), colour.reshape(-1, 3), tall * 0.0034)


def _crown(
    layer: Layer, rng: np.random.Generator, foot: Array, tall: float, wide: float, leaf: Array, count: int
) -> None:
    """A broad-leaved tree: clumps of leaves, from the shaded inside to the lit right and top."""
    layer.lines([[foot, foot - (0.0, tall * 0.5)]], _DEEP, tall * 0.04)
    clumps = 9
    angle, radius = rng.random(clumps) * 2 * np.pi, 0.68 * np.sqrt(rng.random(clumps))
    which = rng.integers(0, clumps, count)
    scatter = 0.19 * rng.standard_normal((2, count))
    dx = (np.cos(angle) * radius)[which] + scatter[0]
    dy = (np.sin(angle) * radius)[which] + scatter[1]
    sun = 0.42 + 0.24 * dx + 0.16 * dy + 0.63 * (scatter[0] + scatter[1]) + 0.13 * rng.standard_normal(count)
    sun = np.clip(sun, 0.0, 1.0)
    size = tall * (0.018 + 0.026 * rng.random(count))
    order = np.argsort(sun + 0.3 * rng.random(count))
    colour = leaf * (0.08 + 0.75 * sun[:, None] ** 1.6) + 0.42 * _GILT * sun[:, None] ** 4
    middle = np.stack([foot[0] + wide * 0.5 * dx, foot[1] - tall * (0.56 + 0.40 * dy)], axis=1)
    radii = np.stack([1.15 * size, 0.8 * size], axis=1)
    layer.blobs(middle[order], radii[order], colour[order])


def groves(layer: Layer, camera: Camera, rng: np.random.Generator) -> None:
    """Crowns and poplars behind the village."""
    for _ in range(20):
        x, z = 0.02 + 3.3 * rng.random(), 7.55 + 0.15 * rng.random()
        poplar = rng.random() < 0.3
        tall = (0.54 if poplar else 0.40) + 0.16 * rng.random()
        foot, top = camera.project([[x, 0.06, z], [x, 0.06 + tall, z]])
        size = float(foot[1] - top[1])
        _crown(layer, rng, foot, size, (0.26 if poplar else 0.9) * size, _LEAVES[rng.integers(0, 4)], 220)


def bushes(layer: Layer, camera: Camera, rng: np.random.Generator) -> None:
    """Shrubs and a few small trees along the shore, before the houses."""
    for x in np.sort(3.5 * rng.random(30) - 0.15)[::-1].tolist():
        z = 6.75 - 0.75 * float(np.sqrt(max(0.0, 1.0 - ((x - 1.75) / 1.9) ** 2))) + 0.1 * rng.random()
        tall = 0.06 + 0.07 * rng.random() ** 2 + (0.20 if rng.random() < 0.2 else 0.0)
        foot, top = camera.project([[x, 0.0, z], [x, tall, z]])
        size = float(foot[1] - top[1])
        _crown(layer, rng, foot, size, (1.5 if tall < 0.15 else 1.0) * size, _LEAVES[rng.integers(0, 4)], 110)


def bank(layer: Layer, camera: Camera, rng: np.random.Generator) -> None:
    """The near shore: a flowery bank that rises to the left, three spruces on it, reeds at its end and on
    the right.
    """
    noise = Noise(rng)
    for u, v, tall in ((-0.500, -0.255, 0.40), (-0.715, -0.235, 0.50), (-0.615, -0.285, 0.74)):
        _spruce(layer, rng, camera.place(u + 0.01 * rng.standard_normal(), v), tall * camera.scale)
    line = np.linspace(-1.6, 0.35, 120).astype(np.float32)
    ridge = camera.place(line, _bank_top(line, noise))
    layer.polygons([[*ridge, camera.place(0.35, -2.0), camera.place(-1.6, -2.0)]], (0.020, 0.026, 0.012))
    _grass(layer, camera, rng, noise)
    _reeds(layer, camera, rng, 0.695, 0.055, 0.27, 150)
    _reeds(layer, camera, rng, -0.235, 0.045, 0.16, 40)


def _bank_top(u: Array, noise: Noise) -> Array:
    """Height v of the bank's edge at u."""
    slope = -0.205 - 0.62 * np.maximum(u + 0.62, 0.0) ** 1.35 - 0.10 * np.maximum(u + 0.15, 0.0)
    return np.asarray(slope + 0.012 * noise(u * 9.0, u * 0.0 + 2.5), np.float32)


def _blades(foot: Array, lean: Array, size: Array, half: Array) -> Array:
    """Bent, pointed leaves as five-cornered polygons [N, 5, 2], standing on ``foot`` [N, 2]."""
    waist = foot + np.stack([0.42 * lean, -0.6 * size], axis=1)
    side, flank = np.stack([half, 0.0 * half], axis=1), np.stack([0.7 * half, 0.0 * half], axis=1)
    tip = foot + np.stack([lean, -size], axis=1)
    return np.stack([foot - side, foot + side, waist + flank, tip, waist - flank], axis=1)


def _grass(layer: Layer, camera: Camera, rng: np.random.Generator, noise: Noise) -> None:
    """Blades from the edge of the bank to the lower border, longer as they come nearer; flowers grow in
    drifts.
    """
    count = 5600
    u = (1.15 * rng.random(count) - 0.78).astype(np.float32)
    depth = np.sort(rng.random(count) ** 1.4).astype(np.float32)
    v = _bank_top(u, noise) - np.float32(0.26) * depth
    tone = rng.random((count, 3)).astype(np.float32)
    size = camera.scale * (0.012 + 0.045 * depth) * (0.6 + 0.8 * tone[:, 0])
    lean = (0.15 + 0.35 * rng.standard_normal(count)) * size
    drift = noise(u * 5.0, depth * 2.5)
    sunny = np.clip((1.0 - 0.75 * depth) * (0.35 + 0.9 * np.clip(u + 0.75, 0, 1)) + 0.5 * drift, 0.0, 1.0)
    cool, warm = np.array([0.040, 0.070, 0.020], np.float32), np.array([0.50, 0.36, 0.08], np.float32)
    colour = mix(cool, warm, np.asarray(sunny * tone[:, 1] ** 1.6, np.float32)) * (1.0 - 0.45 * depth[:, None])
    foot = camera.place(u, v)
    blades = _blades(foot, lean, size, 0.055 * size + 0.25)
    petals = np.array([[0.95, 0.62, 0.10], [0.80, 0.16, 0.08], [0.92, 0.84, 0.70], [0.40, 0.24, 0.58]], np.float32)
    kind = (2.0 * noise(u * 3.0 + 9.0, depth * 1.5) + 2.0 + 0.7 * tone[:, 0]).astype(np.int64) % 4
    blooms = (drift > 0.02) & (tone[:, 2] > 0.90)
    for part in np.array_split(np.arange(count), 24):
        layer.polygons(blades[part], colour[part])
        chosen = part[blooms[part]]
        head = blades[chosen, 3]
        radius = 0.055 * size[chosen][:, None] + 0.2
        shade = petals[kind[chosen]] * (0.40 + 0.35 * tone[chosen, :1])
        for dx, dy, bright in ((-0.6, 0.2, 0.7), (0.5, 0.3, 0.9), (0.0, -0.5, 1.25)):
            layer.blobs(head + radius * (dx, dy), radius * (1.0, 0.75), shade * bright)


def _reeds(
    layer: Layer, camera: Camera, rng: np.random.Generator, u: float, spread: float, tall: float, count: int
) -> None:
    """A stand of reeds around u, a third of them bearing cattails."""
    v = -0.40 - 0.06 * np.sort(rng.random(count))
    foot = camera.place(u + spread * np.clip(rng.standard_normal(count), -1.6, 9.0), v)
    size = camera.scale * tall * (0.38 + 0.62 * rng.random(count))
    lean = (0.04 + 0.13 * rng.standard_normal(count)) * size
    tone = rng.random((count, 1))
    colour = np.array([0.040, 0.050, 0.018]) * (0.5 + tone) + np.array([0.46, 0.28, 0.08]) * tone**3
    blades = _blades(foot, lean, size, np.full(count, 0.0026 * camera.scale))
    for k in range(count):
        layer.polygons(blades[k : k + 1], colour[k])
        if tone[k, 0] > 0.66:
            down = np.stack([-lean[k : k + 1], size[k : k + 1]], axis=1)
            head = np.stack([blades[k, 3] + 0.02 * down, blades[k, 3] + 0.16 * down], axis=1)
            layer.lines(head, (0.10, 0.055, 0.025), 0.0075 * camera.scale)
