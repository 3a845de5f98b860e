"""A step of L-BFGS on the CPU: NumPy's two loops beside the artifact's graphs, which devices run.

    python tests/benchmarks/lbfgs.py --size 512

Both take their steps in turn, down the same quadratic; printed are the medians once the history is full.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import numpy as np

from pixelgrad.exporters.lbfgs import lbfgs_models
from pixelgrad.runtime import choose_device
from pixelgrad.runtime.memory import Memory
from pixelgrad.runtime.optimizers import LBFGS, lbfgs_vectors
from pixelgrad.runtime.session import open_session

Array = np.ndarray[Any, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512, help="edge of the image")
    parser.add_argument("--steps", type=int, default=30, help="steps that are timed")
    chosen = parser.parse_args()

    lbfgs_vectors.memory_of = lambda _: Memory("cpu")  # type: ignore[assignment]
    accept, propose = (open_session(m.SerializeToString(), choose_device("cpu")) for m in lbfgs_models().values())
    start = np.random.default_rng(0).random((1, 3, chosen.size, chosen.size), dtype=np.float32)
    scale = np.geomspace(1, 30, start.size, dtype=np.float32).reshape(start.shape)
    optimizers = {"NumPy": LBFGS(start), "graphs": LBFGS(start, (accept, propose))}
    seconds: dict[str, list[float]] = {name: [] for name in optimizers}
    losses = dict.fromkeys(optimizers, 0.0)
    for _ in range(lbfgs_vectors.PAIRS + chosen.steps):
        for name, optimizer in optimizers.items():
            away = np.asarray(optimizer.image) - np.float32(0.4)
            losses[name] = float((scale * away * away).mean())
            gradient = scale * away * np.float32(2 / away.size)
            began = time.perf_counter()
            optimizer.update(losses[name], gradient)
            seconds[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(times[lbfgs_vectors.PAIRS :]) for name, times in seconds.items()}
    print(f"L-BFGS, {chosen.size} x {chosen.size}, {lbfgs_vectors.PAIRS} pairs")
    for name, median in medians.items():
        print(f"{name:8} {1000 * median:8.1f} ms  {median / medians['NumPy']:.2f}x  loss {losses[name]:.6g}")


if __name__ == "__main__":
    main()
