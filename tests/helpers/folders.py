"""Folders of images, drawn on the spot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def draw(path: Path, seed: int, size: tuple[int, int] = (48, 40)) -> Path:
    """A few coloured blocks; the same for the same seed."""
    rng = np.random.default_rng(seed)
    blocks = Image.fromarray(rng.integers(0, 255, (5, 6, 3), dtype=np.uint8))
    path.parent.mkdir(parents=True, exist_ok=True)
    blocks.resize(size, Image.Resampling.NEAREST).save(path)
    return path


def image_folder(folder: Path, count: int, size: tuple[int, int] = (48, 40)) -> Path:
    """``count`` PNG files, some of them in a folder below."""
    for number in range(count):
        draw(folder / ("more" if number % 3 == 2 else ".") / f"image{number:03}.png", number, size)
    return folder
