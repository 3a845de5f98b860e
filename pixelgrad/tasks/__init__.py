"""Tasks from start to finish: export what is needed, run it, return the picture. One file per task."""

from pixelgrad.tasks.common import find_network
from pixelgrad.tasks.style import style_artifact, stylize

__all__ = ["find_network", "style_artifact", "stylize"]
