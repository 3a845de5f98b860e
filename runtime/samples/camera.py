"""The one camera of the landscape: where a point of the world falls in the picture, at any picture size.

World: x to the right, y up from the lake, z away from the viewer. Picture: design units, u to the right and v up from
the middle of the horizon; a frame is 1.5 x 1 of them, scaled to cover the picture asked for.
"""

from dataclasses import dataclass, replace

import numpy as np

from .noise import Array

FOCAL = 1.5
HORIZON = 0.575  # From the top, as a part of the frame's height.


@dataclass(frozen=True)
class Camera:
    """A level camera above the lake at x = z = 0; ``eye`` < 0 puts it below, where it sees what the lake mirrors."""

    width: int
    height: int
    eye: float = 0.36

    @property
    def scale(self) -> float:
        """Pixels per design unit."""
        return max(self.width / 1.5, float(self.height))

    @property
    def horizon(self) -> float:
        """Row of the horizon."""
        return self.height / 2 + (HORIZON - 0.5) * self.scale

    @property
    def detail(self) -> float:
        """Octaves of noise beyond those that a picture 512 high resolves."""
        return float(np.log2(self.scale / 512.0))

    def mirrored(self) -> "Camera":
        """The camera on the other side of the water."""
        return replace(self, eye=-self.eye)

    def octaves(self, at_512: int) -> int:
        """How many octaves to sum, where a picture 512 high asks for ``at_512``."""
        return max(1, at_512 + round(self.detail))

    def frame(self) -> tuple[Array, Array]:
        """u and v at the middle of every pixel, each [H, W]."""
        u = (np.arange(self.width) + 0.5 - self.width / 2) / self.scale
        v = (self.horizon - np.arange(self.height) - 0.5) / self.scale
        grid = np.meshgrid(u.astype(np.float32), v.astype(np.float32))
        return grid[0], grid[1]

    def project(self, x: float, y: float, z: float) -> tuple[float, float]:
        """Column and row of a point of the world."""
        u = FOCAL * x / z
        v = FOCAL * (y - self.eye) / z
        return self.width / 2 + u * self.scale, self.horizon - v * self.scale
