"""What a GPU computes beside the CPU, and how fast: every kind of artifact, every task, and PyTorch's step beside ours.

On a rented machine with an NVIDIA GPU, in a clone of this repository; it needs no network beyond pip's, and no data:

    python -m venv env
    env/bin/pip install numpy pillow onnx onnx-ir onnx-shape-inference platformdirs requests filelock typer rich torch
    env/bin/pip install 'onnxruntime-gpu[cuda,cudnn]'
    env/bin/python tests/benchmarks/gpu.py --report docs/gpu.md

In pieces, each of a few minutes: ``--only kinds``, ``--only tasks``, ``--only timings`` (or two of them); a report is
written after each. What it is about is printed as it goes. The exit code is 1 where the device is off.

kinds: the loss, gradient and pictures of five steps of every kind of artifact, in float32 and float16, and
projections, beside the CPU's. tasks: style, texture, inversion, dream, ... in little, through the bundled network.
timings: VGG-19 up to conv5_1 with random weights, content and five Gram layers as in step.py; a step is the gradient
and Adam's update of the image. Ours: with TF32, without it, in float16, as a CUDA graph, and with L-BFGS for Adam.
PyTorch's: eager and compiled, channels last with TF32, and compiled under float16 autocast. Each measurement is a
process of its own, all in turn, so that they meet the same machine; the figures are medians over rounds of the median
step. Only these need PyTorch, one for the device.

With --device cpu it runs anywhere, to try it out: --device cpu --size 64 --rounds 1 --steps 3.
"""

from __future__ import annotations

import argparse
import importlib.util
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

import anywhere  # noqa: F401
import gpu_checks
import step as vgg

from pixelgrad.cli.report import peak_memory
from pixelgrad.exporters import load_network, style_objective, write_artifact
from pixelgrad.runtime import Artifact, choose_device
from pixelgrad.runtime.devices import CAPTURE
from pixelgrad.runtime.doctor import describe_machine
from pixelgrad.runtime.optimizers import make_optimizer

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
        # On a CPU it takes half a minute a step.
        **({"torch compiled, fp16": torch_program(device, compiled=True, half=True)} if device != "cpu" else {}),
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
        for turn in range(rounds):
            for name, rows in found.items():
                note(f"round {turn + 1} of {rounds}: {name}")
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


def device_name(device: str) -> str:
    """The GPU's name, driver and memory, where nvidia-smi tells them."""
    found = describe_machine()["drivers"].get("nvidia") if device.startswith("cuda") else None
    return str(found or device)


def note(text: str) -> None:
    """Where it is, on stderr: no line of the report."""
    print(f"  {time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def heading(device: str) -> list[str]:
    import onnxruntime

    torch = importlib.util.find_spec("torch")
    versions = [f"ONNX Runtime {onnxruntime.__version__}"]
    if torch is not None:
        import torch as module

        versions.append(f"PyTorch {module.__version__}")
    return [
        f"# Measured on {device_name(device)}",
        "",
        f"{platform.platform()}, {', '.join(versions)}. Written by `tests/benchmarks/gpu.py`.",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = ("kinds", "tasks", "timings")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts, help="all of them by default")
    parser.add_argument("--size", type=int, default=512, help="pixels along each edge, of the timed step")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--report", type=Path, help="a Markdown file to write, docs/gpu.md say")
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    device = arguments.device
    if arguments.measure:
        name, folder, size, steps = arguments.measure
        measure(name, device, folder, int(size), int(steps))
        return
    choose_device(device)
    size = arguments.size
    sections = {
        "kinds": ("Every kind of artifact beside the CPU", lambda: gpu_checks.kinds(device, note)),
        "tasks": ("Every task beside the CPU", lambda: gpu_checks.tasks(device, note)),
        "timings": (
            f"VGG-19 to conv5_1, {size}x{size}, gradient and Adam",
            lambda: timings(device, size, arguments.rounds, arguments.steps),
        ),
    }
    lines: list[str] = []

    def say(row: str) -> None:
        print(row, flush=True)
        lines.append(row)

    for row in heading(device):
        say(row)
    for part in arguments.only:
        title, rows = sections[part]
        for row in ("", f"## {title}", ""):
            say(row)
        for row in rows():
            say(row)
        if arguments.report:
            arguments.report.write_text("\n".join(lines) + "\n", encoding="utf-8")
    off = sum(gpu_checks.OFF in row for row in lines)
    note(f"{off} rows are off" if off else "nothing is off")
    sys.exit(1 if off else 0)


if __name__ == "__main__":
    main()
