"""What can be done with an artifact; each task is a generator of events."""

from pixelgrad.runtime.tasks.compare import Compared, CompareEvent, CompareSettings, Subject, compare
from pixelgrad.runtime.tasks.dream import DreamSettings, dream
from pixelgrad.runtime.tasks.inversion import InversionSettings, invert, invert_depth
from pixelgrad.runtime.tasks.style import INITS, StyleSettings, style
from pixelgrad.runtime.tasks.texture import TextureSettings, texture, texture_row
from pixelgrad.runtime.tasks.visualize import Seen, Unit, VisualizeEvent, VisualizeSettings, contact_sheet, visualize
from pixelgrad.runtime.tasks.zoom import ZoomSettings, zoom, zoom_recipe

__all__ = [
    "INITS",
    "CompareEvent",
    "CompareSettings",
    "Compared",
    "DreamSettings",
    "InversionSettings",
    "Seen",
    "StyleSettings",
    "Subject",
    "TextureSettings",
    "Unit",
    "VisualizeEvent",
    "VisualizeSettings",
    "ZoomSettings",
    "compare",
    "contact_sheet",
    "dream",
    "invert",
    "invert_depth",
    "style",
    "texture",
    "texture_row",
    "visualize",
    "zoom",
    "zoom_recipe",
]
