"""The same loss descended by our optimisers and by PyTorch's: what the benchmarks of texture and style share."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch.nn import functional

from pixelgrad.runtime import Artifact
from pixelgrad.runtime.optimizers import make_optimizer

Array = np.ndarray[Any, Any]
RATES = (0.01, 0.03)


class TorchNetwork:
    """The layers of an ONNX chain of convolutions and poolings, computed by PyTorch."""

    def __init__(self, path: str | Path, pool: str) -> None:
        graph = onnx.load(path).graph
        self._constants = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in graph.initializer}
        self._image = next(i.name for i in graph.input if i.name not in self._constants)
        self._nodes, self._pool = list(graph.node), pool

    def __call__(self, image: torch.Tensor, layers: set[str]) -> dict[str, torch.Tensor]:
        known = {**self._constants, self._image: image}
        missing = set(layers)
        for node in self._nodes:
            if not missing:
                break
            known[node.output[0]] = self._run(node, [known[name] for name in node.input if name])
            missing.discard(node.output[0])
        return {layer: known[layer] for layer in layers}

    def _run(self, node: onnx.NodeProto, x: list[torch.Tensor]) -> torch.Tensor:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == "Constant":
            return torch.from_numpy(numpy_helper.to_array(attributes["value"]).copy())
        if node.op_type == "Conv":
            pads = attributes.get("pads", [0] * 4)
            return functional.conv2d(x[0], x[1], x[2] if len(x) > 2 else None, padding=(pads[0], pads[1]))
        if node.op_type == "Relu":
            return functional.relu(x[0])
        if node.op_type in ("MaxPool", "AveragePool"):
            average = self._pool == "avg" or node.op_type == "AveragePool"
            return (functional.avg_pool2d if average else functional.max_pool2d)(x[0], 2)
        if node.op_type == "Pad":
            pads = [int(v) for v in x[1]]
            return functional.pad(x[0], (pads[3], pads[7], pads[2], pads[6]), mode="reflect")
        if node.op_type in ("Sub", "Add", "Mul", "Div"):
            return getattr(torch, node.op_type.lower())(x[0], x[1])
        raise SystemExit(f"no PyTorch form of {node.op_type}")


def gram(features: torch.Tensor) -> torch.Tensor:
    flat = features.flatten(2)
    return flat @ flat.mT / flat.shape[-1]


def normalised(value: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return ((value - target) ** 2).sum() / (target**2).sum()


@dataclass
class Problem:
    """One loss, as an artifact with its targets and as a PyTorch function, and where to start."""

    artifact: Artifact
    targets: Mapping[str, Array]
    torch_loss: Callable[[torch.Tensor], torch.Tensor]
    start: Array

    def value(self, image: Array) -> float:
        """PyTorch's loss of a picture, whoever made it."""
        with torch.no_grad():
            return float(self.torch_loss(torch.from_numpy(np.clip(image, 0, 1))))


def ours(problem: Problem, name: str, evaluations: int) -> tuple[Array, float]:
    began = time.perf_counter()
    optimizer = make_optimizer(name, problem.start, problem.artifact, 0.02)
    for _ in range(evaluations):
        found = problem.artifact.evaluate(optimizer.image, problem.targets)
        optimizer.update(found.loss, found.gradient)
    return optimizer.result, time.perf_counter() - began


def torch_lbfgs(problem: Problem, evaluations: int) -> tuple[Array, float]:
    began = time.perf_counter()
    image = torch.from_numpy(problem.start.copy()).requires_grad_()
    # Not to stop before the budget is spent.
    options = {"max_iter": evaluations, "max_eval": evaluations, "tolerance_grad": 0.0, "tolerance_change": 0.0}
    optimizer = torch.optim.LBFGS([image], history_size=10, line_search_fn="strong_wolfe", **options)
    used, best, result = 0, float("inf"), problem.start

    def closure() -> torch.Tensor:
        nonlocal used, best, result
        used += 1
        optimizer.zero_grad()
        loss = problem.torch_loss(image)
        loss.backward()
        # A line search may try more than it was allowed: only what was within the budget counts.
        if used <= evaluations and float(loss.detach()) < best:
            best, result = float(loss.detach()), image.detach().numpy().copy()
        return loss

    optimizer.step(closure)
    return result, (time.perf_counter() - began) * evaluations / used


def torch_adam(problem: Problem, evaluations: int, rate: float) -> tuple[Array, float]:
    began = time.perf_counter()
    image = torch.from_numpy(problem.start.copy()).requires_grad_()
    optimizer = torch.optim.Adam([image], lr=rate)
    for _ in range(evaluations):
        optimizer.zero_grad()
        problem.torch_loss(image).backward()
        optimizer.step()
        with torch.no_grad():
            image.clamp_(0, 1)
    return image.detach().numpy(), time.perf_counter() - began


def parser(description: str) -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(description=description)
    found.add_argument("--model", required=True, help="an ONNX chain of convolutions, as the slim VGG-19 is")
    found.add_argument("--size", type=int, default=192)
    found.add_argument("--threads", type=int, help="of PyTorch; its own choice by default")
    found.add_argument("--evaluations", type=int, nargs="+", default=[50, 150])
    return found


def report(problem: Problem, budgets: list[int], threads: int | None = None) -> None:
    """A table of final losses and times; each method starts from the same picture."""
    if threads is not None:
        torch.set_num_threads(threads)
    image = problem.start
    mine, theirs = problem.artifact.evaluate(image, problem.targets).loss, problem.value(image)
    print(f"loss at the start: {mine:.6g} here, {theirs:.6g} in PyTorch ({abs(mine / theirs - 1):.0e})")
    print(f"{'evaluations':>11}  {'method':<28} {'loss':>10} {'/ best of torch':>15} {'seconds':>8}")
    for budget in budgets:
        rows = {
            "torch L-BFGS, strong Wolfe": torch_lbfgs(problem, budget),
            **{f"torch Adam, rate {rate}": torch_adam(problem, budget, rate) for rate in RATES},
            "pixelgrad L-BFGS": ours(problem, "lbfgs", budget),
            "pixelgrad Adam": ours(problem, "adam", budget),
        }
        losses = {name: problem.value(picture) for name, (picture, _) in rows.items()}
        best = min(loss for name, loss in losses.items() if name.startswith("torch"))
        for name, (_, seconds) in rows.items():
            print(
                f"{budget:>11}  {name:<28} {losses[name]:>10.4g} {losses[name] / best:>15.2f} {seconds:>8.1f}",
                flush=True,
            )
