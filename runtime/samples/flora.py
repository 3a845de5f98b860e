"""Plants drawn one leaf at a time: spruces, broad crowns, grass with flowers, reeds."""

import numpy as np

from .camera import Camera
from .canvas import Layer, Point
from .noise import Array, Noise

_DEEP = np.array([0.012, 0.024, 0.020], np.float32)
_NEEDLE = np.array([0.050, 0.070, 0.030], np.float32)
_GILT = np.array([0.62, 0.36, 0.10], np.float32)


def spruce(layer: Layer, rng: np.random.Generator, foot: Point, tall: float, girth: float) -> None:
    """A spruce of ``tall`` pixels: whorls of drooping boughs, each hung with twigs, gilded on the right."""
    x0, y0 = foot
    whorls = 46
    tones = rng.random((whorls, 14, 3))
    for whorl in range(whorls):
        t = whorl / whorls
        y = y0 - tall * (0.05 + 0.94 * t)
        spread = girth * tall * (1.0 - t) ** 0.85 * (0.80 + 0.35 * tones[whorl, 0, 0])
        angles = np.sort(rng.random(14)) * np.pi - np.pi / 2
        order = np.argsort(-np.abs(angles))
        for k in order:
            sideways = float(np.sin(angles[k] * 1.15)) * spread * (0.65 + 0.5 * tones[whorl, k, 1])
            nearness = float(np.cos(angles[k]))
            _bough(layer, rng, (x0, y), sideways, nearness, tall, float(tones[whorl, k, 2]), t)
    layer.line([(x0, y0 - tall * 0.93), (x0, y0 - tall * 1.01)], _DEEP, tall * 0.004)


def _bough(
    layer: Layer, rng: np.random.Generator, root: Point, reach: float, near: float, tall: float, tone: float, t: float
) -> None:
    """One bough: down, then up at its tip, with twigs hanging from it."""
    droop = 0.30 * abs(reach) + tall * 0.012 * near * (1.3 - t)
    twigs = 9
    place = (np.arange(twigs) + rng.random(twigs)) / twigs
    lengths = tall * (0.010 + 0.020 * (1 - t)) * (0.6 + 0.8 * rng.random(twigs)) * (1.15 - 0.6 * place)
    lean = rng.standard_normal(twigs) * 0.45 + 0.6 * np.sign(reach)
    light = np.clip(0.25 + 0.75 * reach / (abs(reach) + tall * 0.03), 0.0, 1.0) * (0.35 + 0.65 * tone)
    for s, length, skew in zip(place.tolist(), lengths.tolist(), lean.tolist(), strict=True):
        x = root[0] + reach * s
        y = root[1] + droop * (s * 1.5 - 0.62 * s * s)
        gild = light * s * s * (0.4 + 0.6 * tone)
        colour = _DEEP + (0.35 + 0.65 * s) * tone * _NEEDLE + gild * 0.55 * _GILT
        layer.line([(x, y), (x + skew * length, y + length)], colour, tall * 0.0042)


def crown(
    layer: Layer, rng: np.random.Generator, foot: Point, tall: float, wide: float, leaf: Array, count: int = 170
) -> None:
    """A broad-leaved tree: leaf clusters filled from the shaded inside to the lit right and top."""
    x0, y0 = foot
    layer.line([(x0, y0), (x0, y0 - tall * 0.5)], _DEEP, tall * 0.05)
    angle, radius = rng.random(count) * 2 * np.pi, np.sqrt(rng.random(count))
    dx, dy = np.cos(angle) * radius, np.sin(angle) * radius
    sun = np.clip(0.5 + 0.42 * dx + 0.30 * dy + 0.16 * rng.standard_normal(count), 0.0, 1.0)
    size = tall * (0.035 + 0.045 * rng.random(count))
    for k in np.argsort(sun + 0.25 * rng.random(count)).tolist():
        s = float(sun[k])
        colour = leaf * (0.10 + 0.9 * s**1.7) + _GILT * 0.75 * s**4
        x = x0 + wide * 0.5 * float(dx[k])
        y = y0 - tall * (0.58 + 0.42 * float(dy[k]))
        layer.blob(x, y, float(size[k]) * 1.15, float(size[k]) * 0.8, colour)


def groves(seed: int, camera: Camera) -> tuple[Array, Array]:
    """The trees of the village: crowns and poplars behind and between the houses."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, 31])))
    layer = Layer(camera.width, camera.height)
    leaves = np.array([[0.10, 0.12, 0.03], [0.16, 0.13, 0.03], [0.26, 0.13, 0.03], [0.07, 0.10, 0.04]], np.float32)
    for _ in range(17):
        x, z = 0.15 + 2.9 * rng.random(), 7.35 + 0.15 * rng.random()
        poplar = rng.random() < 0.3
        tall = (0.50 if poplar else 0.30) + 0.12 * rng.random()
        left, foot = camera.project(x, 0.06, z)
        _, top = camera.project(x, 0.06 + tall, z)
        wide = (0.26 if poplar else 0.95) * (foot - top)
        crown(layer, rng, (left, foot), foot - top, wide, leaves[rng.integers(0, 4)], 120)
    return layer.resolve()


def bushes(seed: int, camera: Camera) -> tuple[Array, Array]:
    """Shrubs and a few trees along the shore, before the houses."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, 32])))
    layer = Layer(camera.width, camera.height)
    leaves = np.array([[0.10, 0.12, 0.03], [0.14, 0.12, 0.03], [0.22, 0.13, 0.03]], np.float32)
    for x in np.sort(rng.random(26) * 3.4 - 0.15)[::-1].tolist():
        z = 6.75 - 0.75 * float(np.sqrt(max(0.0, 1.0 - ((x - 1.75) / 1.9) ** 2))) + 0.1 * rng.random()
        tall = 0.07 + 0.08 * rng.random() ** 2 + (0.22 if rng.random() < 0.2 else 0.0)
        left, foot = camera.project(x, 0.015, z)
        _, top = camera.project(x, 0.015 + tall, z)
        crown(layer, rng, (left, foot), foot - top, 1.25 * (foot - top), leaves[rng.integers(0, 3)], 60)
    return layer.resolve()


def bank(seed: int, camera: Camera) -> tuple[Array, Array]:
    """The near shore: a grassy bank with flowers rising to the left, three spruces on it, reeds where it ends."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, 33])))
    noise = Noise(rng)
    layer = Layer(camera.width, camera.height)
    scale = camera.scale

    def place(u: float, v: float) -> Point:
        return camera.width / 2 + u * scale, camera.horizon - v * scale

    def crest(u: Array) -> Array:
        base = -0.205 - 0.62 * np.maximum(u + 0.62, 0.0) ** 1.35 - 0.10 * np.maximum(u + 0.15, 0.0)
        return np.asarray(base + 0.012 * noise(u * 9.0, u * 0 + 2.5), np.float32)

    line = np.linspace(-1.6, 0.35, 120).astype(np.float32)
    for u, v, tall in ((-0.500, -0.255, 0.40), (-0.715, -0.235, 0.50), (-0.615, -0.285, 0.74)):
        left, foot = place(u + 0.01 * rng.standard_normal(), v)
        spruce(layer, rng, (left, foot), tall * scale, 0.155)
    edge = crest(line)
    layer.polygon([place(float(u), float(v)) for u, v in zip(line, edge, strict=True)] + [place(0.35, -2), place(-1.6, -2)], (0.020, 0.026, 0.012))
    _grass(layer, rng, place, crest, scale)
    _reeds(layer, rng, place, scale)
    return layer.resolve()


def _grass(layer, rng, place, crest, scale) -> None:  # type: ignore[no-untyped-def]
    count = 5200
    u = (rng.random(count) * 1.9 - 1.55).astype(np.float32)
    u = np.where(u < -0.78, u + 0.78, u).astype(np.float32)
    depth = rng.random(count) ** 1.4
    v = crest(u) - 0.26 * depth
    tone = rng.random((count, 3))
    bend = rng.standard_normal(count) * 0.35 + 0.15
    warm = np.array([0.34, 0.25, 0.06], np.float32)
    cool = np.array([0.045, 0.075, 0.022], np.float32)
    flowers = np.array([[0.95, 0.62, 0.10], [0.85, 0.13, 0.07], [0.95, 0.88, 0.75], [0.42, 0.22, 0.60]], np.float32)
    for k in np.argsort(depth).tolist():
        size = scale * (0.012 + 0.045 * depth[k]) * (0.6 + 0.8 * tone[k, 0])
        x, y = place(float(u[k]), float(v[k]))
        lean = float(bend[k]) * size
        shade = 1.0 - 0.55 * depth[k]
        colour = shade * (cool + (warm - cool) * tone[k, 1] ** 2 * (0.35 + 0.9 * float(np.clip(u[k] + 0.75, 0, 1))))
        w = size * 0.055 + 0.25
        tip = (x + lean, y - size)
        layer.polygon([(x - w, y), (x + w, y), (x + lean * 0.45 + w * 0.7, y - size * 0.6), tip, (x + lean * 0.45 - w * 0.7, y - size * 0.6)], colour)
        if tone[k, 2] > 0.965:
            petal = flowers[int(tone[k, 0] * 4) % 4] * (0.35 + 0.5 * shade)
            r = size * 0.11 + 0.3
            layer.blob(tip[0], tip[1], r, r * 0.85, petal)
            layer.blob(tip[0] + r * 0.3, tip[1] - r * 0.3, r * 0.5, r * 0.45, petal * 1.5)


def _reeds(layer, rng, place, scale) -> None:  # type: ignore[no-untyped-def]
    for _ in range(150):
        u = 0.60 + 0.16 * rng.random() if rng.random() < 0.75 else -0.12 + 0.12 * rng.standard_normal()
        v = -0.405 - 0.06 * rng.random()
        x, y = place(u, v)
        size = scale * (0.14 + 0.16 * rng.random())
        lean = (0.10 * rng.standard_normal() + 0.04) * size
        tone = rng.random()
        colour = np.array([0.040, 0.050, 0.018]) * (0.5 + tone) + np.array([0.40, 0.25, 0.07]) * tone**3
        w = scale * 0.0026
        middle = (x + lean * 0.35, y - size * 0.55)
        tip = (x + lean, y - size)
        layer.polygon([(x - w, y), (x + w, y), (middle[0] + w * 0.8, middle[1]), tip, (middle[0] - w * 0.8, middle[1])], colour)
        if tone > 0.7:
            layer.line([(tip[0] - lean * 0.02, tip[1] + size * 0.02), (tip[0] - lean * 0.16, tip[1] + size * 0.16)], (0.10, 0.055, 0.025), scale * 0.008)
