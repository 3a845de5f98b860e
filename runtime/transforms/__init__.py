"""Looking at an image from a little elsewhere, each time anew, with the exact adjoint of what was done."""

from pixelgrad.runtime.transforms.robustness import Robustness
from pixelgrad.runtime.transforms.warp import Warp, warp

__all__ = ["Robustness", "Warp", "warp"]
