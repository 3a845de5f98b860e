"""What can be done with an artifact; each task is a generator of events."""

from pixelgrad.runtime.tasks.compare import Compared, CompareEvent, CompareSettings, Subject, compare
from pixelgrad.runtime.tasks.deconv import DeconvSettings, ProjectEvent, deconv
from pixelgrad.runtime.tasks.deconv_result import ChannelHits, DeconvResult, Hit
from pixelgrad.runtime.tasks.evolve import EvolveEvent, EvolveSettings, Snapshot, evolve
from pixelgrad.runtime.tasks.evolve_result import EvolveResult
from pixelgrad.runtime.tasks.mistakes import MistakesEvent, MistakesSettings, mistakes
from pixelgrad.runtime.tasks.mistakes_result import MistakesResult, WrongImage
from pixelgrad.runtime.tasks.style import INITS, StyleSettings, style
from pixelgrad.runtime.tasks.visualize import (
    Seen,
    Unit,
    VisualizeEvent,
    VisualizeSettings,
    contact_sheet,
    visualize,
)

__all__ = [
    "INITS",
    "ChannelHits",
    "CompareEvent",
    "CompareSettings",
    "Compared",
    "DeconvResult",
    "DeconvSettings",
    "EvolveEvent",
    "EvolveResult",
    "EvolveSettings",
    "Hit",
    "MistakesEvent",
    "MistakesResult",
    "MistakesSettings",
    "ProjectEvent",
    "Seen",
    "Snapshot",
    "StyleSettings",
    "Subject",
    "Unit",
    "VisualizeEvent",
    "VisualizeSettings",
    "WrongImage",
    "compare",
    "contact_sheet",
    "deconv",
    "evolve",
    "mistakes",
    "style",
    "visualize",
]
