"""Mountains, wooded foothills and shores: a heightfield, lit from the right, seen by casting one ray per
subpixel.

The ground is sampled on a grid of columns and of depths that grow with distance, so that a grid cell is about
a pixel everywhere. A ray's hit is then the first depth whose ground stands above the ray: a running maximum
along depth and one binary search per column, which is the voxel-space renderer of 1990s flight games done
with arrays.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pixelgrad.runtime.samples.camera import FOCAL, Camera
from pixelgrad.runtime.samples.noise import Array, Noise, mix, smoothstep

Indices = npt.NDArray[np.int64]

NEAR, FAR = 4.6, 62.0
_TREE = 0.13  # Spacing and, about, height of the trees on the hills.
SUN = np.array([0.86, 0.36, -0.30], np.float32)  # Towards the light; to the right and a little behind the viewer.
SUN_COLOUR = np.array([3.0, 1.72, 0.80], np.float32)
SKY_COLOUR = np.array([0.13, 0.22, 0.40], np.float32)


@dataclass(frozen=True)
class Terrain:
    """Ground seen from the lake: columns ``u`` [C], depths ``z`` [D], height ``ground`` [D, C].

    ``surface`` [D, C, 4] holds the radiance and how much of the bare rock's own grain, made of ``stains``, shows.
    """

    u: Array
    z: Array
    ground: Array
    surface: Array
    stains: Noise

    def cast(self, camera: Camera) -> tuple[Array, Array]:
        """Colour [H, W, 3], premultiplied, and coverage [H, W] of the ground, from 2 x 2 rays a pixel."""
        seen = (self.ground - camera.eye) * np.float32(FOCAL) / self.z[:, None]
        seen = np.where(self.ground > 0.0, seen, np.float32(-9.0))
        top = np.maximum.accumulate(seen, axis=0)
        columns = (np.arange(2 * camera.width) + 0.5) / (2 * camera.scale) - camera.width / (2 * camera.scale)
        place = (columns - self.u[0]) / (self.u[1] - self.u[0])
        left = np.clip(np.floor(place).astype(np.int64), 0, len(self.u) - 2)
        part = (place - left).astype(np.float32)
        rows = (camera.horizon - (np.arange(2 * camera.height) + 0.5) / 2) / camera.scale
        rows = rows.astype(np.float32)
        hit = np.empty((2 * camera.height, 2 * camera.width), np.int64)
        line = top[:, left] * (1 - part) + top[:, left + 1] * part
        for c in range(2 * camera.width):
            hit[:, c] = np.searchsorted(line[:, c], rows)
        far = np.minimum(hit, len(self.z) - 1)
        above_water = camera.eye + rows[:, None] * self.z[far] / np.float32(FOCAL) > -0.004
        inside = (hit < len(self.z)) & above_water

        # Between the two depths that the ray passes the ground smoothly, unless the nearer one is hidden by a ridge.
        row, column = np.nonzero(inside)
        k, j, t = hit[row, column], left[column], part[column][:, None]
        before = np.maximum(k - 1, 0)
        low, high = line[before, column], line[k, column]
        bare = seen[before, j + (part[column] > 0.5)] >= low - 0.25 * (high - low)
        share = np.where(bare, np.clip((rows[row] - low) / np.maximum(high - low, 1e-6), 0.0, 1.0), 1.0)[:, None]
        flat, step = self.surface.reshape(-1, 4), len(self.u)
        near, there = before * step + j, k * step + j
        found = (flat[near] * (1 - t) + flat[near + 1] * t) * (1 - share)
        found += (flat[there] * (1 - t) + flat[there + 1] * t) * share

        shape = (camera.height, 2, camera.width, 2)
        surface = np.zeros((*hit.shape, 4), np.float32)
        surface[row, column] = found
        surface = surface.reshape(*shape, 4).mean(axis=(1, 3))
        cover = inside.reshape(shape).mean(axis=(1, 3))
        if camera.eye > 0:
            surface[..., :3] *= self._cracks(camera, far[::2, ::2], surface[..., 3])[..., None]
        return surface[..., :3], np.asarray(cover, np.float32)

    def _cracks(self, camera: Camera, depth: Indices, crag: Array) -> Array:
        """The grain of bare rock, finer than the grid: a factor to the light of each pixel."""
        u, v = camera.frame()
        x = u * self.z[depth] / np.float32(FOCAL)
        y = camera.eye + v * self.z[depth] / np.float32(FOCAL)
        bed = self.stains(x * 0.25 + 3.0, y * 1.6)
        crack = self.stains.billows(x * 1.9 + 0.5 * bed, y * 1.3 + 0.5 * x + 0.5 * bed, camera.octaves(4), 0.7)
        return np.exp(crag * (0.36 * crack + 0.14 * bed - 0.04))


def _trees(noise: Noise, x: Array, z: Array) -> tuple[Array, Array]:
    """Conifers as cones on a jittered lattice of unit cells: height of the tallest above each point, and
    its tint.
    """
    i, j = np.floor(x), np.floor(z)
    tall = np.zeros_like(x)
    tint = np.zeros_like(x)
    for di in (-1, 0, 1):
        for dj in (-1, 0, 1):
            ci, cj = i + di, j + dj
            a, b = noise.cells(ci, cj)
            dx, dz = x - ci - 0.1 - 0.8 * a, z - cj - 0.1 - 0.8 * b
            cone = (0.75 + a * b + 0.5 * b) * (1.0 - np.sqrt(dx * dx + dz * dz) / (0.62 + 0.2 * a))
            tint = np.where(cone > tall, 2.0 * a - b - 0.5, tint)
            tall = np.maximum(tall, cone)
    return tall, np.asarray(tint, np.float32)


def build(rng: np.random.Generator, camera: Camera) -> Terrain:
    """The ground for this seed, sampled finely enough for ``camera``."""
    relief, woods, stains = Noise(rng), Noise(rng), Noise(rng)
    shift = (rng.random(4).astype(np.float32) - 0.5) * 0.05
    reach = camera.width / (2 * camera.scale)
    u = np.arange(-reach - 2 / camera.scale, reach + 0.30, 1 / camera.scale, dtype=np.float32)
    z = np.geomspace(NEAR, FAR, round(1.35 * camera.scale)).astype(np.float32)
    z2, u2 = np.meshgrid(z, u, indexing="ij")
    x2 = u2 * z2 / np.float32(FOCAL)

    far_shore = 10.4 + 0.9 * relief(x2 / 3.1, z2 * 0 + 3.3) + 0.25 * relief(x2 / 0.8, z2 * 0 + 1.3)
    point = 1.0 - np.hypot((x2 - 1.75) / 2.05, (z2 - 6.75) / (0.95 + 0.2 * relief(x2 / 0.6, z2 * 0 + 9.1)))
    bed = -0.25 + 0.6 * smoothstep(-0.4, 0.4, z2 - far_shore) * np.minimum(0.55 + 0.05 * (z2 - 10), 1.0)
    cape = -0.25 + 0.42 * smoothstep(-0.25, 0.55, point)
    ground = np.maximum(bed, cape) + 0.012 * relief.fractal(x2 * 2.2, z2 * 2.2, 4)

    hills = smoothstep(10.8, 17.0, z2) * (0.55 + 0.9 * relief.fractal(x2 / 5.5, z2 / 5.5, 4))
    hills = hills * (1.45 + 0.8 * smoothstep(0.1, 0.6, -u2) - 0.75 * smoothstep(0.1, 0.45, u2))
    crest = 0.52 + 0.62 * _bell(u2, -0.25 + shift[0], 0.17) + 0.36 * _bell(u2, 0.08 + shift[1], 0.12)
    crest = crest + 0.20 * _bell(u2, 0.72 + shift[2], 0.17) - 0.34 * _bell(u2, 0.405, 0.15)
    peaks = 0.44 + 1.25 * relief.eroded(x2 / 8.5, z2 / 8.5, camera.octaves(9), 0.47)
    peaks = peaks + 0.35 * (1 - 2.5 * np.abs(relief(x2 / 13.0 + 4.1, z2 / 13.0)))
    peaks = np.maximum(peaks, 0.02)
    peaks = smoothstep(16.0, 36.0, z2) * crest * 9.6 * peaks / (0.55 + 0.45 * peaks)
    rock = ground + np.maximum(hills, 0.0) + peaks

    forest = smoothstep(2.5, 1.5, rock + 1.1 * woods.fractal(x2 / 2.6, z2 / 2.6, 3))
    glades = woods(x2 / 1.7 + 8, z2 / 1.7) + 0.7 * woods(x2 / 0.5, z2 / 0.5 + 3)
    forest = forest * smoothstep(0.20, 0.32, rock + 0.16 * glades) * smoothstep(-0.10, 0.10, glades + 0.20)
    wooded = (z > 9.0) & (z < 27.0)
    tint = np.zeros_like(rock)
    tall, tint[wooded] = _trees(woods, x2[wooded] / _TREE, z2[wooded] / _TREE)
    rock[wooded] += np.float32(_TREE) * np.where(rock[wooded] > 0.05, forest[wooded], 0.0) * tall
    colour, crag = _paint(stains, rock, forest, tint, x2, z2, camera)
    colour = _light(rock, colour, u2, x2, z2)
    surface = np.concatenate([colour, crag[..., None]], axis=2).astype(np.float32)
    return Terrain(u, z, np.asarray(rock, np.float32), surface, stains)


def _bell(x: Array, middle: float, width: float) -> Array:
    return np.asarray(np.exp(-(((x - middle) / width) ** 2)), np.float32)


def _normals(rock: Array, x: Array, z: Array) -> tuple[Array, Array, Array]:
    """Unit normals; the grid's columns fan out, which d/dz at constant x has to undo."""
    along_column, along_row = np.gradient(rock)
    step_x, step_z = np.gradient(x, axis=1), np.gradient(z, axis=0)
    slope_x = along_row / step_x
    slope_z = (along_column - slope_x * np.gradient(x, axis=0)) / step_z
    length = np.sqrt(slope_x**2 + slope_z**2 + 1.0)
    return -slope_x / length, 1.0 / length, -slope_z / length


def _paint(
    stains: Noise, rock: Array, forest: Array, tint: Array, x: Array, z: Array, camera: Camera
) -> tuple[Array, Array]:
    """Albedo: meadow by the shore, wood on the hills, rock above, snow where it can lie; and how bare the
    rock is.
    """
    _, up, _ = _normals(rock, x, z)
    mottle = stains.fractal(x / 1.4, z / 1.4, camera.octaves(6), 0.6)
    strata = stains(x * 0.1, rock * 3.2 + mottle)
    stone = mix(_rgb(0.20, 0.17, 0.155), _rgb(0.36, 0.31, 0.265), smoothstep(-0.6, 0.7, mottle + 0.5 * strata))
    meadow = mix(_rgb(0.10, 0.13, 0.035), _rgb(0.24, 0.20, 0.06), smoothstep(-0.5, 0.6, mottle))
    wood = mix(_rgb(0.014, 0.032, 0.020), _rgb(0.065, 0.068, 0.022), smoothstep(-0.7, 0.9, tint + mottle))
    colour = mix(stone, meadow, smoothstep(3.2, 1.8, rock + 0.9 * mottle) * smoothstep(0.5, 0.72, up))
    colour = mix(colour, wood, forest)
    lie = smoothstep(0.36, 0.60, up + 0.14 * mottle) * smoothstep(2.9, 4.6, rock + 0.9 * mottle)
    colour = mix(colour, _rgb(0.83, 0.85, 0.90), lie)
    sand = smoothstep(0.05, 0.015, rock + 0.01 * mottle)
    crag = (1.0 - 0.75 * lie) * (1.0 - forest) * smoothstep(0.8, 2.4, rock)
    return mix(colour, _rgb(0.17, 0.145, 0.11), sand), np.asarray(crag, np.float32)


def _rgb(red: float, green: float, blue: float) -> Array:
    return np.array([red, green, blue], np.float32)


def _light(rock: Array, albedo: Array, u: Array, x: Array, z: Array) -> Array:
    """Low sun with cast shadows, blue light of the sky, and the haze in between, golden towards the sun."""
    nx, ny, nz = _normals(rock, x, z)
    sun = SUN / np.linalg.norm(SUN)
    facing = np.maximum(nx * sun[0] + ny * sun[1] + nz * sun[2], 0.0)
    level = rock - x * np.float32(sun[1] / sun[0])
    horizon = np.maximum.accumulate(level[:, ::-1], axis=1)[:, ::-1]
    lit = np.exp(-((horizon - level) / (0.06 + 0.006 * z)))
    ambient = 0.45 + 0.55 * ny
    colour = albedo * (
        (facing * lit)[..., None] * SUN_COLOUR
        + ambient[..., None] * SKY_COLOUR
        + (0.10 * np.maximum(nx, 0.0))[..., None] * SUN_COLOUR
    )
    glow = smoothstep(-0.7, 0.55, u)[..., None]
    haze = _rgb(0.24, 0.32, 0.52) * (1 - glow) + _rgb(0.92, 0.56, 0.34) * glow
    thick = 1.0 - np.exp(-np.maximum(z - 6.0, 0.0) / 115.0 - 0.40 * np.exp(-rock / 0.55) * smoothstep(9.0, 24.0, z))
    return np.asarray(colour + (haze - colour) * thick[..., None], np.float32)
