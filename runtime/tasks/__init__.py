"""What can be done with an artifact; each task is a generator of events."""

from pixelgrad.runtime.tasks.compare import Compared, CompareEvent, CompareSettings, Subject, compare
from pixelgrad.runtime.tasks.deconv import DeconvSettings, ProjectEvent, deconv
from pixelgrad.runtime.tasks.deconv_result import ChannelHits, DeconvResult, Hit
from pixelgrad.runtime.tasks.dream import DreamSettings, dream
from pixelgrad.runtime.tasks.evolve import EvolveEvent, EvolveSettings, Snapshot, evolve
from pixelgrad.runtime.tasks.evolve_result import EvolveResult
from pixelgrad.runtime.tasks.grid import GridSettings, activation_grid
from pixelgrad.runtime.tasks.inversion import InversionSettings, invert, invert_depth
from pixelgrad.runtime.tasks.mistakes import MistakesEvent, MistakesSettings, mistakes
from pixelgrad.runtime.tasks.mistakes_result import MistakesResult, WrongImage
from pixelgrad.runtime.tasks.style import INITS, StyleSettings, style
from pixelgrad.runtime.tasks.texture import TextureSettings, texture, texture_row
from pixelgrad.runtime.tasks.visualize import Seen, Unit, VisualizeEvent, VisualizeSettings, contact_sheet, visualize
from pixelgrad.runtime.tasks.zoom import ZoomSettings, zoom, zoom_recipe

__all__ = [
    "INITS",
    "ChannelHits",
    "CompareEvent",
    "CompareSettings",
    "Compared",
    "DeconvResult",
    "DeconvSettings",
    "DreamSettings",
    "EvolveEvent",
    "EvolveResult",
    "EvolveSettings",
    "GridSettings",
    "Hit",
    "InversionSettings",
    "MistakesEvent",
    "MistakesResult",
    "MistakesSettings",
    "ProjectEvent",
    "Seen",
    "Snapshot",
    "StyleSettings",
    "Subject",
    "TextureSettings",
    "Unit",
    "VisualizeEvent",
    "VisualizeSettings",
    "WrongImage",
    "ZoomSettings",
    "activation_grid",
    "compare",
    "contact_sheet",
    "deconv",
    "dream",
    "evolve",
    "invert",
    "invert_depth",
    "mistakes",
    "style",
    "texture",
    "texture_row",
    "visualize",
    "zoom",
    "zoom_recipe",
]
