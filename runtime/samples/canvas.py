"""Antialiased shapes in linear light: drawn large with Pillow, then averaged down."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from .noise import Array

_OVER = 3  # Subpixels per pixel and axis.
_WHITE = 4.0  # The brightest radiance that a layer holds; stored as a square root, so that 8 bits do.

Point = tuple[float, float]
Colour = Sequence[float] | Array


class Layer:
    """A transparent sheet of width x height pixels to draw opaque shapes on, in pixel coordinates."""

    def __init__(self, width: int, height: int) -> None:
        self._image = Image.new("RGBA", (width * _OVER, height * _OVER))
        self._draw = ImageDraw.Draw(self._image)

    @staticmethod
    def _ink(colour: Colour) -> tuple[int, int, int, int]:
        red, green, blue = (int(255.0 * min(max(c / _WHITE, 0.0), 1.0) ** 0.5 + 0.5) for c in colour)
        return red, green, blue, 255

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        """A filled polygon."""
        self._draw.polygon([(x * _OVER, y * _OVER) for x, y in points], fill=self._ink(colour))

    def line(self, points: Sequence[Point], colour: Colour, width: float) -> None:
        """A line through ``points``; at least one subpixel wide."""
        thick = max(1, round(width * _OVER))
        self._draw.line([(x * _OVER, y * _OVER) for x, y in points], fill=self._ink(colour), width=thick)

    def blob(self, x: float, y: float, radius_x: float, radius_y: float, colour: Colour) -> None:
        """A filled ellipse."""
        box = [(x - radius_x) * _OVER, (y - radius_y) * _OVER, (x + radius_x) * _OVER, (y + radius_y) * _OVER]
        self._draw.ellipse(box, fill=self._ink(colour))

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
