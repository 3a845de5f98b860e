"""Run by another Python, with another ONNX Runtime: artifacts on a device and on the CPU, side by side.

    python device_run.py DEVICE SIZE ARTIFACT...

Prints one JSON object per artifact: relative error of the loss and the gradient, of the images of five steps of
each optimiser, which nodes were left to the CPU, and whether tensors stay on the device. Of a projection it is the
largest activations, the share of them that are elsewhere, what they project to, and the features.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from pixelgrad.runtime import Artifact, Projector
from pixelgrad.runtime.memory import DeviceArray
from pixelgrad.runtime.optimizers import OPTIMIZERS, make_optimizer
from pixelgrad.runtime.placement import placement
from pixelgrad.runtime.tiles import Tiled
from pixelgrad.runtime.verify import pattern


def inputs(artifact: Artifact, size: int) -> tuple[Any, dict[str, Any]]:
    """Images to start from, a little wider than high, and all targets and masks that the artifact takes."""
    shape = (artifact.batch, 3, size, size + 4)
    targets = artifact.targets(pattern((1, *shape[1:]), 2))
    targets |= {name: pattern(given, 3) for name, given in artifact.given.items()}
    targets |= {mask: pattern((1, 1, 9, 7), 4) for mask in {term.mask for term in artifact.terms} if mask}
    return pattern(shape, 1), targets


def left(sessions: list[Any], provider: str) -> list[str]:
    """The nodes that the CPU runs instead."""
    where = [placement(session, provider) for session in sessions]
    return [f"{operator} {name}" for found in where if found for operator, name in found.left]


def projected(folder: str, device: str, size: int) -> dict[str, Any]:
    """A projection: largest activations for the loss, what they project to for the gradient, features for pictures."""
    found = []
    for name in (device, "cpu"):
        projector = Projector(folder, device=name)
        images = pattern((2, 3, size, size + 4), 1)
        maxima, positions = projector.strongest(images)
        features = projector.features(images, projector.watched)
        one = projector.project_one(images[:1], 3, int(positions[0, 3]), float(maxima[0, 3]))
        (whole,) = projector.features(images)
        found.append((projector, maxima, positions, features, one, projector.project(images, whole)))
    projector, *ours = found[0]
    exact = found[1][1:]
    sessions = [] if device == "cpu" else [projector.training, projector.evaluation]
    return {
        "artifact": Path(folder).name,
        "loss": relative(ours[0], exact[0]),
        "norm": float((ours[1] != exact[1]).mean()),
        "gradient": max(relative(a, b) for a, b in zip(ours[3:], exact[3:], strict=True)),
        "pictures": max(float(np.abs(a - b).max()) for a, b in zip(ours[2], exact[2], strict=True)),
        "nodes": left(sessions, projector.choice.device.provider),
        "resident": None,
    }


def relative(ours: Any, exact: Any) -> float:
    return float(np.linalg.norm(ours - exact) / np.linalg.norm(exact))


def optimised(folder: str, device: str, size: int) -> dict[str, Any]:
    found = {}
    for name in (device, "cpu"):
        artifact = Artifact(folder, device=name)
        artifact.open()
        start, targets = inputs(artifact, size)
        first = artifact.evaluate(start, targets)
        pictures, resident = [], True
        for kind in OPTIMIZERS:
            optimizer = make_optimizer(kind, start, artifact, 0.02)
            for _ in range(5):
                step = artifact.evaluate(optimizer.image, targets)
                optimizer.update(step.loss, step.gradient)
                pictures.append(optimizer.result)
            resident &= isinstance(optimizer.image, DeviceArray)
        found[name] = (artifact, first, [np.asarray(picture) for picture in pictures], resident)
    artifact, ours, pictures, resident = found[device]
    _, exact, expected, _ = found["cpu"]
    sessions = [] if device == "cpu" else [artifact.training, artifact.optimizer, *(artifact.lbfgs or ())]
    sessions += [artifact.evaluation] if sessions and (artifact.path / "eval_model.onnx").exists() else []
    gradient = np.asarray(ours.gradient)
    losses, gradients = [ours.loss], [gradient]
    if artifact.tiles is not None:
        start, targets = inputs(artifact, size)
        # One: how an image is cut is the host's, and every other size is compiled anew on a GPU.
        in_tiles = Tiled(artifact).evaluate(start, targets)
        losses, gradients = [*losses, in_tiles.loss], [*gradients, in_tiles.gradient]
        sessions += [] if device == "cpu" else [artifact.tile_sessions.sums, artifact.tile_sessions.training]
    return {
        "artifact": Path(folder).name,
        "loss": max(abs(loss / exact.loss - 1) for loss in losses),
        "norm": abs((ours.norm or 0) / max(np.linalg.norm(gradient), 1e-30) - 1),
        "gradient": max(relative(one, exact.gradient) for one in gradients),
        "pictures": max(float(np.abs(a - b).max()) for a, b in zip(pictures, expected, strict=True)),
        "nodes": left(sessions, artifact.choice.device.provider),
        "resident": resident,
    }


def main() -> None:
    device, size, *folders = sys.argv[1:]
    for folder in folders:
        manifest = json.loads((Path(folder) / "artifact.json").read_text(encoding="utf-8"))
        compare = projected if "projection" in manifest else optimised
        report = compare(folder, device, int(size))
        sys.stdout.write(
            json.dumps({key: float(v) if isinstance(v, np.floating) else v for key, v in report.items()}) + "\n"
        )


if __name__ == "__main__":
    main()
