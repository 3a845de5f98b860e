"""Sample pictures drawn by code: a scene to stylise and two styles, so that a first try needs no files.

Every function takes a width and a height in pixels and a seed, and returns float32 [height, width, 3], RGB in
[0, 1].
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from .landscape import landscape
from .mosaic import mosaic
from .strokes import strokes

SAMPLES: dict[str, Callable[..., npt.NDArray[np.float32]]] = {
    "landscape": landscape,
    "strokes": strokes,
    "mosaic": mosaic,
}

__all__ = ["SAMPLES", "landscape", "mosaic", "strokes"]
