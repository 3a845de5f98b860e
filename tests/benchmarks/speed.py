"""A whole style transfer through the bundled network, beside a PyTorch loop over the same network.

    python tests/benchmarks/speed.py [--sizes 256 512] [--steps 400] [--rounds 1]

Both draw the same pictures, square ones from the samples, at default settings: the same sizes from coarse to fine,
the same number of steps, Adam on the pixels, the same losses. Each measurement is a process of its own, ours and
PyTorch's in turn, so that both meet the same machine; reading and exporting the network are outside the clock. On a
machine with other work to do, compare the seconds of processor time. Needs the ``peers`` extra.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import statistics
import subprocess
import sys
import time
from typing import Any

import numpy as np

from pixelgrad.models import bundled_network
from pixelgrad.runtime import StyleSettings
from pixelgrad.runtime.samples import landscape, strokes
from pixelgrad.runtime.scales import scale_sizes, share_steps

STYLE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
CONTENT = "relu4_2"


def ours(size: int, steps: int, *, default: bool = False) -> tuple[Any, Any]:
    """The result [1, 3, H, W] and the time, by the clock and of the processor, at which the work began.

    default: as ``pixelgrad style`` runs it; else the loss and the optimiser that the PyTorch loop has.
    """
    from pixelgrad.runtime import Artifact, Picture, choose_device, style
    from pixelgrad.tasks import style_artifact

    cpu = choose_device("cpu")
    artifact = Artifact(style_artifact(loss="moments" if default else "gram", device=cpu), device=cpu)
    settings = StyleSettings(size=size, steps=steps) if default else StyleSettings(size, steps, optimizer="adam")
    content, painting = (Picture(draw(size, size)) for draw in (landscape, strokes))
    began = now()
    for event in style(artifact, content, [painting], settings):
        last = event
    return last.picture().to_nchw(), began


def torch_eager(size: int, steps: int) -> tuple[Any, Any]:
    import onnx
    import torch
    from onnx import helper, numpy_helper
    from torch.nn import functional

    model = onnx.load(bundled_network())
    constants = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in model.graph.initializer}
    nodes = [(node, {a.name: helper.get_attribute_value(a) for a in node.attribute}) for node in model.graph.node]
    for node, _ in nodes:
        if node.op_type == "Cast":
            constants[node.output[0]] = constants[node.input[0]].float()
    nodes = [(node, attributes) for node, attributes in nodes if node.op_type != "Cast"]

    def features(image: Any) -> dict[str, Any]:
        values = {**constants, "image": image}
        for node, attributes in nodes:
            x = values[node.input[0]]
            if node.op_type == "Conv":
                weight, bias = (values[name] for name in node.input[1:])
                x = functional.conv2d(x, weight, bias, padding=attributes["pads"][0])
            elif node.op_type == "Pad":
                ring = values[node.input[1]].tolist()
                x = functional.pad(x, (ring[3], ring[7], ring[2], ring[6]), mode="reflect")
            elif node.op_type == "AveragePool":
                x = functional.avg_pool2d(x, 2)
            elif node.op_type == "Relu":
                x = functional.relu(x)
            else:
                assert node.op_type == "Sub", node.op_type
                x = x - values[node.input[1]]
            values[node.output[0]] = x
        return values

    def gram(f: Any) -> Any:
        flat = f.flatten(2)
        return flat @ flat.mT / flat.shape[-1]

    def relative(value: Any, target: Any) -> Any:
        return ((value - target) ** 2).sum() / (target * target).sum()

    def resized(x: Any, edge: int) -> Any:
        return functional.interpolate(x, (edge, edge), mode="bicubic", antialias=True).clamp(0, 1)

    photo, painting = (
        torch.from_numpy(draw(size, size).transpose(2, 0, 1)[None].copy()) for draw in (landscape, strokes)
    )
    sizes = scale_sizes(size, size, size)
    image = None
    began = now()
    for (edge, _), count in zip(sizes, share_steps(steps, len(sizes)), strict=True):
        content = resized(photo, edge)
        with torch.no_grad():
            goal = features(content)[CONTENT]
            seen = features(resized(painting, edge))
            goals = {name: gram(seen[name]) for name in STYLE}
        image = (content if image is None else resized(image.detach(), edge)).requires_grad_()
        optimizer = torch.optim.Adam([image], 0.02, betas=(0.9, 0.99))
        average = torch.zeros_like(image)
        for _ in range(count):
            seen = features(image)
            loss = 0.05 * relative(seen[CONTENT], goal)
            for name in STYLE:
                loss = loss + 0.2 * relative(gram(seen[name]), goals[name])
            tv = sum((d * d).sum() for d in (image.diff(dim=2), image.diff(dim=3))) / image.numel()
            optimizer.zero_grad()
            (loss + 0.2 * tv).backward()
            optimizer.step()
            with torch.no_grad():
                image.clamp_(0, 1)
                average.lerp_(image, 0.01)
        image = average / (1 - 0.99**count)
    assert image is not None
    return image.detach().numpy(), began


PROGRAMS = {"default": functools.partial(ours, default=True), "pixelgrad": ours, "torch": torch_eager}


def now() -> tuple[float, float]:
    times = os.times()
    return time.perf_counter(), times.user + times.system


def measure(program: str, size: int, steps: int) -> None:
    """In a process of its own: print the seconds, by the clock and of the processor."""
    result, began = PROGRAMS[program](size, steps)
    wall, processor = (float(end - start) for end, start in zip(now(), began, strict=True))
    assert np.isfinite(result).all()
    print(json.dumps({"wall": wall, "processor": processor}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--steps", type=int, default=StyleSettings().steps)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        program, size, steps = options.measure
        measure(program, int(size), int(steps))
        return
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"{options.steps} steps, {os.cpu_count()} cores{load}; seconds by the clock and of processor time")
    print(f"{'size':>5} {'default':>16} {'Gram, Adam':>16} {'torch, the same':>16} {'ratio':>14}")
    for edge in options.sizes:
        report(edge, options.steps, options.rounds)


def report(size: int, steps: int, rounds: int) -> None:
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in PROGRAMS}
    for _ in range(rounds):
        for name, found in rows.items():
            command = [sys.executable, __file__, "--measure", name, str(size), str(steps)]
            found.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    cells, ratios = [], []
    for name in PROGRAMS:
        wall, processor = (statistics.median(row[key] for row in rows[name]) for key in ("wall", "processor"))
        cells.append(f"{wall:.1f} / {processor:.1f}")
    for key in ("wall", "processor"):
        ratios.append(statistics.median(b[key] / a[key] for a, b in zip(rows["pixelgrad"], rows["torch"], strict=True)))
    print(f"{size:>5} {cells[0]:>16} {cells[1]:>16} {cells[2]:>16} {ratios[0]:>6.2f}x {ratios[1]:>5.2f}x", flush=True)


if __name__ == "__main__":
    main()
