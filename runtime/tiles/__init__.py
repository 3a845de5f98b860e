"""Evaluating an image a tile at a time, in as much memory as there is, to the same loss and gradient."""

from pixelgrad.runtime.tiles.budget import Budget, allot, check_memory
from pixelgrad.runtime.tiles.tiled import Tiled

__all__ = ["Budget", "Tiled", "allot", "check_memory"]
