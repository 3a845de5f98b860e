"""Time and memory of a step over a large image: seen whole, and in tiles of several sizes.

    python tests/benchmarks/tiles.py [--size 2048x1365] [--model FILE] [--rounds 2]

Each row is a process of its own, and the rows take turns. ``sees``: what a tile and what is around it come to.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from typing import Any

import numpy as np

from pixelgrad.cli.report import peak_memory
from pixelgrad.runtime import Artifact, choose_device
from pixelgrad.runtime.tiles import Tiled
from pixelgrad.tasks import style_artifact

# Megapixels that a tile may see; none: the whole image at once, as without tiles.
ROWS = (None, 2.0, 1.0, 0.5, 0.25)


def step(model: str | None, width: int, height: int, megapixels: float | None) -> dict[str, Any]:
    """Seconds of a step after a first one, and the peak of this process."""
    choice = choose_device("cpu")
    artifact = Artifact(style_artifact(model, tiles=True, device=choice), device=choice)
    view = artifact if megapixels is None else Tiled(artifact, round(megapixels * 1e6))
    image = np.random.default_rng(0).random((1, 3, height, width), dtype=np.float32)
    style = artifact.targets(image[:, :, :512, :512])
    content = {name: value for name, value in view.targets(image).items() if name.startswith("target.content")}
    targets = {**style, **content}
    view.evaluate(image, targets)
    began = time.perf_counter()
    view.evaluate(image, targets)
    return {"seconds": time.perf_counter() - began, "megabytes": peak_memory() / 1e6}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="2048x1365")
    parser.add_argument("--model")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--row", help=argparse.SUPPRESS)
    given = parser.parse_args()
    width, height = map(int, given.size.split("x"))
    if given.row is not None:
        print(json.dumps(step(given.model, width, height, json.loads(given.row))))
        return
    style_artifact(given.model, tiles=True, device=choose_device("cpu"))  # not to be part of a peak
    found: dict[float | None, list[dict[str, Any]]] = {row: [] for row in ROWS}
    for _ in range(given.rounds):
        for row, results in found.items():
            command = [sys.executable, __file__, "--size", given.size, "--row", json.dumps(row)]
            command += ["--model", given.model] if given.model else []
            results.append(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    whole = min(result["seconds"] for result in found[None])
    print(f"{given.size}\n\n| sees | seconds a step | of the whole | peak MB |\n|---|---|---|---|")
    for row, results in found.items():
        seconds, most = min(r["seconds"] for r in results), max(r["megabytes"] for r in results)
        name = "the whole image" if row is None else f"{row:g} megapixels"
        print(f"| {name} | {seconds:.1f} | {seconds / whole:.2f} | {most:.0f} |")


if __name__ == "__main__":
    main()
