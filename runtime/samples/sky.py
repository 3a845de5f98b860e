"""Evening sky: a gradient from gold to deep blue, a low sun, and two sheets of cloud lit from its side."""

import numpy as np

from pixelgrad.runtime.samples.camera import Camera
from pixelgrad.runtime.samples.noise import Array, Noise, mix, smoothstep

SUN_PLACE = (0.405, 0.128)  # u, v in the picture.


def _rgb(red: float, green: float, blue: float) -> Array:
    return np.array([red, green, blue], np.float32)


def paint(rng: np.random.Generator, camera: Camera) -> Array:
    """Radiance [H, W, 3] of the sky at every pixel; what lies below the horizon repeats the horizon."""
    u, v = camera.frame()
    rows = min(max(round(camera.horizon) + 1, 1), camera.height)
    u, v = u[:rows], np.maximum(v[:rows], 0.0)
    sheet, heap = Noise(rng), Noise(rng)
    away = np.hypot((u - SUN_PLACE[0]) * 0.8, v - SUN_PLACE[1])
    side = smoothstep(-0.9, 0.5, u)
    low = mix(_rgb(0.46, 0.32, 0.40), _rgb(1.00, 0.46, 0.20), side)
    middle = mix(_rgb(0.10, 0.20, 0.46), _rgb(0.21, 0.27, 0.47), side)
    sky = mix(low, middle, smoothstep(0.0, 0.24, v))
    sky = mix(sky, mix(_rgb(0.025, 0.075, 0.26), _rgb(0.055, 0.12, 0.32), side), smoothstep(0.14, 0.62, v))
    glow = np.exp(-away / 0.15)[..., None] * _rgb(1.50, 0.56, 0.09) + np.exp(-away / 0.035)[..., None] * _rgb(
        3.0, 1.9, 0.75
    )
    sky = sky + glow

    sky = _high_clouds(sheet, camera, sky, u, v, away)
    sky = _heaps(heap, camera, sky, u, v, away)
    disc = smoothstep(0.0205, 0.0185, np.hypot(u - SUN_PLACE[0], v - SUN_PLACE[1]))
    sky = sky + disc[..., None] * _rgb(9.0, 7.0, 4.0)
    return np.concatenate([sky, np.repeat(sky[-1:], camera.height - rows, axis=0)]).astype(np.float32)


def _high_clouds(noise: Noise, camera: Camera, sky: Array, u: Array, v: Array, away: Array) -> Array:
    """A ribbed sheet seen in perspective, so that its streets run towards the sun."""
    depth = 1.0 / (v + 0.13)
    x = (u - SUN_PLACE[0]) * depth * 0.62
    y = depth * 0.42
    warp = noise.fractal(x * 1.2, y * 1.2, 3)
    cover = noise.fractal(x * 1.7 + 0.45 * warp, y * 3.6 + 0.5 * warp, camera.octaves(6), 0.60)
    patches = noise(x * 0.8 + 7.7, y * 1.1 + 3.1)
    veil = smoothstep(-0.10, 0.80, cover + 0.65 * patches + 0.02) * smoothstep(0.03, 0.16, v)
    gold = np.exp(-away / 0.30)
    colour = mix(_rgb(0.50, 0.40, 0.48), _rgb(1.9, 1.0, 0.42), gold)
    colour = colour * (1.12 - 0.45 * smoothstep(0.2, 1.1, cover))[..., None]
    return mix(sky, np.asarray(colour, np.float32), veil * (0.80 - 0.35 * gold))


def _heaps(noise: Noise, camera: Camera, sky: Array, u: Array, v: Array, away: Array) -> Array:
    """Cumulus banks: billows cut by a band, shaded by how much cloud stands between a point and the sun."""

    def density(x: Array, y: Array) -> Array:
        warp = noise.fractal(x / 0.30 + 3.0, y / 0.22, 2)
        body = noise.fractal(x / 0.42 + 0.35 * warp, y / 0.17 + 1.0, 3, 0.5)
        puff = noise.billows(x / 0.13 + 0.4 * warp, y / 0.085 + 0.4 * warp, camera.octaves(5), 0.52)
        band = np.exp(-(((y - 0.235 + 0.10 * x) / 0.085) ** 2)) - 0.50
        return np.asarray(1.1 * body + 0.40 * puff + 0.95 * band - 0.02, np.float32)

    here = density(u, v)
    reach = np.hypot(u - SUN_PLACE[0], v - SUN_PLACE[1]) + 0.05
    step_u = 0.022 * (SUN_PLACE[0] - u) / reach
    step_v = 0.022 * (SUN_PLACE[1] - v) / reach + 0.010
    ahead = density(np.asarray(u + step_u, np.float32), np.asarray(v + step_v, np.float32))
    lit = np.exp(-2.3 * np.maximum(ahead, 0.0)) * (0.6 + 0.4 * smoothstep(-0.15, 0.3, here - ahead))
    gold = np.exp(-away / 0.36)
    shade = mix(_rgb(0.17, 0.19, 0.31), _rgb(0.62, 0.42, 0.34), gold)
    light = mix(_rgb(1.10, 0.80, 0.66), _rgb(2.7, 1.75, 0.85), gold)
    cloud = mix(shade, light, lit)
    opaque = smoothstep(0.0, 0.34, here) * smoothstep(0.02, 0.12, v)
    return mix(sky, cloud, 0.94 * opaque)
