"""Tasks from start to finish: export what is needed, run it, return the picture. One file per task."""

from pixelgrad.tasks.common import find_network
from pixelgrad.tasks.compare import Comparison, compare, comparison_pictures, comparison_subject
from pixelgrad.tasks.deconv import deconv, projection_artifact, scan_index
from pixelgrad.tasks.evolve import evolve
from pixelgrad.tasks.mistakes import mistakes
from pixelgrad.tasks.style import style_artifact, stylize
from pixelgrad.tasks.visualize import (
    Visualization,
    unit_kind,
    visualization_units,
    visualize,
    visualize_artifact,
)

__all__ = [
    "Comparison",
    "Visualization",
    "compare",
    "comparison_pictures",
    "comparison_subject",
    "deconv",
    "evolve",
    "find_network",
    "mistakes",
    "projection_artifact",
    "scan_index",
    "style_artifact",
    "stylize",
    "unit_kind",
    "visualization_units",
    "visualize",
    "visualize_artifact",
]
