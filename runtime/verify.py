"""Holding a device to what an artifact must compute."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pixelgrad.errors import ArtifactError
from pixelgrad.runtime.artifact import Artifact
from pixelgrad.runtime.optimizers import Adam
from pixelgrad.runtime.projector import Projector
from pixelgrad.runtime.tiles import Tiled

__all__ = ["Check", "verify"]

# A step along the gradient changes the loss by about this share of it: enough to rise above float32's rounding,
# little enough for the loss to be straight.
_PROBE = 2e-3
_PROBE_TOLERANCE = 0.05


@dataclass(frozen=True)
class Check:
    """One thing that was checked. detail: what was found, and what was expected."""

    name: str
    passed: bool
    detail: str


def verify(artifact: Artifact) -> Iterator[Check]:
    """Check the files, then the loss, its terms and its gradient against the artifact's self-check, then the
    gradient against finite differences, then both in tiles where the artifact has them, then that a step of the
    optimiser lowers the loss; for a projection what :func:`verify_projection` checks.

    The self-check's values come from ONNX's reference implementation, so no device is compared with itself.
    """
    try:
        artifact.check_files()
    except ArtifactError as error:
        yield Check("files", False, str(error))
        return
    yield Check("files", True, f"{len(artifact.manifest['files'])} files as exported")
    if "projection" in artifact.manifest:
        yield from verify_projection(Projector(artifact.path, device=artifact.choice))
        return

    expected = artifact.manifest["self_check"]
    size = (expected["height"], expected["width"])
    image = pattern((artifact.batch, 3, *size), expected["image_seed"])
    targets = artifact.targets(pattern(image.shape, expected["target_seed"]))
    targets |= {name: pattern(shape, expected["target_seed"]) for name, shape in artifact.given.items()}
    found = artifact.evaluate(image, targets)
    tolerance = expected["tolerance"]
    norm = float(np.linalg.norm(found.gradient.astype(np.float64)))
    yield _close("loss", found.loss, expected["loss"], tolerance["loss"])
    for name, value in expected["losses"].items():
        yield _close(f"loss.{name}", found.losses[name], value, tolerance["loss"])
    yield _close("gradient norm", norm, expected["gradient_norm"], tolerance["gradient_norm"])

    # Along the gradient itself the slope is its norm, and stands out most.
    step = _PROBE * max(abs(found.loss), 1e-30) / max(norm, 1e-30)
    direction = (found.gradient / max(norm, 1e-30)).astype(np.float32)
    above, below = (artifact.evaluate(image + np.float32(s) * direction, targets).loss for s in (step, -step))
    yield _close("finite difference", (above - below) / (2 * step), norm, _PROBE_TOLERANCE)

    if artifact.tiles is not None:
        tiled = Tiled(artifact, size[0] * size[1] // 2)
        in_tiles = tiled.evaluate(image, tiled.targets(pattern(image.shape, expected["target_seed"])))
        yield _close("loss in tiles", in_tiles.loss, expected["loss"], tolerance["loss"])
        found_norm = float(np.linalg.norm(in_tiles.gradient.astype(np.float64)))
        yield _close("gradient norm in tiles", found_norm, expected["gradient_norm"], tolerance["gradient_norm"])

    optimizer = Adam(image, artifact.optimizer, learning_rate=1e-3)
    optimizer.update(found.loss, found.gradient)
    after = artifact.evaluate(optimizer.image, targets).loss
    yield Check("optimizer", after < found.loss, f"a small step takes the loss from {found.loss:.6g} to {after:.6g}")


def verify_projection(projector: Projector) -> Iterator[Check]:
    """Check the maxima and the projection against the artifact's self-check, that each maximum is where it is said to
    be, and that twice the activation projects to twice the pixels; a projection by ``gradient`` also against finite
    differences.
    """
    expected = projector.manifest["self_check"]
    image = pattern((1, 3, expected["height"], expected["width"]), expected["image_seed"])
    values, positions = projector.strongest(image)
    (features,) = projector.features(image)
    cotangent = pattern(features.shape, expected["cotangent_seed"])
    projection = projector.project(image, cotangent).astype(np.float64)
    norm, tolerance = float(np.linalg.norm(projection)), expected["tolerance"]
    maxima_norm = float(np.linalg.norm(values.astype(np.float64)))
    yield _close("maxima norm", maxima_norm, expected["maxima_norm"], tolerance["maxima_norm"])
    flat = features.reshape(*values.shape, -1)
    inside = np.clip(positions, 0, flat.shape[2] - 1)
    there = np.take_along_axis(flat, inside[..., None], 2)[..., 0]
    right = bool((there == values).all() and (inside == positions).all())
    yield Check("positions", right, f"{values.size} maxima where they are said to be")
    yield _close("projection norm", norm, expected["projection_norm"], tolerance["projection_norm"])
    double = float(np.linalg.norm(projector.project(image, 2 * cotangent).astype(np.float64)))
    yield _close("twice the activation", double, 2 * norm, 1e-4)
    if projector.rule != "gradient":
        return

    def value(step: float) -> float:
        (found,) = projector.features(image + np.float32(step) * direction)
        return float((found.astype(np.float64) * cotangent).sum())

    direction = (projection / max(norm, 1e-30)).astype(np.float32)
    step = _PROBE * max(abs(float((features.astype(np.float64) * cotangent).sum())), 1e-30) / max(norm, 1e-30)
    yield _close("finite difference", (value(step) - value(-step)) / (2 * step), norm, _PROBE_TOLERANCE)


def _close(name: str, found: float, expected: float, tolerance: float) -> Check:
    error = abs(found - expected) / max(abs(expected), 1e-12)
    passed = bool(np.isfinite(found)) and error <= tolerance
    return Check(
        name,
        passed,
        f"{found:.6g}, expected {expected:.6g} (relative error {error:.1e}, allowed {tolerance:g})",
    )


def pattern(shape: Sequence[int], seed: int) -> np.ndarray[Any, Any]:
    """The numbers that ``artifact.json`` calls by their seed: float32 of a shape, in [0, 1).

    Element i, in row-major order, is half noise and half a ramp. The noise is a 32-bit integer hash over 2^32:
    h = (i + 7919 seed) * 2654435761; h ^= h >> 15; h = h * 2246822519; h ^= h >> 13, all modulo 2^32. The ramp is
    (i * seed mod 251) / 251. The exporter draws the same from the same words; neither knows the other.
    """
    i = np.arange(math.prod(shape), dtype=np.uint64)
    h = (i + 7919 * seed) * 2654435761 & 0xFFFFFFFF
    h ^= h >> 15
    h = h * 2246822519 & 0xFFFFFFFF
    h ^= h >> 13
    values = (h / 2**32 + (i * seed % 251) / 251) / 2
    return values.astype(np.float32).reshape(shape)
