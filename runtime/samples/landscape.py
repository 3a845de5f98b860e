"""The content picture: a village on an alpine lake at golden hour."""

import numpy as np

from . import boat, flora, sky, terrain, village, water
from .camera import Camera
from .canvas import blur, over
from .noise import Array


def landscape(width: int = 768, height: int = 512, seed: int = 0) -> Array:
    """A village on an alpine lake at golden hour, float32 [height, width, 3], RGB in [0, 1].

    The same seed gives the same scene at every size; other seeds give other mountains, clouds, trees and windows.
    A picture that is not 3:2 shows the middle of the scene.
    """
    camera = Camera(width, height)
    streams = np.random.SeedSequence(seed).spawn(4)
    rng = [np.random.Generator(np.random.PCG64(s)) for s in streams]
    air = sky.paint(rng[0], camera)
    ground = terrain.build(rng[1], camera)

    def scene(eye: Camera, lake: Array | None) -> tuple[Array, Array]:
        picture = air.copy()
        if lake is not None:
            picture[-lake.shape[0] :] = lake
        picture = over(ground.cast(eye), picture)
        picture = over(flora.groves(seed, eye), picture)
        houses, lamps = village.draw([seed, 21], eye)
        picture = over(houses, picture)
        picture = over(flora.bushes(seed, eye), picture)
        return over(boat.draw(seed, eye), picture), lamps[0]

    mirrored, lights = scene(camera.mirrored(), None)
    mirrored = mirrored + 0.6 * blur(lights, 0.02 * camera.scale)
    picture, lamps = scene(camera, water.paint(rng[2], camera, mirrored))
    picture = picture + 0.8 * blur(lamps, 0.018 * camera.scale)
    picture = over(flora.bank(seed, camera), picture)
    return _develop(picture, camera, rng[3])


def _develop(light: Array, camera: Camera, rng: np.random.Generator) -> Array:
    """From radiance to a print: bloom, vignette, filmic curve, a breath of grain."""
    bright = np.maximum(light - 1.2, 0.0)
    light = light + 0.22 * blur(bright, 0.02 * camera.scale) + 0.16 * blur(bright, 0.07 * camera.scale)
    u, v = camera.frame()
    light = light * (1.0 - 0.42 * (u * u / 0.9 + (v - 0.08) ** 2 / 0.5))[..., None]
    x = light * 0.62
    curve = x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14)  # Narkowicz's fit of the ACES film curve.
    picture = np.clip(curve, 0.0, 1.0) ** (1 / 2.2)
    grain = rng.standard_normal(picture.shape[:2]).astype(np.float32)[..., None] * 0.008
    return np.clip(picture + grain, 0.0, 1.0).astype(np.float32)
