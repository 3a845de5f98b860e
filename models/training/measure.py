"""Measure a trained network on held-out images, beside random weights of the same shape and beside the teacher.

    python models/training/measure.py --data ../shared --network models/pebble.onnx

Per layer it prints

- explained: the share of the teacher's feature variance that a linear map of the network's layer explains on held-out
  images; the map is a least-squares fit with a constant over the training images, at two scales;
- dead: the share of channels that are positive at fewer than one in a thousand positions, or that hardly vary;
- rank: the effective rank of the Gram matrix, exp(entropy of its eigenvalues) (Roy and Vetterli 2007), the channels
  brought to equal energy first, over the number of channels;
- grain: the share of a Gram loss's pixel gradient above three quarters of the Nyquist frequency. White noise has 0.44;
- border: the error of the fitted map along the outermost cells of the layer over its error elsewhere.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from data import HELD_OUT, SHARES, SUFFIXES, held_out, read
from export import read_onnx
from fit import Fit, positions, with_constant
from network import LAYERS, Design, Folded
from teachers import SlimVGG
from torch import Tensor

log = logging.getLogger("measure")

Features = Callable[[Tensor], dict[str, Tensor]]

STYLE_LAYERS = tuple(name for name in LAYERS if name.endswith("_1"))


def training_images(images: Path) -> list[Tensor]:
    """Centre crops of at most 512 pixels of every training image, whole and at half scale."""
    result = []
    for folder in SHARES:
        for path in sorted((images / folder).glob("*")):
            if path.suffix not in SUFFIXES or path.name in HELD_OUT:
                continue
            image = read(path)[None]
            for scaled in (image, F.avg_pool2d(image, 2)):
                height, width = (min(512, side) // 16 * 16 for side in scaled.shape[2:])
                top, left = (scaled.shape[2] - height) // 2, (scaled.shape[3] - width) // 2
                result.append(scaled[:, :, top : top + height, left : left + width].contiguous())
    return result


def random_weights(design: Design, seed: int = 0) -> Folded:
    """The same architecture at He-normal weights (He et al. 2015) and zero biases."""
    generator = torch.Generator().manual_seed(seed)
    result = Folded(design)
    for suffix, fan_in, fan_out in design.convolutions():
        result.weights[suffix] = torch.randn(fan_out, fan_in, 3, 3, generator=generator) * (2 / (9 * fan_in)) ** 0.5
        result.biases[suffix] = torch.zeros(fan_out)
    return result


@torch.no_grad()
def fidelity(
    network: Features, teacher: SlimVGG, training: list[Tensor], held: list[Tensor]
) -> dict[str, tuple[float, float]]:
    """Per layer, (explained variance, border error over inner error) on the held-out images."""
    fits = {layer: Fit() for layer in LAYERS}
    for image in training:
        features, targets = network(image), teacher.targets(image)
        for layer, fit in fits.items():
            fit.add(positions(features[layer]), positions(targets[layer]))
    maps = {layer: fit.solve() for layer, fit in fits.items()}
    errors = {layer: Errors() for layer in LAYERS}
    for image in held:
        features, targets = network(image), teacher.targets(image)
        for layer, found in errors.items():
            found.add(with_constant(positions(features[layer])) @ maps[layer], targets[layer])
    return {layer: (found.explained(), found.border()) for layer, found in errors.items()}


class Errors:
    """What a fitted map leaves of one layer, position by position."""

    def __init__(self) -> None:
        self.errors: list[Tensor] = []
        self.goals: list[Tensor] = []
        self.ring: list[Tensor] = []
        self.inner: list[Tensor] = []

    def add(self, estimate: Tensor, target: Tensor) -> None:
        """`estimate` [H * W, C] of `target` [1, C, H, W]."""
        goal = positions(target).double()
        error = (estimate - goal).square().sum(dim=1)
        self.errors.append(error)
        self.goals.append(goal)
        square = error.reshape(target.shape[2:])
        self.inner.append(square[1:-1, 1:-1].flatten())
        self.ring.append(torch.cat([square[0], square[-1], square[1:-1, 0], square[1:-1, -1]]))

    def explained(self) -> float:
        """Share of the targets' variance."""
        goal = torch.cat(self.goals)
        return float(1 - torch.cat(self.errors).sum() / (goal - goal.mean(dim=0)).square().sum())

    def border(self) -> float:
        """Mean error along the outermost cells over that elsewhere."""
        return float(torch.cat(self.ring).mean() / torch.cat(self.inner).mean().clamp_min(1e-30))


@torch.no_grad()
def health(network: Features, images: list[Tensor], layer: str) -> tuple[float, float]:
    """(share of dead channels, effective rank over channels) of one layer on real images."""
    columns = torch.cat([positions(network(image)[layer]).double() for image in images])
    active, spread = (columns > 0).double().mean(dim=0), columns.std(dim=0)
    dead = (active < 1e-3) | (spread < 1e-2 * spread.mean())
    gram = columns.T @ columns / len(columns)
    scale = gram.diagonal().clamp_min(1e-30).rsqrt()
    scale[dead] = 0
    values = torch.linalg.eigvalsh(scale[:, None] * gram * scale[None, :]).clamp_min(0)
    shares = values / values.sum()
    entropy = -(shares * shares.clamp_min(1e-30).log()).sum()
    return float(dead.double().mean()), float(entropy.exp() / len(shares))


def grain(network: Features, images: list[Tensor], layer: str) -> float:
    """Share of the gradient's energy above three quarters of the Nyquist frequency, image i with the Gram of i + 1."""
    shares = []
    for image, style in zip(images, images[1:] + images[:1], strict=True):
        window = image[:, :, :256, :256].clone().requires_grad_()
        with torch.no_grad():
            goal = gram_matrix(network(style[:, :, :256, :256])[layer])
        loss = (gram_matrix(network(window)[layer]) - goal).square().sum()
        (gradient,) = torch.autograd.grad(loss, window)
        power = torch.fft.fft2(gradient[0]).abs().square().sum(dim=0)
        vertical, horizontal = (torch.fft.fftfreq(side).abs() for side in power.shape)
        high = torch.maximum(vertical[:, None], horizontal[None, :]) > 0.375
        shares.append(float(power[high].sum() / power.sum()))
    return sum(shares) / len(shares)


def gram_matrix(x: Tensor) -> Tensor:
    """Channel products averaged over positions, [C, C] (Gatys et al. 2016, equation 3)."""
    flat = x[0].flatten(1)
    return flat @ flat.T / flat.shape[1]


@dataclass(frozen=True)
class Row:
    """One layer of one network; the columns are explained above."""

    network: str
    layer: str
    explained: float
    border: float
    dead: float
    rank: float
    grain: float


def table(name: str, network: Features, teacher: SlimVGG, training: list[Tensor], held: list[Tensor]) -> list[Row]:
    """One row per layer, printed as it is found."""
    rows = []
    log.info("%-10s %9s %7s %6s %6s %7s", name, "explained", "border", "dead", "rank", "grain")
    for layer, (explained, border) in fidelity(network, teacher, training, held).items():
        dead, rank = health(network, held, layer)
        row = Row(name, layer, explained, border, dead, rank, grain(network, held, layer))
        log.info("%-10s %9.3f %7.2f %6.3f %6.3f %7.3f", layer, explained, border, dead, rank, row.grain)
        rows.append(row)
    return rows


def all_rows(data: Path, network: Path, *, beside: bool) -> list[Row]:
    """The table of a network, and beside it those of random weights and of the teacher."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    teacher = SlimVGG(data / "weights" / "vgg19_slim16x.pth")
    held = [image for _, image in held_out(data / "images")]
    training = training_images(data / "images")
    student = read_onnx(network)
    found: list[tuple[str, Features]] = [("student", student.forward)]
    if beside:
        found += [("random", random_weights(student.design).forward), ("teacher", teacher.differentiable)]
    return [row for name, features in found for row in table(name, features, teacher, training, held)]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(os.environ.get("PIXELGRAD_TEST_DATA", "../shared"))
    parser.add_argument("--data", type=Path, default=default, help="folder with weights/ and images/")
    parser.add_argument("--network", type=Path, required=True, help="ONNX file that export.py wrote")
    parser.add_argument("--only", action="store_true", help="leave out random weights and the teacher itself")
    options = parser.parse_args()
    all_rows(options.data, options.network, beside=not options.only)


if __name__ == "__main__":
    main()
