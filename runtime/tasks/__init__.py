"""What can be done with an artifact; each task is a generator of events."""

from pixelgrad.runtime.tasks.compare import Compared, CompareEvent, CompareSettings, Subject, compare
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
    "CompareEvent",
    "CompareSettings",
    "Compared",
    "Seen",
    "StyleSettings",
    "Subject",
    "Unit",
    "VisualizeEvent",
    "VisualizeSettings",
    "compare",
    "contact_sheet",
    "style",
    "visualize",
]
