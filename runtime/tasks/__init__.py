"""What can be done with an artifact; each task is a generator of events."""

from pixelgrad.runtime.tasks.style import INITS, StyleSettings, style

__all__ = ["INITS", "StyleSettings", "style"]
