"""One gradient step on one device, in a process of its own: ``python -m pixelgrad.runtime.probing DEVICE ARTIFACT``.

A driver may take the whole process down or hang; so the doctor asks from outside, and this prints one line of JSON.
"""

from __future__ import annotations

import json
import logging
import statistics
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from pixelgrad.errors import PixelgradError
from pixelgrad.runtime.artifact import Artifact
from pixelgrad.runtime.choosing import choose_device
from pixelgrad.runtime.placement import placement
from pixelgrad.runtime.verify import pattern, verify

# Relative error of the gradient against the CPU's. TF32 and half precision stay below; a wrong kernel does not.
WRONG = 0.02
# Edge of the square image that is timed: enough work for a GPU to show its worth.
_TIMED = 256
_STEPS = 5
# A device that takes this many seconds for a step of 64 x 64 pixels is not timed on a larger one.
_HOPELESS = 0.5


def probe(name: str, folder: Path) -> dict[str, Any]:
    """What a step of the artifact in ``folder`` gives on the device ``name``.

    error: of the gradient against the CPU's, relative, in the L2 norm; 1 for a CPU that fails the artifact's own
    self-check. milliseconds, cpu_milliseconds: a step of ``size`` x ``size`` pixels, the median of several.
    left: operators that the CPU runs instead, with how many of each; ``None`` where ONNX Runtime does not say.
    """
    artifact = Artifact(folder, device=choose_device(name, strict=False))
    reference = Artifact(folder, device="cpu")
    size = 64
    found, expected = _gradient(artifact, size), _gradient(reference, size)
    error = _distance(found, expected)
    if name == "cpu" and not all(check.passed for check in verify(reference)):
        error = 1.0
    seconds = _time(artifact, size, 2)
    if seconds < _HOPELESS:
        size = _TIMED
        error = max(error, _distance(_gradient(artifact, size), _gradient(reference, size)))
        seconds = _time(artifact, size, _STEPS)
    where = placement(artifact.training, artifact.choice.device.provider) if name != "cpu" else None
    return {
        "provider": artifact.choice.device.provider,
        "error": error,
        "size": size,
        "milliseconds": 1000 * seconds,
        "cpu_milliseconds": 1000 * (seconds if name == "cpu" else _time(reference, size, _STEPS)),
        "left": {} if name == "cpu" else where and dict(Counter(operator for operator, _ in where.left)),
    }


def _targets(artifact: Artifact, size: int) -> dict[str, Any]:
    return artifact.targets(pattern((1, 3, size, size), 2))


def _gradient(artifact: Artifact, size: int) -> Any:
    return artifact.evaluate(pattern((1, 3, size, size), 1), _targets(artifact, size)).gradient


def _distance(found: Any, expected: Any) -> float:
    difference = found.astype(np.float64) - expected
    distance = float(np.linalg.norm(difference) / np.linalg.norm(expected.astype(np.float64)))
    return distance if np.isfinite(distance) else 1.0


def _time(artifact: Artifact, size: int, steps: int) -> float:
    """Seconds of a step, the median; the first ones, which prepare kernels, do not count."""
    image, targets = pattern((1, 3, size, size), 1), _targets(artifact, size)
    artifact.evaluate(image, targets)
    times = []
    for _ in range(steps):
        began = time.perf_counter()
        artifact.evaluate(image, targets)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def answer(name: str, folder: Path) -> dict[str, Any]:
    """What :func:`probe` gives, or ``failure``: why it gives nothing."""
    try:
        return probe(name, folder)
    except PixelgradError as error:
        return {"failure": str(error)}
    except Exception as error:  # whatever a provider throws while it runs
        return {"failure": " ".join(f"{type(error).__name__}: {error}".split())}


def main() -> None:
    logging.getLogger("pixelgrad").setLevel(logging.ERROR)
    sys.stdout.write(json.dumps(answer(sys.argv[1], Path(sys.argv[2]))) + "\n")


if __name__ == "__main__":
    main()
