"""Sample pictures drawn by code: a scene to stylise and two styles, so that a first try needs no files.

Every function takes a width and a height in pixels and a seed, and returns float32 [height, width, 3], RGB in
[0, 1]: the same picture for the same seed, on every run and at every size. It raises SettingsError for what is no
integer, below 16 pixels a side, and for a negative seed.
"""

from collections.abc import Callable

from pixelgrad.runtime.samples.landscape import landscape
from pixelgrad.runtime.samples.mosaic import mosaic
from pixelgrad.runtime.samples.noise import Picture
from pixelgrad.runtime.samples.strokes import strokes

SAMPLES: dict[str, Callable[..., Picture]] = {
    "landscape": landscape,
    "strokes": strokes,
    "mosaic": mosaic,
}

__all__ = ["SAMPLES", "landscape", "mosaic", "strokes"]
