"""Run by another Python, with another ONNX Runtime: artifacts on a device and on the CPU, side by side.

    python device_run.py DEVICE SIZE ARTIFACT...

Prints one JSON object per artifact: relative error of the loss and the gradient, of the image after five steps of
Adam, what was left to the CPU, and whether tensors stay on the device.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from pixelgrad.runtime import Adam, Artifact
from pixelgrad.runtime.memory import DeviceArray
from pixelgrad.runtime.placement import placement
from pixelgrad.runtime.verify import pattern


def main() -> None:
    device, size, *folders = sys.argv[1:]
    shape = (1, 3, int(size), int(size) + 4)
    for folder in folders:
        found = {}
        for name in (device, "cpu"):
            artifact = Artifact(folder, device=name)
            artifact.open()
            targets = artifact.targets(pattern(shape, 2))
            targets |= {key: pattern(given, 3) for key, given in artifact.given.items()}
            first = artifact.evaluate(pattern(shape, 1), targets)
            optimizer = Adam(pattern(shape, 1), artifact.optimizer)
            pictures = []
            for _ in range(5):
                step = artifact.evaluate(optimizer.image, targets)
                optimizer.update(step.loss, step.gradient)
                pictures.append(optimizer.result)
            found[name] = (artifact, first, [np.asarray(picture) for picture in pictures], optimizer)
        artifact, ours, pictures, optimizer = found[device]
        _, exact, expected, _ = found["cpu"]
        where = None if device == "cpu" else placement(artifact.training, artifact.choice.device.provider)
        gradient = np.asarray(ours.gradient)
        report = {
            "artifact": Path(folder).name,
            "loss": abs(ours.loss / exact.loss - 1),
            "norm": abs((ours.norm or 0) / np.linalg.norm(gradient) - 1),
            "gradient": float(np.linalg.norm(gradient - exact.gradient) / np.linalg.norm(exact.gradient)),
            "pictures": max(float(np.abs(a - b).max()) for a, b in zip(pictures, expected, strict=True)),
            "left": dict(Counter(operator for operator, _ in where.left)) if where else None,
            "resident": isinstance(optimizer.image, DeviceArray),
        }
        sys.stdout.write(
            json.dumps({key: float(v) if isinstance(v, np.floating) else v for key, v in report.items()}) + "\n"
        )


if __name__ == "__main__":
    main()
