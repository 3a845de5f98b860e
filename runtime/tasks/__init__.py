"""What can be done with an artifact; each task is a generator of events."""

from pixelgrad.runtime.tasks.inversion import InversionSettings, invert, invert_depth
from pixelgrad.runtime.tasks.style import INITS, StyleSettings, style
from pixelgrad.runtime.tasks.texture import TextureSettings, texture, texture_row

__all__ = [
    "INITS",
    "InversionSettings",
    "StyleSettings",
    "TextureSettings",
    "invert",
    "invert_depth",
    "style",
    "texture",
    "texture_row",
]
