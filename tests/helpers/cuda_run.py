"""Run by a Python with onnxruntime-gpu on the stub of CUDA: goes through pixelgrad's own code for a device.

    python cuda_run.py artifacts DEVICE FOLDER...   every session and step of each artifact
    python cuda_run.py operators FOLDER             one line for each ONNX file, a graph of one node
    python cuda_run.py devices FOLDER DEVICE...     what each choice of a device comes to; an artifact, for the doctor

Prints JSON objects, one a line.
"""

from __future__ import annotations

import ctypes
import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from helpers.device_run import inputs, left
from pixelgrad.errors import PixelgradError
from pixelgrad.runtime import Artifact, Projector, choose_device
from pixelgrad.runtime.doctor import check_devices, describe_machine, find_problems
from pixelgrad.runtime.memory import DeviceArray
from pixelgrad.runtime.optimizers import OPTIMIZERS, make_optimizer
from pixelgrad.runtime.session import open_session
from pixelgrad.runtime.verify import verify

# The order of cuda_stub_counts in stub.c.
COUNTS = ("to_device", "to_host", "within", "synchronizations", "launches", "allocations", "captures", "replays")
# After so many steps all memory that is needed has been asked for.
STEPS = 6


def counts() -> dict[str, int]:
    """What the stub has been asked for so far."""
    found = (ctypes.c_uint64 * len(COUNTS))()
    ctypes.CDLL("libcudart.so.13").cuda_stub_counts(found)
    return dict(zip(COUNTS, found, strict=True))


def since(before: dict[str, int]) -> dict[str, int]:
    return {name: value - before[name] for name, value in counts().items()}


def projected(folder: str, device: str) -> dict[str, Any]:
    projector = Projector(folder, device=device)
    images = np.zeros((2, 3, 40, 44), np.float32)
    _, positions = projector.strongest(images)
    features = projector.features(images, projector.watched)
    projection = projector.project_one(images[:1], 3, int(positions[0, 3]))
    sessions = [projector.training, projector.evaluation]
    return {
        "left": left(sessions, projector.choice.device.provider),
        "shapes": [list(array.shape) for array in (positions, *features, projection)],
    }


def optimised(folder: str, device: str) -> dict[str, Any]:
    """steps, updates: of each optimiser, what its last step and update asked of the device."""
    artifact = Artifact(folder, device=device)
    artifact.open()
    start, targets = inputs(artifact, 40)
    report: dict[str, Any] = {"steps": {}, "updates": {}, "resident": True}
    for kind in OPTIMIZERS:
        optimizer = make_optimizer(kind, start, artifact, 0.02)
        for _ in range(STEPS):
            before = counts()
            step = artifact.evaluate(optimizer.image, targets)
            report["steps"][kind] = since(before)
            before = counts()
            optimizer.update(step.loss, step.gradient)
            report["updates"][kind] = since(before)
        report["resident"] &= isinstance(optimizer.image, DeviceArray) and isinstance(step.gradient, DeviceArray)
        assert np.asarray(optimizer.result).shape == start.shape
    sessions = [artifact.optimizer, *(artifact.lbfgs or ())]
    sessions += [] if artifact.choice.captures else [artifact.training]
    sessions += [artifact.evaluation] if "eval_model.onnx" in artifact.manifest["files"] else []
    if artifact.tiles is not None:
        sessions += [artifact.tile_sessions.sums, artifact.tile_sessions.training]
    # The loss, its terms, and the gradient's norm.
    scalars = len(artifact.terms) + 2
    return report | {"left": left(sessions, artifact.choice.device.provider), "scalars": scalars}


def artifacts(device: str, *folders: str) -> Iterator[dict[str, Any]]:
    for folder in folders:
        manifest = json.loads((Path(folder) / "artifact.json").read_text(encoding="utf-8"))
        run = projected if "projection" in manifest else optimised
        failed = [check.name for check in verify(Artifact(folder, device=device)) if not check.passed]
        yield {"artifact": Path(folder).name, "failed": failed, **run(folder, device)}


def operators(folder: str) -> Iterator[dict[str, Any]]:
    for path in sorted(Path(folder).glob("*.onnx")):
        try:
            session = open_session(path, choose_device("cuda"))
        except PixelgradError as error:
            yield {"case": path.stem, "failure": str(error)}
            continue
        places = [
            (node.op_type, part.ep_name)
            for part in session.get_provider_graph_assignment_info()
            for node in part.get_nodes()
        ]
        yield {"case": path.stem, "places": places}


def devices(folder: str, *names: str) -> Iterator[dict[str, Any]]:
    for name in names:
        report: dict[str, Any] = {"device": name}
        try:
            choice = choose_device(name)
            report |= {"name": choice.name, "rejected": dict(choice.rejected)}
            if choice.device.name == "cuda":
                artifact = Artifact(folder, device=choice)
                if "prefer_nhwc" in choice.options:  # its graph computes sizes on the device, which the stub does not
                    artifact.open()
                else:
                    artifact.evaluate(*inputs(artifact, 40))
                found = artifact.evaluation.get_provider_options()["CUDAExecutionProvider"]
                report["options"] = {option: found[option] for option in choice.options if option in found}
        except PixelgradError as error:
            report["failure"] = str(error)
        yield report
    tried = list(check_devices(Path(folder)))
    yield {"doctor": {report.name: dataclasses.asdict(report) for report in tried}}
    yield {"problems": [problem.what for problem in find_problems(describe_machine(), tried)]}


def main() -> None:
    what, *arguments = sys.argv[1:]
    for report in {"artifacts": artifacts, "operators": operators, "devices": devices}[what](*arguments):
        sys.stdout.write(json.dumps(report) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
