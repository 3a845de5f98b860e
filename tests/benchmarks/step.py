"""One gradient step of style transfer through VGG-19, beside PyTorch.

    python tests/benchmarks/step.py [--sizes 256 512] [--pools max avg] [--profiles portable fast] [--rounds 3]

VGG-19 up to conv5_1 with random weights; content at relu4_2, Gram matrices at relu1_1 to relu5_1. Each measurement is
a process of its own, ours and PyTorch's in turn, so that both meet the same machine; the figures are medians over
rounds of the median step, the ratio is paired by round, and the memory is the process's peak. Needs the ``peers``
extra.
"""

from __future__ import annotations

import argparse
import functools
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

STYLE = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]
CONTENT = "relu4_2"
BLOCKS = [(64, 2), (128, 2), (256, 4), (512, 4), (512, 1)]


def weights() -> list[tuple[str, Any, Any]]:
    """Name, kernel and bias of each convolution, the same in both programs."""
    rng, depth, result = np.random.default_rng(0), 3, []
    for block, (width, count) in enumerate(BLOCKS, 1):
        for index in range(1, count + 1):
            kernel = rng.normal(scale=np.sqrt(2 / (9 * depth)), size=(width, depth, 3, 3)).astype(np.float32)
            result.append((f"{block}_{index}", kernel, rng.normal(scale=0.05, size=width).astype(np.float32)))
            depth = width
    return result


def pictures(size: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    return tuple(rng.random((1, 3, size, size), dtype=np.float32) for _ in range(2))  # type: ignore[return-value]


def write_network(path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes, tensors, current, block = [], [], "image", "1"
    for name, kernel, bias in weights():
        if name[0] != block:
            attributes = {"kernel_shape": [2, 2], "strides": [2, 2]}
            nodes.append(helper.make_node("MaxPool", [current], [f"pool{block}"], **attributes))
            current, block = f"pool{block}", name[0]
        tensors += [numpy_helper.from_array(kernel, f"w{name}"), numpy_helper.from_array(bias, f"b{name}")]
        nodes.append(helper.make_node("Conv", [current, f"w{name}", f"b{name}"], [f"conv{name}"], pads=[1] * 4))
        nodes.append(helper.make_node("Relu", [f"conv{name}"], [f"relu{name}"]))
        current = f"relu{name}"
    shape = ["N", 3, "H", "W"]
    graph = helper.make_graph(
        nodes,
        "vgg19",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(current, TensorProto.FLOAT, None)],
        tensors,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), path)


def ours(profile: str, folder: str, size: int, pool: str) -> Callable[[], Any]:
    from pixelgrad.runtime import Artifact

    artifact = Artifact(f"{folder}/{pool}-{profile}", device="cpu")
    artifact.open()  # as the command does
    image, reference = pictures(size)
    targets = artifact.targets(reference)
    return lambda: artifact.evaluate(image, targets).gradient


def torch_eager(folder: str, size: int, pool: str) -> Callable[[], Any]:
    import torch
    from torch.nn import functional

    layers = [(name, torch.from_numpy(kernel), torch.from_numpy(bias)) for name, kernel, bias in weights()]
    pooling = functional.max_pool2d if pool == "max" else functional.avg_pool2d

    def features(x: Any) -> dict[str, Any]:
        found, block = {}, "1"
        for name, kernel, bias in layers:
            if name[0] != block:
                x, block = pooling(x, 2), name[0]
            x = functional.relu(functional.conv2d(x, kernel, bias, padding=1))
            found[f"relu{name}"] = x
        return found

    def gram(f: Any) -> Any:
        flat = f.flatten(2)
        return flat @ flat.mT / flat.shape[-1]

    def relative(value: Any, target: Any) -> Any:
        return ((value - target) ** 2).sum() / (target * target).sum()

    image, reference = (torch.from_numpy(p) for p in pictures(size))
    with torch.no_grad():
        seen = features(reference)
        styles, content = {name: gram(seen[name]) for name in STYLE}, seen[CONTENT]
    image.requires_grad_()

    def step() -> Any:
        seen = features(image)
        loss = 0.05 * relative(seen[CONTENT], content)
        for name in STYLE:
            loss = loss + 0.2 * relative(gram(seen[name]), styles[name])
        tv = sum((d * d).sum() for d in (image.diff(dim=2), image.diff(dim=3))) / image.numel()
        return torch.autograd.grad(loss + 0.2 * tv, image)[0].numpy()

    return step


PROFILES = ("portable", "fast")
PROGRAMS = {**{profile: functools.partial(ours, profile) for profile in PROFILES}, "torch": torch_eager}


def measure(program: str, folder: str, size: int, pool: str, steps: int) -> None:
    """In a process of its own: print seconds per step, peak memory, and the gradient's norm."""
    step = PROGRAMS[program](folder, size, pool)
    gradient = step()
    step()
    times = []
    for _ in range(steps):
        began = time.perf_counter()
        step()
        times.append(time.perf_counter() - began)
    peak = peak_memory() / 2**20
    norm = float(np.linalg.norm(gradient.astype(np.float64)))
    print(json.dumps({"seconds": statistics.median(times), "peak_mb": peak, "norm": norm}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--pools", nargs="+", default=["max", "avg"])
    parser.add_argument("--profiles", nargs="+", choices=PROFILES, default=list(PROFILES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--measure", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        program, folder, size, pool, steps = arguments.measure
        measure(program, folder, int(size), pool, int(steps))
        return
    from pixelgrad.exporters import load_network, style_objective, write_artifact

    with tempfile.TemporaryDirectory() as folder:
        write_network(Path(folder) / "vgg19.onnx")
        for pool in arguments.pools:
            network = load_network(f"{folder}/vgg19.onnx", preprocess="rgb", pool=pool)
            for profile in arguments.profiles:
                write_artifact(
                    network, style_objective(network, loss="gram"), f"{folder}/{pool}-{profile}", profile=profile
                )
        print(
            f"{'size':>5} {'pool':>4} {'profile':>8} {'pixelgrad':>10} {'torch':>8} {'ratio':>6} {'memory MB':>16} "
            f"{'gradient':>9}"
        )
        for size in arguments.sizes:
            for pool in arguments.pools:
                report(folder, size, pool, arguments)


def report(folder: str, size: int, pool: str, arguments: argparse.Namespace) -> None:
    rounds, steps = arguments.rounds, arguments.steps
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in (*arguments.profiles, "torch")}
    for _ in range(rounds):
        for name, found in rows.items():
            command = [sys.executable, __file__, "--measure", name, folder, str(size), pool, str(steps)]
            found.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    for profile in arguments.profiles:
        mine, theirs = rows[profile], rows["torch"]
        ratio = statistics.median(t["seconds"] / m["seconds"] for m, t in zip(mine, theirs, strict=True))
        seconds = [statistics.median(row["seconds"] for row in found) for found in (mine, theirs)]
        memory = [max(row["peak_mb"] for row in found) for found in (mine, theirs)]
        error = abs(mine[0]["norm"] / theirs[0]["norm"] - 1)
        print(
            f"{size:>5} {pool:>4} {profile:>8} {seconds[0]:>9.3f}s {seconds[1]:>7.3f}s {ratio:>5.2f}x "
            f"{memory[0]:>7.0f}/{memory[1]:<8.0f} {error:>9.1e}",
            flush=True,
        )


if __name__ == "__main__":
    main()
