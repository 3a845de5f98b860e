"""What a pool of processes is given to do: another process finds it by its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import pixelgrad
from pixelgrad.runtime import Artifact


def styled(how: dict[str, Any], photo: Path, seed: int) -> pixelgrad.Picture:
    """A style transfer from noise."""
    return pixelgrad.stylize(photo, photo, seed=seed, init="noise", **how)


def losses(artifact: Artifact, seed: int) -> tuple[float, float]:
    """The loss and the sum of the gradient at an image of noise."""
    image = np.random.default_rng(seed).random((1, 3, 32, 32), np.float32)
    found = artifact.evaluate(image, artifact.targets(image[:, :, ::-1].copy()))
    return found.loss, float(found.gradient.sum())
