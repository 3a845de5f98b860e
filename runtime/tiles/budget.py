"""What a run may take of the memory: who gets how much of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from pixelgrad.errors import SettingsError
from pixelgrad.runtime.artifact import Artifact
from pixelgrad.runtime.canvas import Canvas
from pixelgrad.runtime.optimizers import PAIRS
from pixelgrad.runtime.tiles.grid import Layout
from pixelgrad.runtime.tiles.tiled import Tiled

__all__ = ["Budget", "allot", "check_memory"]

# Python, its packages, and what an exporter that ran before leaves behind.
_PROGRAM = 250 << 20
_PIXEL = 12  # bytes of one in float32
# Images of the result's size that live at once, beside L-BFGS's pairs: pictures, the gradient and its sum, steps, and
# the maps that the content is held to, which are as large as an image or three.
_IMAGES = 12
# The same of what grows from noise: waves, their moments and the views are as large.
_GROWN = 24
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


def allot(
    artifact: Artifact, width: int, height: int, optimizer: str, max_memory: int | None, *, border: int = 0
) -> Budget:
    """How to keep to ``max_memory`` bytes, by estimate, for a result of ``width`` x ``height``; ``None`` is no bound.

    border: by how many pixels the result is continued on each side to be looked at.

    The whole image at once where that fits, else tiles as large as fit. L-BFGS remembers fewer steps before tiles
    become small: those see more of each other, and take longer.

    Raises :class:`SettingsError` where it cannot be kept, as it cannot by an artifact without tiles.
    """
    if max_memory is None:
        return Budget()

    def seen(scale: float) -> int:
        edges = Canvas.of(artifact).size(round(width * scale), round(height * scale))
        return math.prod(edge + 2 * border for edge in edges)

    pixels = seen(1)
    used = _used(artifact)

    def around(pairs: int, pixels: int) -> int:
        """What there is beside the network's run."""
        return used + _PIXEL * (_IMAGES + (2 * pairs if optimizer == "lbfgs" else 0)) * pixels

    def whole(pixels: int) -> int:
        return around(PAIRS, pixels) + artifact.step_memory(pixels)

    if whole(pixels) <= max_memory:
        return Budget()
    if artifact.tiles is None:
        what = f", as these layers see whole images only; {_ALLOW}"
        raise _refusal(max_memory, width, height, lambda scale: whole(seen(scale)), what)
    rate = int(artifact.tiles["bytes_per_pixel"])
    layout = Layout.of(artifact.manifest)
    margins = layout.before + layout.after
    choices = [Budget((max_memory - around(pairs, pixels)) // rate, pairs) for pairs in _PAIRS]
    for budget in choices:
        if (budget.pixels or 0) >= (margins + _COMFORTABLE) ** 2:
            return budget
    lacking = (margins + layout.alignment) ** 2 - (choices[-1].pixels or 0)
    if lacking > 0:
        least = max_memory + lacking * rate
        raise SettingsError(f"{_kept(max_memory, width, height, least)}; {_ALLOW}, or use a smaller --size")
    return choices[-1]


def check_memory(
    artifact: Artifact,
    width: int,
    height: int,
    max_memory: int | None,
    seen: Callable[[int], int] = lambda pixels: pixels,
    *,
    grown: bool = False,
) -> None:
    """Raise :class:`SettingsError` where a result of ``width`` x ``height`` takes more than ``max_memory`` bytes, by
    estimate; ``None`` is no bound.

    seen: of so many pixels of the result, how many the network sees at once. grown: whether it grows from noise.
    """

    def whole(scale: float) -> int:
        pixels = round(width * scale) * round(height * scale)
        images = artifact.batch * (_GROWN if grown else _IMAGES)
        return _used(artifact) + _PIXEL * images * pixels + artifact.step_memory(seen(pixels))

    if max_memory is not None and whole(1) > max_memory:
        raise _refusal(max_memory, width, height, whole, "; free some")


_ALLOW = "free some, allow more (--max-memory, max_memory=)"


def _used(artifact: Artifact) -> int:
    """What there is whatever the size of the image."""
    return _PROGRAM + 2 * int(artifact.manifest["files"]["weights.bin"]["bytes"])


def _refusal(memory: int, width: int, height: int, whole: Callable[[float], int], what: str) -> SettingsError:
    """whole: of the result at a scale, how many bytes it takes."""
    edge = math.floor(max(width, height) * _largest(lambda scale: whole(scale) <= memory))
    return SettingsError(f"{_kept(memory, width, height, whole(1))}{what}, or use a smaller --size ({edge} fits)")


def _kept(memory: int, width: int, height: int, least: int) -> str:
    return (
        f"there are {_megabytes(memory)} of memory to keep to, and a result of {width}x{height} takes at least "
        f"{_megabytes(least)}"
    )


def _largest(fits: Callable[[float], bool]) -> float:
    """The largest number in [0, 1], about, of which ``fits`` holds as it does of all smaller ones."""
    low, high = 0.0, 1.0
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _megabytes(count: int) -> str:
    return f"{-(-count // 10**6)} MB"
