"""DeepDream on GoogLeNet beside the same steps in PyTorch.

    python tests/benchmarks/dream.py [--size 1024 768] [--octaves 4] [--steps 10] [--rounds 1]

inception_4c/output, octaves growing by 1.4, jitter 32, steps of 1.5 / 255 along the gradient over its mean magnitude,
detail laid over the picture at each octave. Every program dreams of the same picture in a process of its own, in turn:
pixelgrad as it comes, in windows of at most 512 pixels; pixelgrad in one window; and PyTorch, eager, in one window with
the same shifts, so that those two take the same steps. The figures are the seconds of the dream alone (the network is
loaded and exported before), the peak memory of the process, and the mean difference of the picture from PyTorch's, in
255ths. Needs the ``peers`` extra, and weights/googlenet.onnx in the folder that PIXELGRAD_TEST_DATA names.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pixelgrad.cli.report import peak_memory

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
LAYER, JITTER, STRENGTH, RATIO = "inception_4c/output", 32, 1.5, 1.4
MEAN = (104.0, 117.0, 123.0)  # of Caffe's networks: blue, green, red


def googlenet() -> Path:
    from helpers.data import shared

    return shared("weights/googlenet.onnx")


def picture(width: int, height: int) -> Any:
    from pixelgrad.runtime import Picture
    from pixelgrad.runtime.samples import landscape

    return Picture(landscape(width, height))


def ours(tile: int | None) -> Callable[..., Any]:
    def program(folder: str, size: tuple[int, int], octaves: int, steps: int) -> tuple[float, Any]:
        from pixelgrad.runtime import Artifact, DreamSettings, dream

        artifact = Artifact(folder, device="cpu")
        source = picture(*size)
        settings = DreamSettings(
            size=max(size), octaves=octaves, steps=steps, octave_scale=RATIO, jitter=JITTER, strength=STRENGTH,
            tile=tile or max(size),
        )  # fmt: skip
        _ = artifact.training
        began = time.perf_counter()
        for event in dream(artifact, source, settings):
            last = event
        return time.perf_counter() - began, last.picture().pixels

    return program


def in_torch(folder: str, size: tuple[int, int], octaves: int, steps: int) -> tuple[float, Any]:
    import onnx
    import torch
    from helpers.torch_oracle import OPERATORS
    from onnx import numpy_helper

    from pixelgrad.runtime.images import resize
    from pixelgrad.runtime.scales import octave_sizes

    model = onnx.load(googlenet())
    weights = {t.name: torch.from_numpy(np.array(numpy_helper.to_array(t))) for t in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        nodes.append((OPERATORS[node.op_type], attributes, list(node.input), node.output[0]))
        if node.output[0] == LAYER:
            break
    mean = torch.tensor(MEAN).reshape(1, 3, 1, 1)

    def gradient(image: Any) -> Any:
        x = torch.from_numpy(image).requires_grad_()
        known = {**weights, "data": x.flip(1) * 255 - mean}
        for operator, attributes, inputs, output in nodes:
            known[output] = operator(attributes, *(known[name] for name in inputs))
        return torch.autograd.grad((known[LAYER] ** 2).mean(), x)[0].numpy()

    source = picture(*size).to_nchw()
    began = time.perf_counter()
    rng = np.random.Generator(np.random.PCG64(0))
    detail = None
    for shape in octave_sizes(*size, octaves, RATIO):
        base = source if shape == size else resize(source, shape, clip=True)
        image = base if detail is None else np.clip(base + resize(detail, shape, "bicubic"), 0, 1)
        for _ in range(steps):
            shift = [int(rng.integers(-JITTER, JITTER + 1)) for _ in range(2)]
            g = np.roll(gradient(np.ascontiguousarray(np.roll(image, shift, (2, 3)))), [-s for s in shift], (2, 3))
            image = np.clip(image + np.float32(STRENGTH / 255) * (g / np.abs(g).mean()), 0, 1).astype(np.float32)
        detail = image - base
    return time.perf_counter() - began, image[0].transpose(1, 2, 0)


PROGRAMS = {"pixelgrad": ours(512), "pixelgrad, one window": ours(None), "torch": in_torch}


def measure(program: str, folder: str, width: int, height: int, octaves: int, steps: int) -> None:
    """In a process of its own: print seconds and peak memory; leave the picture in the folder."""
    seconds, pixels = PROGRAMS[program](folder, (width, height), octaves, steps)
    np.save(Path(folder).parent / f"{program}.npy", pixels)
    print(json.dumps({"seconds": seconds, "peak_mb": peak_memory() / 2**20}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, nargs=2, default=[1024, 768], metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--octaves", type=int, default=4)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--measure", nargs=6, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        program, folder, *numbers = given.measure
        measure(program, folder, *map(int, numbers))
        return
    from pixelgrad.exporters import dream_objective, load_network, write_artifact

    with tempfile.TemporaryDirectory() as place:
        network = load_network(googlenet())
        objective = dream_objective(network, layers=[LAYER])
        # The form that the command takes on a CPU.
        folder = str(write_artifact(network, objective, Path(place) / "dream", profile="fast"))
        rows: dict[str, list[dict[str, float]]] = {name: [] for name in PROGRAMS}
        for _ in range(given.rounds):
            for name, found in rows.items():
                numbers = map(str, (*given.size, given.octaves, given.steps))
                command = [sys.executable, __file__, "--measure", name, folder, *numbers]
                found.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        pictures = {name: np.load(Path(place) / f"{name}.npy").astype(np.float64) for name in PROGRAMS}
    width, height = given.size
    print(f"{width}x{height}, {given.octaves} octaves of {given.steps} steps, {given.rounds} rounds")
    print(f"{'':22} {'seconds':>8} {'torch / it':>10} {'peak MB':>8} {'difference':>10}")
    for name, found in rows.items():
        ratios = [theirs["seconds"] / mine["seconds"] for mine, theirs in zip(found, rows["torch"], strict=True)]
        difference = 255 * np.abs(pictures[name] - pictures["torch"]).mean()
        print(
            f"{name:22} {statistics.median(row['seconds'] for row in found):>8.1f} {statistics.median(ratios):>9.2f}x "
            f"{max(row['peak_mb'] for row in found):>8.0f} {difference:>10.2f}"
        )


if __name__ == "__main__":
    main()
