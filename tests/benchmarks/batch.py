"""Is a batch faster than one picture after the other?

    python tests/benchmarks/batch.py --model ../shared/weights/googlenet.onnx

Times the gradient of a class's score, per picture, at each batch size, the sizes in turn within every round so that
what else the machine does weighs on all alike. Prints the least and the median seconds and processor seconds.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np

from pixelgrad.runtime import Artifact, choose_device
from pixelgrad.tasks import visualize_artifact


def main() -> None:
    default = Path(os.environ.get("PIXELGRAD_TEST_DATA", "../shared")) / "weights" / "googlenet.onnx"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(default))
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    runs = []
    for batch in arguments.batches:
        device = choose_device(arguments.device)
        folder = visualize_artifact(arguments.model, unit="class", batch=batch, device=device)
        artifact = Artifact(folder, device=device)
        ((name, (_, classes)),) = artifact.given.items()
        direction = np.zeros((batch, classes), np.float32)
        direction[:, 0] = 1
        image = rng.random((batch, 3, arguments.size, arguments.size), dtype=np.float32)
        artifact.evaluate(image, {name: direction})
        runs.append((batch, artifact, image, {name: direction}))
    times: dict[int, list[tuple[float, float]]] = {batch: [] for batch in arguments.batches}
    for _ in range(arguments.rounds):
        for batch, artifact, image, targets in runs:
            wall, processor = time.perf_counter(), time.process_time()
            artifact.evaluate(image, targets)
            times[batch].append(((time.perf_counter() - wall) / batch, (time.process_time() - processor) / batch))
    print(f"{'batch':>5} {'least s':>9} {'median s':>9} {'processor s':>12}   per picture, {arguments.size} pixels")
    for batch, found in times.items():
        wall, processor = np.array(found).T
        print(f"{batch:5d} {wall.min():9.3f} {np.median(wall):9.3f} {np.median(processor):12.3f}")


if __name__ == "__main__":
    main()
