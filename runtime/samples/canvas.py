"""Antialiased shapes in linear light: drawn large with Pillow, then averaged down."""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from pixelgrad.runtime.samples.noise import Array

_OVER = 3  # Subpixels per pixel and axis.
_WHITE = 4.0  # The brightest radiance that a layer holds; stored as a square root, so that 8 bits do.

Values = npt.ArrayLike


class Layer:
    """A transparent sheet to draw opaque shapes on, many at a time, each over the ones before.

    Coordinates are pixels; colours are radiances, one [3] for all shapes or one for each, [N, 3].
    """

    def __init__(self, width: int, height: int) -> None:
        self._image = Image.new("RGBA", (width * _OVER, height * _OVER))
        self._draw = ImageDraw.Draw(self._image)

    @staticmethod
    def _inks(colours: Values, count: int) -> list[tuple[int, ...]]:
        coded = 255.0 * np.sqrt(np.clip(np.asarray(colours, np.float64) / _WHITE, 0.0, 1.0)) + 0.5
        coded = np.broadcast_to(coded, (count, 3)).astype(np.int64)
        return [(red, green, blue, 255) for red, green, blue in coded.tolist()]

    def polygons(self, points: Values, colours: Values) -> None:
        """Filled polygons of K corners each, ``points`` [N, K, 2]."""
        rings = np.asarray(points, np.float64) * _OVER
        for ring, ink in zip(rings.tolist(), self._inks(colours, len(rings)), strict=True):
            self._draw.polygon([(x, y) for x, y in ring], fill=ink)

    def lines(self, points: Values, colours: Values, width: float) -> None:
        """Lines through K points each, ``points`` [N, K, 2], at least one subpixel wide."""
        paths = np.asarray(points, np.float64) * _OVER
        thick = max(1, round(width * _OVER))
        for path, ink in zip(paths.tolist(), self._inks(colours, len(paths)), strict=True):
            self._draw.line([(x, y) for x, y in path], fill=ink, width=thick)

    def blobs(self, middles: Values, radii: Values, colours: Values) -> None:
        """Filled ellipses, ``middles`` and ``radii`` [N, 2]."""
        middle = np.asarray(middles, np.float64) * _OVER
        radius = np.broadcast_to(np.asarray(radii, np.float64), middle.shape) * _OVER
        boxes = np.concatenate([middle - radius, middle + radius], axis=1)
        for box, ink in zip(boxes.tolist(), self._inks(colours, len(boxes)), strict=True):
            self._draw.ellipse(box, fill=ink)

    def resolve(self) -> tuple[Array, Array]:
        """Radiance [H, W, 3], multiplied by coverage, and coverage [H, W]."""
        pixels = np.asarray(self._image.reduce(_OVER), np.float32) / np.float32(255.0)
        cover = pixels[..., 3]
        return pixels[..., :3] ** 2 * (np.float32(_WHITE) * cover[..., None]), cover


def over(layer: tuple[Array, Array], below: Array) -> Array:
    """Lay a premultiplied layer over a picture."""
    colour, cover = layer
    return np.asarray(colour + below * (1.0 - cover[..., None]), np.float32)


def blur(picture: Array, radius: float) -> Array:
    """A soft copy of a picture [H, W, C]: shrunk to one pixel per ``radius`` pixels and enlarged again."""
    height, width = picture.shape[:2]
    small = (max(2, round(width / radius)), max(2, round(height / radius)))
    planes = [Image.fromarray(np.ascontiguousarray(picture[..., c])) for c in range(picture.shape[2])]
    soft = [
        plane.resize(small, Image.Resampling.BILINEAR).resize((width, height), Image.Resampling.BICUBIC)
        for plane in planes
    ]
    return np.stack([np.asarray(plane, np.float32) for plane in soft], axis=-1)
