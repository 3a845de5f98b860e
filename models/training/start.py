"""Where training begins: a solved first layer, and the weights of an earlier network if there is one."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F  # noqa: N812
from fit import Fit, positions
from network import GREY, Folded, Heads, Student
from teachers import SlimVGG
from torch import Tensor


class Rows:
    """Image patches [n, 27] with the target of relu1_1 at their centre [n, targets]; the last eighth is held back."""

    def __init__(self, teacher: SlimVGG, batches: Iterable[Tensor], count: int) -> None:
        """`count` patches are kept of each batch [N, 3, H, W]."""
        patches, goals = [], []
        for image in batches:
            mirrored = F.pad(image - GREY, (1, 1, 1, 1), mode="reflect")
            rows = F.unfold(mirrored, 3).permute(0, 2, 1).reshape(-1, 27)
            target = positions(teacher.targets(image)["relu1_1"])
            kept = torch.randperm(len(rows))[:count]
            patches.append(rows[kept])
            goals.append(target[kept])
        order = torch.randperm(sum(len(rows) for rows in patches))
        x, y = torch.cat(patches)[order], torch.cat(goals)[order]
        self.train, self.test = (x[: -len(x) // 8], y[: -len(x) // 8]), (x[-len(x) // 8 :], y[-len(x) // 8 :])
        self.variance = float((y - y.mean(dim=0)).square().sum(dim=1).mean())


class Stem:
    """The first convolution and its linear map to the teacher's relu1_1, as matrices over patches."""

    def __init__(self, width: int, targets: int) -> None:
        self.weight, self.bias = 0.5 * torch.randn(width, 27), 0.1 * torch.randn(width)
        self.head, self.offset = 0.3 * torch.randn(targets, width), torch.zeros(targets)

    def error(self, patches: Tensor, goals: Tensor) -> Tensor:
        """Mean squared distance to the goals, summed over their channels."""
        hidden = F.relu(patches @ self.weight.T + self.bias)
        return (hidden @ self.head.T + self.offset - goals).square().sum(dim=1).mean()

    def train(self, rows: Rows, steps: int, rate: float) -> None:
        """Adam on random windows of the shuffled rows, with a linear decay."""
        parameters = [self.weight, self.bias, self.head, self.offset]
        optimiser = torch.optim.Adam([p.requires_grad_() for p in parameters], rate, betas=(0.9, 0.99))
        patches, goals = rows.train
        for step in range(steps):
            optimiser.param_groups[0]["lr"] = rate * min(1.0, 1.5 * (1 - step / steps))
            at = int(torch.randint(0, len(patches) - 4096, (1,)))
            loss = self.error(patches[at : at + 4096], goals[at : at + 4096]) / rows.variance
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        for parameter in parameters:
            parameter.requires_grad_(False)


def solved_stem(rows: Rows, width: int) -> tuple[Stem, float]:
    """The first layer alone, with the share of the variance that it explains on rows held back.

    The task is small, and among whole images it learns slowly: 0.962 after the first pebble's whole training, where
    six seconds on shuffled patches reach 0.995 to 0.999.
    """
    stem = Stem(width, rows.train[1].shape[1])
    stem.train(rows, 6000, 1e-2)
    return stem, 1 - float(stem.error(*rows.test)) / rows.variance


@torch.no_grad()
def refitted(network: Folded, stem: Stem, batches: Iterable[Tensor]) -> Folded:
    """`network` with another first layer, and a second that computes from it what it did, as nearly as it can."""
    result = Folded(network.design, dict(network.weights), dict(network.biases))
    result.weights["1_1"], result.biases["1_1"] = stem.weight.reshape(-1, 3, 3, 3), stem.bias
    fit = Fit()
    for image in batches:
        before, after = network.forward(image)["relu1_1"], result.forward(image)["relu1_1"]
        goal = F.conv2d(network.design.padded(before, "1_2"), network.weights["1_2"], network.biases["1_2"])
        rows = F.unfold(network.design.padded(after, "1_2"), 3).permute(0, 2, 1).reshape(goal[:, 0].numel(), -1)
        fit.add(rows, positions(goal))
    solution = fit.solve().float()
    width = network.weights["1_2"].shape[0]
    result.weights["1_2"] = solution[:-1].T.reshape(width, -1, 3, 3).contiguous()
    result.biases["1_2"] = solution[-1].clone()
    return result


@torch.no_grad()
def warm(student: Student, heads: Heads, network: Folded, pairs: Iterable[tuple[Tensor, dict[str, Tensor]]]) -> None:
    """Give a student the function of `network`, and its heads the least-squares maps to the teachers' targets.

    `pairs` are images [N, 3, H, W] with their targets. Each normalisation is set to undo itself: its statistics are
    those of its convolution over the images, its scale and shift turn them back.
    """
    pairs = list(pairs)
    sums = {suffix: torch.zeros(2, len(bias), dtype=torch.float64) for suffix, bias in network.biases.items()}
    for image, _ in pairs:
        for suffix, x in network.convolved(image).items():
            moments = [x.double().mean(dim=(0, 2, 3)), x.double().square().mean(dim=(0, 2, 3))]
            sums[suffix] += torch.stack(moments) / len(pairs)
    for suffix, (mean, square) in sums.items():
        student.convolutions[suffix].weight.copy_(network.weights[suffix])
        norm = student.norms[suffix]
        assert isinstance(norm, torch.nn.BatchNorm2d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.copy_(mean - network.biases[suffix])
        norm.running_var.copy_(square - mean.square())
        norm.weight.copy_(torch.sqrt(norm.running_var + norm.eps))
        norm.bias.copy_(mean)
    student.eval()
    fits = {target: Fit() for target in heads.sources}
    for image, targets in pairs:
        features = student(image)
        for target, source in heads.sources.items():
            fits[target].add(positions(features[source]), positions(targets[target]))
    for target, fit in fits.items():
        heads.set(target, fit.solve().float())
