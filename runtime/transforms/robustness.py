"""Random small changes of the view: what an image shows only from one pixel's worth of places, it does not show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pixelgrad.runtime.transforms.warp import Warp, warp

__all__ = ["Robustness"]


@dataclass(frozen=True)
class Robustness:
    """A view drawn anew for every gradient (Olah, Mordvintsev & Schubert 2017, "Transformation Robustness").

    Jitter, scaling and turning follow each other in lucid; here they are one affine map, so that the pixels are
    interpolated once. The image is continued by reflection where lucid pads it with grey.

    jitter: pixels up to which the view is moved, each way. scale: least and most magnification. rotate: degrees up to
    which it is turned, each way. noise: standard deviation of what is added to each pixel of the view, of [0, 1].
    view: edge in pixels, where the view is a square of another size than the image: less is a crop of it.
    torus: the image is continued by itself instead, so that what leaves it on one side comes in on the other.
    """

    jitter: float = 0.0
    scale: tuple[float, float] = (1.0, 1.0)
    rotate: float = 0.0
    noise: float = 0.0
    view: int | None = None
    torus: bool = False

    def draw(self, rng: np.random.Generator, size: tuple[int, int]) -> Warp:
        """A view of an image of ``size`` (height, width), of that size unless :attr:`view` says otherwise."""
        down, right = (int(rng.integers(-int(self.jitter), int(self.jitter) + 1)) for _ in range(2))
        scale = float(np.exp(rng.uniform(*np.log(self.scale))))
        degrees = float(rng.uniform(-self.rotate, self.rotate))
        view = size if self.view is None else (self.view, self.view)
        return warp(size, view, shift=(down, right), scale=scale, degrees=degrees, torus=self.torus)
