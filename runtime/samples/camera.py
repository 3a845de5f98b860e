"""The one camera of the landscape: where a point of the world falls in the picture, at any picture size.

World: x to the right, y up from the lake, z away from the viewer. Picture: design units, u to the right and v
up from the middle of the horizon; a frame is 1.5 x 1 of them, scaled to cover the picture asked for.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pixelgrad.runtime.samples.noise import Array

FOCAL = 1.5
HORIZON = 0.575  # From the top, as a part of the frame's height.


@dataclass(frozen=True)
class Camera:
    """A level camera above the lake at x = z = 0; ``eye`` < 0 puts it below, where it sees what the lake
    mirrors.
    """

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

    def place(self, u: npt.ArrayLike, v: npt.ArrayLike) -> Array:
        """Columns and rows [..., 2] of places in design units."""
        column = self.width / 2 + np.asarray(u, np.float32) * np.float32(self.scale)
        row = self.horizon - np.asarray(v, np.float32) * np.float32(self.scale)
        return np.stack(np.broadcast_arrays(column, row), axis=-1).astype(np.float32)

    def project(self, points: npt.ArrayLike) -> Array:
        """Columns and rows [..., 2] of points of the world [..., 3]."""
        at = np.asarray(points, np.float32)
        return self.place(FOCAL * at[..., 0] / at[..., 2], FOCAL * (at[..., 1] - self.eye) / at[..., 2])
