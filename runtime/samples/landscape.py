"""The content picture: a village on an alpine lake at golden hour."""

import numpy as np

from pixelgrad.runtime.samples import boat, flora, sky, terrain, village, water
from pixelgrad.runtime.samples.camera import Camera
from pixelgrad.runtime.samples.canvas import Layer, blur, over
from pixelgrad.runtime.samples.drawing import check, stream
from pixelgrad.runtime.samples.noise import Array, Picture

_FIRST = 15  # Where the seeds start: chosen by eye, so that the default shows a good mountain.


def landscape(width: int = 768, height: int = 512, seed: int = 0) -> Picture:
    """A village on an alpine lake at golden hour, float32 [height, width, 3], RGB in [0, 1].

    The same seed gives the same scene at every size; other seeds give other mountains, clouds, trees and
    windows. A picture that is not 3:2 shows the middle of the scene.
    """
    check(width, height, seed)
    camera, first = Camera(width, height), seed + _FIRST
    air = sky.paint(stream(first, 0), camera)
    ground = terrain.build(stream(first, 1), camera)

    def scene(eye: Camera, background: Array) -> tuple[Array, Array]:
        """All that both cameras see, and the lit windows alone."""
        layer, lamps = Layer(width, height), Layer(width, height)
        flora.groves(layer, eye, stream(first, 2))
        village.draw(layer, lamps, eye, stream(first, 3))
        flora.bushes(layer, eye, stream(first, 4))
        boat.draw(layer, eye, stream(first, 5))
        return over(layer.resolve(), over(ground.cast(eye), background)), lamps.resolve()[0]

    mirrored, lamps = scene(camera.mirrored(), air)
    lake = water.paint(stream(first, 6), camera, mirrored + 0.3 * blur(lamps, 0.02 * camera.scale))
    background = air.copy()
    background[height - len(lake) :] = lake
    picture, lamps = scene(camera, background)
    picture = picture + 0.35 * blur(lamps, 0.018 * camera.scale)
    near = Layer(width, height)
    flora.bank(near, camera, stream(first, 7))
    return _develop(over(near.resolve(), picture), camera, stream(first, 8))


def _develop(light: Array, camera: Camera, rng: np.random.Generator) -> Picture:
    """From radiance to a print: bloom, vignette, filmic curve, a breath of grain."""
    bright = np.maximum(light - 1.2, 0.0)
    light = light + 0.22 * blur(bright, 0.02 * camera.scale) + 0.16 * blur(bright, 0.07 * camera.scale)
    u, v = camera.frame()
    light = light * (1.0 - 0.36 * (u * u / 0.9 + (v - 0.08) ** 2 / 0.5))[..., None]
    grey = light.mean(axis=2, keepdims=True)
    x = np.maximum(grey + 1.14 * (light - grey), 0.0) * 0.66
    curve = x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14)  # Narkowicz's fit of the ACES film curve.
    picture = np.clip(curve, 0.0, 1.0) ** (1 / 2.2)
    grain = 0.007 * rng.standard_normal(picture.shape[:2]).astype(np.float32)[..., None]
    return np.asarray(np.clip(picture + grain, 0.0, 1.0), np.float32)
