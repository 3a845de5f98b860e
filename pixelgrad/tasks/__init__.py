"""Tasks from start to finish: export what is needed, run it, return the picture. One file per task."""

from pixelgrad.tasks.compare import Comparison, compare, comparison_pictures, comparison_subject
from pixelgrad.tasks.deconv import deconv, projection_artifact, scan_index
from pixelgrad.tasks.dream import dream, dream_artifact, dream_subject
from pixelgrad.tasks.evolve import evolve
from pixelgrad.tasks.grid import activation_grid, grid_artifacts
from pixelgrad.tasks.inversion import inversion_artifact, inversion_artifacts, invert, invert_depth
from pixelgrad.tasks.memory import free_memory, memory_limit
from pixelgrad.tasks.mistakes import mistakes
from pixelgrad.tasks.style import style_artifact, stylize
from pixelgrad.tasks.texture import texture, texture_artifact, texture_artifacts, texture_row
from pixelgrad.tasks.visualize import Visualization, unit_kind, visualization_units, visualize, visualize_artifact
from pixelgrad.tasks.zoom import ZoomRun, check_zoom_output, zoom

__all__ = [
    "Comparison",
    "Visualization",
    "ZoomRun",
    "activation_grid",
    "check_zoom_output",
    "compare",
    "comparison_pictures",
    "comparison_subject",
    "deconv",
    "dream",
    "dream_artifact",
    "dream_subject",
    "evolve",
    "free_memory",
    "grid_artifacts",
    "inversion_artifact",
    "inversion_artifacts",
    "invert",
    "invert_depth",
    "memory_limit",
    "mistakes",
    "projection_artifact",
    "scan_index",
    "style_artifact",
    "stylize",
    "texture",
    "texture_artifact",
    "texture_artifacts",
    "texture_row",
    "unit_kind",
    "visualization_units",
    "visualize",
    "visualize_artifact",
    "zoom",
]
