"""What a run may take of the memory: who gets how much of it."""

from __future__ import annotations

from dataclasses import dataclass

from pixelgrad.errors import SettingsError
from pixelgrad.runtime.artifact import Artifact, without_tiles
from pixelgrad.runtime.optimizers import PAIRS
from pixelgrad.runtime.tiles.grid import Layout
from pixelgrad.runtime.tiles.tiled import Tiled

__all__ = ["Budget", "allot"]

# Python, its packages, and what an exporter that ran before leaves behind.
_PROGRAM = 250 << 20
_PIXEL = 12  # bytes of one in float32
# Images of the result's size that live at once, beside L-BFGS's pairs: pictures, the gradient and its sum, steps, and
# the maps that the content is held to, which are as large as an image or three.
_IMAGES = 12
# A tile has at least this edge of its own before L-BFGS has to remember less for it.
_COMFORTABLE = 512
_PAIRS = (PAIRS, 5, 3)


@dataclass(frozen=True)
class Budget:
    """pixels: how many a tile may see, ``None`` where the whole image is seen at once.
    pairs: how many steps L-BFGS remembers, in the memory of the host; ``None`` for what it does by itself.
    """

    pixels: int | None = None
    pairs: int | None = None

    @property
    def tiled(self) -> bool:
        return self.pixels is not None

    def view(self, artifact: Artifact) -> Artifact | Tiled:
        """The artifact, looking at images as the budget allows."""
        return artifact if self.pixels is None else Tiled(artifact, self.pixels)


def allot(artifact: Artifact, width: int, height: int, optimizer: str, max_memory: int | None) -> Budget:
    """How to keep to ``max_memory`` bytes, by estimate, for a result of ``width`` x ``height``; ``None`` is no bound.

    The whole image at once where that fits, else tiles as large as fit. L-BFGS remembers fewer steps before tiles
    become small: those see more of each other, and take longer.

    Raises :class:`SettingsError` where it cannot be kept, and :class:`ArtifactError` where that would take tiles and
    the artifact was exported without.
    """
    if max_memory is None:
        return Budget()
    if artifact.tiles is None:
        raise without_tiles(artifact.path)
    rates = artifact.tiles["bytes_per_pixel"]
    rest = max_memory - _PROGRAM - 2 * int(artifact.manifest["files"]["weights.bin"]["bytes"])

    def left(pairs: int) -> int:
        vectors = _IMAGES + (2 * pairs if optimizer == "lbfgs" else 0)
        return rest - _PIXEL * vectors * width * height

    if left(PAIRS) >= int(rates["whole"]) * width * height:
        return Budget()
    layout = Layout.of(artifact.manifest)
    margins = layout.before + layout.after
    choices = [Budget(left(pairs) // int(rates["tile"]), pairs) for pairs in _PAIRS]
    for budget in choices:
        if (budget.pixels or 0) >= (margins + _COMFORTABLE) ** 2:
            return budget
    lacking = (margins + layout.alignment) ** 2 - (choices[-1].pixels or 0)
    if lacking > 0:
        least = max_memory + lacking * int(rates["tile"])
        raise SettingsError(
            f"there are {_megabytes(max_memory)} of memory to keep to, and a result of {width}x{height} takes at least "
            f"{_megabytes(least)}; free some, allow more (--max-memory, max_memory=), or use a smaller --size"
        )
    return choices[-1]


def _megabytes(count: int) -> str:
    return f"{-(-count // 10**6)} MB"
