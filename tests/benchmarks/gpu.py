"""Every kind of artifact checked on a device, and a style-transfer step through VGG-19 timed beside PyTorch there.

    python tests/benchmarks/gpu.py [--device cuda] [--size 512] [--rounds 3] [--report docs/gpu.md]

VGG-19 up to conv5_1 with random weights, content and five Gram layers as in step.py; a step is the gradient and Adam's
update of the image. Ours: with TF32, without it, in float16, as a CUDA graph, and with L-BFGS in place of Adam.
PyTorch's: eager and compiled, channels last with TF32, and compiled under float16 autocast. Each measurement is a
process of its own, all in turn, so that they meet the same machine; the figures are medians over rounds of the median
step. Needs the ``peers`` extra, with a PyTorch for the device. With --device cpu it runs anywhere, to try it out: use
--size 64.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import step as vgg

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from helpers.artifacts import OBJECTIVES
from helpers.device_run import inputs
from helpers.networks import chain

from pixelgrad.cli.report import peak_memory
from pixelgrad.exporters import load_network, style_objective, write_artifact
from pixelgrad.runtime import Artifact, choose_device
from pixelgrad.runtime.devices import CAPTURE
from pixelgrad.runtime.optimizers import OPTIMIZERS, make_optimizer
from pixelgrad.runtime.placement import placement
from pixelgrad.runtime.verify import verify

# Dense tera-operations a second, TF32 and float16, from NVIDIA's data sheets.
PEAKS = {"H200": (494.7, 989.5), "H100": (494.7, 989.5), "A100": (156.0, 312.0), "RTX 4090": (82.6, 165.2)}


def ours(device: str, precision: str, optimizer: str = "adam") -> Callable[[str, int], Callable[[], Any]]:
    def prepare(folder: str, size: int) -> Callable[[], Any]:
        artifact = Artifact(f"{folder}/{precision}", device=device)
        image, reference = vgg.pictures(size)
        targets = artifact.targets(reference)
        mover = make_optimizer(optimizer, image, artifact, 0.02)

        def step() -> Any:
            evaluation = artifact.evaluate(mover.image, targets)
            mover.update(evaluation.loss, evaluation.gradient)
            return evaluation.norm

        return step

    return prepare


def torch_program(device: str, *, compiled: bool, half: bool) -> Callable[[str, int], Callable[[], Any]]:
    def prepare(folder: str, size: int) -> Callable[[], Any]:
        import torch
        from torch.nn import functional

        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        kind = torch.device(device.partition(",")[0])
        layers = [
            (
                name,
                torch.from_numpy(kernel).to(kind, memory_format=torch.channels_last),
                torch.from_numpy(bias).to(kind),
            )
            for name, kernel, bias in vgg.weights()
        ]

        def features(x: Any) -> dict[str, Any]:
            found, block = {}, "1"
            for name, kernel, bias in layers:
                if name[0] != block:
                    x, block = functional.max_pool2d(x, 2), name[0]
                x = functional.relu(functional.conv2d(x, kernel, bias, padding=1))
                found[f"relu{name}"] = x
            return found

        def gram(f: Any) -> Any:
            flat = f.float().flatten(2)
            return flat @ flat.mT / flat.shape[-1]

        def relative(value: Any, target: Any) -> Any:
            return ((value - target) ** 2).sum() / (target * target).sum()

        def loss_of(x: Any, styles: dict[str, Any], content: Any) -> Any:
            with torch.autocast(kind.type, dtype=torch.float16, enabled=half):
                seen = features(x)
            with torch.autocast(kind.type, enabled=False):
                loss = 0.05 * relative(seen[vgg.CONTENT].float(), content)
                for name in vgg.STYLE:
                    loss = loss + 0.2 * relative(gram(seen[name]), styles[name])
                tv = sum((d * d).sum() for d in (x.diff(dim=2), x.diff(dim=3))) / x.numel()
            return loss + 0.2 * tv

        image, reference = (torch.from_numpy(p).to(kind, memory_format=torch.channels_last) for p in vgg.pictures(size))
        with torch.no_grad():
            seen = features(reference)
            styles, content = {name: gram(seen[name]) for name in vgg.STYLE}, seen[vgg.CONTENT]
        image.requires_grad_()
        optimizer = torch.optim.Adam([image], lr=0.02, betas=(0.9, 0.99), fused=kind.type == "cuda")
        scaler = torch.amp.GradScaler(kind.type, enabled=half)
        loss_function = torch.compile(loss_of) if compiled else loss_of

        def step() -> Any:
            optimizer.zero_grad(set_to_none=True)
            loss = loss_function(image, styles, content)
            scaler.scale(loss).backward()
            norm = image.grad.norm() / (scaler.get_scale() if half else 1.0)
            scaler.step(optimizer)
            scaler.update()
            with torch.no_grad():
                image.clamp_(0, 1)
            return float(norm)  # as ours: the loss and the norm come to the host

        return step

    return prepare


def programs(device: str) -> dict[str, Callable[[str, int], Callable[[], Any]]]:
    plain = device if device == "cpu" else f"{device},use_tf32=0" if device.startswith("cuda") else device
    return {
        "pixelgrad": ours(device, "fp32"),
        "pixelgrad, L-BFGS": ours(device, "fp32", "lbfgs"),
        **({"pixelgrad, no TF32": ours(plain, "fp32")} if plain != device else {}),
        "pixelgrad, fp16": ours(device, "fp16"),
        **({"pixelgrad, CUDA graph": ours(f"{device},{CAPTURE}=1", "fp32")} if device.startswith("cuda") else {}),
        "torch eager": torch_program(device, compiled=False, half=False),
        "torch compiled": torch_program(device, compiled=True, half=False),
        "torch compiled, fp16": torch_program(device, compiled=True, half=True),
    }


def measure(name: str, device: str, folder: str, size: int, steps: int) -> None:
    """In a process of its own: print seconds per step, the host's peak memory, and the first gradient's norm."""
    step = programs(device)[name](folder, size)
    norm = step()
    for _ in range(3):
        step()
    times = []
    for _ in range(steps):
        began = time.perf_counter()
        step()
        times.append(time.perf_counter() - began)
    print(json.dumps({"seconds": statistics.median(times), "peak_mb": peak_memory() / 2**20, "norm": norm}))


def timings(device: str, size: int, rounds: int, steps: int) -> Iterator[str]:
    found: dict[str, list[dict[str, float]]] = {name: [] for name in programs(device)}
    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        vgg.write_network(Path(folder) / "vgg19.onnx")
        network = load_network(f"{folder}/vgg19.onnx", preprocess="rgb")
        for precision in ("fp32", "fp16"):
            write_artifact(network, style_objective(network, loss="gram"), f"{folder}/{precision}", precision=precision)
        for _ in range(rounds):
            for name, rows in found.items():
                command = [
                    sys.executable,
                    __file__,
                    "--device",
                    device,
                    "--measure",
                    name,
                    folder,
                    str(size),
                    str(steps),
                ]
                run = subprocess.run(command, capture_output=True, text=True, check=False)
                if run.returncode:
                    failed[name] = (run.stderr.strip().splitlines() or ["it died"])[-1]
                else:
                    rows.append(json.loads(run.stdout.splitlines()[-1]))
    best = next((rows for name, rows in found.items() if name == "torch compiled" and rows), None)
    operations = arithmetic(size)
    peak = next((value for name, value in PEAKS.items() if name in device_name(device)), None)
    yield "| program | ms a step | beside compiled PyTorch | TFLOP/s | of the limit | gradient norm |"
    yield "|---|---|---|---|---|---|"
    for name, rows in found.items():
        if not rows:
            yield f"| {name} | failed: {failed[name][:120]} | | | | |"
            continue
        seconds = statistics.median(row["seconds"] for row in rows)
        ratio = (
            f"{statistics.median(b['seconds'] / r['seconds'] for b, r in zip(best, rows, strict=False)):.2f}x"
            if best
            else "?"
        )
        speed = operations / seconds / 1e12
        limit = f"{speed / peak['fp16' in name]:.0%}" if peak else "?"
        yield f"| {name} | {1000 * seconds:.1f} | {ratio} | {speed:.2f} | {limit} | {rows[0]['norm']:.6g} |"


def arithmetic(size: int) -> float:
    """Floating-point operations of the convolutions in a step: forward, and back to the image."""
    total, depth, edge = 0.0, 3, size
    for block, (width, count) in enumerate(vgg.BLOCKS):
        edge = size // 2**block
        for _ in range(count):
            total += 2 * 2 * 9 * depth * width * edge * edge
            depth = width
    return total


def checks(device: str) -> Iterator[str]:
    """A row for every kind of artifact and precision: what the device computes beside the CPU."""
    yield "| artifact | precision | gradient error | pixels after 10 steps (RMS) | left to the CPU | self-check |"
    yield "|---|---|---|---|---|---|"
    with tempfile.TemporaryDirectory() as place:
        for pool, kinds in (("MaxPool", list(OBJECTIVES)), ("AveragePool", ["style", "dream-channels"])):
            network = load_network(chain(Path(place) / f"{pool}.onnx", pool=pool), preprocess="imagenet")
            for kind in kinds:
                objective = OBJECTIVES[kind]
                for precision in ("fp32", "fp16"):
                    folder = Path(place) / f"{kind}-{pool}-{precision}"
                    exact = Path(place) / f"{kind}-{pool}-fp32"
                    write_artifact(network, objective(network), folder, precision=precision)
                    artifact, reference = Artifact(folder, device=device), Artifact(exact, device="cpu")
                    gradients, pictures = zip(*(run(a) for a in (artifact, reference)), strict=True)
                    error = np.linalg.norm(gradients[0] - gradients[1]) / np.linalg.norm(gradients[1])
                    moved = np.sqrt(np.square(pictures[0] - pictures[1]).mean())
                    where = None if device == "cpu" else placement(artifact.training, artifact.choice.device.provider)
                    failed = ", ".join(check.name for check in verify(artifact) if not check.passed) or "passed"
                    yield (
                        f"| {kind}, {pool} | {precision} | {error:.1e} | {moved:.1e} | "
                        f"{len(where.left) if where else 'none' if device == 'cpu' else '?'} | {failed} |"
                    )


def run(artifact: Artifact) -> tuple[Any, Any]:
    """The gradient, and the pictures after ten steps of each optimiser."""
    start, targets = inputs(artifact, 64)
    gradient = np.asarray(artifact.evaluate(start, targets).gradient)
    pictures = []
    for name in OPTIMIZERS:
        optimizer = make_optimizer(name, start, artifact, 0.02)
        for _ in range(10):
            step = artifact.evaluate(optimizer.image, targets)
            optimizer.update(step.loss, step.gradient)
        pictures.append(np.asarray(optimizer.result))
    return gradient, np.stack(pictures)


def device_name(device: str) -> str:
    if not device.startswith("cuda"):
        return device
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--report", type=Path, help="a Markdown file to write, docs/gpu.md say")
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        name, folder, size, steps = arguments.measure
        measure(name, arguments.device, folder, int(size), int(steps))
        return
    import onnxruntime
    import torch

    choose_device(arguments.device)
    lines = [
        f"# Measured on {device_name(arguments.device)}",
        "",
        f"{platform.platform()}, ONNX Runtime {onnxruntime.__version__}, PyTorch {torch.__version__}. Written by "
        "`tests/benchmarks/gpu.py`.",
        "",
        "## Right",
        "",
    ]
    print("\n".join(lines))

    def say(rows: Iterator[str]) -> None:
        for row in rows:
            print(row, flush=True)
            lines.append(row)

    say(checks(arguments.device))
    title = ["", f"## Fast: VGG-19 to conv5_1, {arguments.size}x{arguments.size}, gradient and Adam", ""]
    say(iter(title))
    say(timings(arguments.device, arguments.size, arguments.rounds, arguments.steps))
    if arguments.report:
        arguments.report.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
