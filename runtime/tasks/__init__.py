"""What can be done with an artifact; each task is a generator of events."""

from pixelgrad.runtime.tasks.dream import DreamSettings, dream
from pixelgrad.runtime.tasks.style import INITS, StyleSettings, style
from pixelgrad.runtime.tasks.zoom import ZoomSettings, zoom, zoom_recipe

__all__ = ["INITS", "DreamSettings", "StyleSettings", "ZoomSettings", "dream", "style", "zoom", "zoom_recipe"]
