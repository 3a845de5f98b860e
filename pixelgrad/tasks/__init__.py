"""Tasks from start to finish: export what is needed, run it, return the picture. One file per task."""

from pixelgrad.tasks.common import find_network
from pixelgrad.tasks.compare import Comparison, compare, comparison_pictures, comparison_subject
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
    "find_network",
    "style_artifact",
    "stylize",
    "unit_kind",
    "visualization_units",
    "visualize",
    "visualize_artifact",
]
