"""The lake: a mirror of the scene, broken by ripples, dark where one looks down into it, glittering under
the sun.
"""

import numpy as np

from pixelgrad.runtime.samples.camera import FOCAL, Camera
from pixelgrad.runtime.samples.noise import Array, Noise, smoothstep
from pixelgrad.runtime.samples.sky import SUN_PLACE

_DEPTHS = np.array([0.012, 0.050, 0.075], np.float32)


def _sample(picture: Array, column: Array, row: Array) -> Array:
    """Bilinear lookup of [H, W, C] at real columns and rows; outside, the edge is repeated."""
    height, width = picture.shape[:2]
    column = np.clip(column, 0, width - 1.001)
    row = np.clip(row, 0, height - 1.001)
    i, j = row.astype(np.int64), column.astype(np.int64)
    s, t = (column - j)[..., None], (row - i)[..., None]
    flat = picture.reshape(-1, picture.shape[2])
    k = i * width + j
    top = flat[k] + (flat[k + 1] - flat[k]) * s
    below = flat[k + width] + (flat[k + width + 1] - flat[k + width]) * s
    return np.asarray(top + (below - top) * t, np.float32)


def paint(rng: np.random.Generator, camera: Camera, mirrored: Array) -> Array:
    """Radiance of the water [h, W, 3] for the rows below the horizon, from what the mirrored camera sees."""
    u, v = camera.frame()
    first = int(np.ceil(camera.horizon + 0.5))
    u, v = u[first:], np.minimum(v[first:], -0.5 / camera.scale)
    z = np.float32(FOCAL * camera.eye) / -v
    x = u * z / np.float32(FOCAL)
    swell, ripple, breeze = Noise(rng), Noise(rng), Noise(rng)

    calm = smoothstep(-0.25, 0.45, breeze.fractal(x * 0.35, z * 0.55, 3) + 0.1)
    slope = np.zeros_like(u)
    sideways = np.zeros_like(u)
    facets = np.zeros_like(u)
    for octave, noise in ((0, swell), (1, ripple), (2, swell), (3, ripple)):
        rate = 2.6 * 2.1**octave
        seen = smoothstep(0.9, 0.25, rate * 2.2 * z * z / np.float32(FOCAL * camera.eye * camera.scale))
        _, along, away = noise.slope(x * (rate * 0.62) + 3.1 * octave, z * (rate * 1.7))
        weight = np.float32(0.62**octave) * (0.35 + 0.65 * (1 - calm)) * (0.25 + 0.75 * seen)
        slope += weight * away
        sideways += weight * along
        facets += weight * seen * (away + 0.3 * along)
    strength = 0.016 + 0.03 * smoothstep(3.0, 1.0, z)
    column = (u + 0.20 * strength * sideways) * camera.scale + camera.width / 2 - 0.5
    height = np.abs(-v + strength * slope * (0.35 + 0.65 * np.minimum(-v / 0.2, 1.0)))
    row = camera.horizon - height * camera.scale - 0.5
    seen_in_it = _sample(mirrored, column, np.asarray(row, np.float32))

    sine = -v / np.sqrt(v * v + FOCAL * FOCAL) - 0.055 * slope
    fresnel = 0.03 + 0.97 * (1.0 - np.clip(sine, 0.0, 1.0)) ** 4.2
    water = seen_in_it * fresnel[..., None] + _DEPTHS * (1.0 - fresnel[..., None]) * 1.6

    path = np.exp(-(((u - SUN_PLACE[0]) / (0.035 + 0.30 * np.abs(v))) ** 2))
    sparks = ripple(x * 26.0, z * 44.0) * smoothstep(4.5, 1.5, z) + ripple(x * 11.0, z * 17.0)
    glint = smoothstep(0.75, 1.5, facets + 0.9 * path + 0.55 * sparks) * path * smoothstep(-0.01, -0.07, v)
    return np.asarray(water + glint[..., None] * np.array([3.0, 1.6, 0.5], np.float32), np.float32)
