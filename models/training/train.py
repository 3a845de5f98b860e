"""Train pebble against its teachers, and write it as ONNX.

    python models/training/train.py --data ../shared --out models/pebble.onnx --checkpoint pebble.ckpt --length 120

trains from random weights for 120 minutes, the rates falling to zero in that time; `--start FILE.onnx` begins from an
earlier network instead, and `--steps` sets the length in steps. The first layer is solved on its own before.

The loss is, per target, the mean squared error of a 1x1 head divided by the target's variance, under a square root so
that no layer drowns another. A checkpoint is written every few minutes; the same command continues from it.
"""

from __future__ import annotations

import argparse
import logging
import math
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from calibrate import calibrated
from data import Crops, held_out
from export import read_onnx, write_onnx
from fit import positions
from network import LAYERS, Design, Folded, Heads, Student, design_from
from optimiser import Muon
from start import Rows, refitted, solved_stem, warm
from teachers import OnnxTeacher, SlimVGG
from torch import Tensor

log = logging.getLogger("train")

#: (size, count) of a batch: two steps in five on larger crops, which deep layers see more of.
BATCHES = ((128, 8), (128, 8), (192, 4), (128, 8), (256, 2))

#: GoogLeNet tensors, and the student's layer of the same stride that answers for each.
GOOGLENET = {"conv2/3x3": "relu3_4", "inception_3b/output": "relu4_4", "inception_4c/output": "relu5_1"}

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class Teachers:
    """All teachers at once: targets by name, and the heads' shapes."""

    def __init__(self, weights: Path, design: Design, options: argparse.Namespace) -> None:
        dtype, googlenet = PRECISIONS[options.precision], options.googlenet
        self.slim = SlimVGG(weights / "vgg19_slim16x.pth", dtype)
        self.googlenet = None
        widths = {f"relu{suffix}": width for suffix, _, width in design.convolutions()}
        self.heads = {name: (name, widths[name], self.slim.channels[name[4:]]) for name in LAYERS}
        self.weights = dict(zip(LAYERS, options.weights, strict=True))
        if googlenet > 0:
            self.googlenet = OnnxTeacher(weights / "googlenet.onnx", tuple(GOOGLENET), dtype)
            sample = self.googlenet.targets(torch.zeros(1, 3, 64, 64))
            for name, source in GOOGLENET.items():
                self.heads[name] = (source, widths[source], sample[name].shape[1])
                self.weights[name] = googlenet

    def targets(self, image: Tensor) -> dict[str, Tensor]:
        """What the heads should give for this batch."""
        result = self.slim.targets(image)
        if self.googlenet is not None:
            result |= self.googlenet.targets(image)
        return result


@dataclass
class Run:
    """Everything that a checkpoint holds."""

    student: Student
    heads: Heads
    average: dict[str, Tensor]
    optimisers: list[torch.optim.Optimizer]
    variances: dict[str, Tensor]
    step: int = 0
    seconds: float = 0.0

    def state(self) -> dict[str, Any]:
        """Plain tensors and numbers only, so that it loads without unpickling code."""
        return {
            "design": self.student.design.as_dict(),
            "student": self.student.state_dict(),
            "heads": self.heads.state_dict(),
            "average": self.average,
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "variances": self.variances,
            "step": self.step,
            "seconds": self.seconds,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Continue from `state`."""
        self.student.load_state_dict(state["student"])
        self.heads.load_state_dict(state["heads"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.average, self.variances = state["average"], state["variances"]
        self.step, self.seconds = state["step"], state["seconds"]

    @torch.no_grad()
    def follow(self) -> None:
        """Exponential moving average of all weights and statistics over about the last 500 steps."""
        decay = min(0.998, (1 + self.step) / (10 + self.step))
        for name, value in _tensors(self.student, self.heads).items():
            kept = self.average.setdefault(name, value.detach().clone())
            if value.is_floating_point():
                kept.lerp_(value, 1 - decay)

    def averaged(self) -> tuple[Student, Heads]:
        """Copies with the averaged weights, in evaluation mode."""
        student = Student(self.student.design)
        shapes = {name: self.heads.weight(name).shape for name in self.heads.sources}
        heads = Heads({name: (source, shapes[name][1], shapes[name][0]) for name, source in self.heads.sources.items()})
        for name, module in (("student.", student), ("heads.", heads)):
            state = {k.removeprefix(name): v for k, v in self.average.items() if k.startswith(name)}
            module.load_state_dict(state)
        return student.eval(), heads.eval()


def _tensors(student: Student, heads: Heads) -> dict[str, Tensor]:
    rows = {f"student.{name}": value for name, value in student.state_dict().items()}
    return rows | {f"heads.{name}": value for name, value in heads.state_dict().items()}


def progress(run: Run, options: argparse.Namespace) -> float:
    """Share of the schedule that is over, by the clock where its length is given in minutes."""
    return run.seconds / (60 * options.length) if options.length else run.step / options.steps


def rate(step: int, share: float) -> float:
    """Share of the peak rate: a warm-up over 200 steps, then flat for a third, then linear to zero."""
    return min(1.0, (step + 1) / 200, 1.5 * (1 - share))


def build(design: Design, teachers: Teachers, options: argparse.Namespace) -> Run:
    """A student at random weights with its optimisers."""
    student, heads = Student(design), Heads(teachers.heads)
    # The first convolution sees colours, not features: orthogonal rows mean nothing there, and Adam is steadier.
    inner = {id(module.weight) for suffix, module in student.convolutions.items() if suffix != "1_1"}
    kernels = [p for p in student.parameters() if id(p) in inner]
    others = [p for p in student.parameters() if id(p) not in inner]
    optimisers: list[torch.optim.Optimizer] = []
    if options.optimiser == "muon":
        optimisers.append(Muon(kernels, options.rate))
    else:
        optimisers.append(torch.optim.Adam(kernels, options.adam_rate, betas=(0.9, 0.99)))
    optimisers.append(torch.optim.Adam([*others, *heads.parameters()], options.adam_rate, betas=(0.9, 0.99)))
    student.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    heads.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Run(student, heads, {}, optimisers, {})


def begin(run: Run, teachers: Teachers, crops: Crops, start: Folded | None) -> None:
    """Solve the first layer, and take all others from `start` if there is one."""
    rows = Rows(teachers.slim, (crops.batch(8, 96) for _ in range(80)), 6000)
    stem, share = solved_stem(rows, run.student.design.channels[0])
    log.info("first layer alone: explained %.4f", share)
    if start is None:
        run.student.convolutions["1_1"].weight.data.copy_(stem.weight.reshape(-1, 3, 3, 3))
        return
    start = refitted(start, stem, (crops.batch(4, 96) for _ in range(12)))
    images = [crops.batch(4, 192) for _ in range(40)]
    warm(run.student, run.heads, start, ((image, teachers.targets(image)) for image in images))


def losses(run: Run, image: Tensor, targets: dict[str, Tensor], half: bool) -> dict[str, Tensor]:
    """Per target, the share of its variance that the head leaves unexplained."""
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        estimates = run.heads(run.student(image))
    result = {}
    for name, target in targets.items():
        target, estimate = positions(target), positions(estimates[name])
        spread = target.square().mean(dim=0).sum() - target.mean(dim=0).square().sum()
        # A running mean: one batch of flat areas must not blow its own errors up.
        kept = run.variances.setdefault(name, spread.clone())
        kept.lerp_(spread, 0.01)
        result[name] = F.mse_loss(estimate.float(), target) * target.shape[1] / kept
    return result


@torch.no_grad()
def explained(student: Student, heads: Heads, teachers: Teachers, images: list[tuple[str, Tensor]]) -> dict[str, float]:
    """Explained variance per target over `images`, with the trained heads."""
    sums: dict[str, Tensor] = {}
    for _, image in images:
        image = image[:, :, 64:320, 64:320]
        targets = teachers.targets(image)
        estimates = heads(student(image))
        for name, target in targets.items():
            target = positions(target).double()
            error = (positions(estimates[name]) - target).square().sum(dim=0)
            count = torch.full_like(error, len(target))
            row = torch.stack([error, count, target.sum(dim=0), target.square().sum(dim=0)])
            sums[name] = sums.get(name, torch.zeros_like(row)) + row
    return {
        name: float(1 - error.sum() / (squares - total**2 / area).sum())
        for name, (error, area, total, squares) in sums.items()
    }


def save(run: Run, path: Path) -> None:
    """Write beside and rename: a killed process leaves the old checkpoint whole."""
    beside = path.with_suffix(".part")
    torch.save(run.state(), beside)
    beside.replace(path)


def train(run: Run, teachers: Teachers, crops: Crops, options: argparse.Namespace) -> None:
    """Step to the end of the schedule, or until `options.minutes` of this sitting have passed."""
    images = held_out(options.data / "images")
    peaks = [[group["lr"] for group in o.param_groups] for o in run.optimisers]
    start, saved, shown, running = time.monotonic(), time.monotonic(), time.monotonic(), dict[str, float]()
    earlier = run.seconds
    run.student.train()
    while (share := progress(run, options)) < 1:
        if options.minutes is not None and time.monotonic() - start >= 60 * options.minutes:
            save(run, options.checkpoint)
            log.info("stopped after %.0f minutes; the same command continues", options.minutes)
            return
        if share >= options.freeze:
            # The last stretch trains the very function that is folded and shipped.
            for norm in run.student.norms.values():
                norm.eval()
        size, count = BATCHES[run.step % len(BATCHES)]
        image = crops.batch(count, size)
        terms = losses(run, image, teachers.targets(image), options.precision == "bfloat16")
        loss = sum((teachers.weights[name] * (term + 1e-4).sqrt() for name, term in terms.items()), torch.zeros(()))
        for optimiser, tops in zip(run.optimisers, peaks, strict=True):
            optimiser.zero_grad(set_to_none=True)
            for group, top in zip(optimiser.param_groups, tops, strict=True):
                group["lr"] = top * rate(run.step, share)
        loss.backward()  # type: ignore[no-untyped-call]
        if math.isfinite(loss.item()):
            for optimiser in run.optimisers:
                optimiser.step()
        run.step += 1
        run.follow()
        for name, term in terms.items():
            running[name] = 0.99 * running.get(name, term.item()) + 0.01 * term.item()
        now = time.monotonic()
        run.seconds = earlier + now - start
        over = progress(run, options) >= 1
        if now - shown > 60 or over:
            shown = now
            log.info("step %d  %.0f s  left %s", run.step, run.seconds, _row(running))
        if now - saved > 60 * options.every or over:
            saved = now
            save(run, options.checkpoint)
            log.info("held out: explained %s", _row(explained(*run.averaged(), teachers, images)))


def _row(values: dict[str, float]) -> str:
    return "  ".join(f"{name.removeprefix('relu')} {value:.3f}" for name, value in values.items())


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(os.environ.get("PIXELGRAD_TEST_DATA", "../shared"))
    parser.add_argument("--data", type=Path, default=default, help="folder with weights/ and images/")
    parser.add_argument("--out", type=Path, help="ONNX file to write at the end")
    parser.add_argument("--checkpoint", "--resume", type=Path, default=Path("pebble.ckpt"), help="written and read")
    parser.add_argument("--every", type=float, default=5, help="minutes between checkpoints")
    parser.add_argument("--steps", type=int, default=60000, help="length of the schedule")
    parser.add_argument("--length", type=float, help="length of the schedule in minutes, instead of --steps")
    parser.add_argument("--start", type=Path, help="ONNX file of an earlier network to begin from")
    parser.add_argument("--minutes", type=float, help="length of this sitting; 0 only writes --out")
    parser.add_argument("--optimiser", choices=("muon", "adam"), default="muon")
    parser.add_argument("--rate", type=float, default=0.02, help="peak rate of muon")
    parser.add_argument("--adam-rate", type=float, default=2e-3, help="peak rate of adam")
    parser.add_argument("--freeze", type=float, default=0.8, help="share of the steps after which norms are fixed")
    parser.add_argument("--weights", type=float, nargs=6, default=(1.0,) * 6, help=f"in the loss, of {LAYERS}")
    parser.add_argument(
        "--precision",
        choices=tuple(PRECISIONS),
        default="float32",
        help="bfloat16 is faster on processors that have it, and three times slower on those that emulate it",
    )
    parser.add_argument("--googlenet", type=float, default=0.0, help="weight of GoogLeNet's targets")
    parser.add_argument("--pool", choices=("average", "blur"), default="average")
    parser.add_argument("--reflected", type=int, default=5, help="blocks that pad by reflection")
    parser.add_argument("--channels", type=int, nargs=5, default=(16, 32, 64, 128, 128))
    parser.add_argument("--depths", type=int, nargs=5, default=(2, 2, 4, 4, 1))
    parser.add_argument("--drawings", type=int, default=660, help="pictures drawn by code")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    if options.steps < 1:
        parser.error(f"--steps is {options.steps}; it must be at least 1")
    if options.length is not None and not options.length > 0:
        parser.error(f"--length is {options.length}; it must be above 0")
    for path in (options.out, options.checkpoint):
        if path is not None and not path.absolute().parent.is_dir():
            parser.error(f"there is no folder {path.parent} to write {path.name} to")
    return options


def main(arguments: list[str] | None = None) -> None:
    """Train, or continue, and export."""
    options = parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    state = torch.load(options.checkpoint, weights_only=True) if options.checkpoint.exists() else None
    design = Design(tuple(options.channels), tuple(options.depths), options.pool, options.reflected)
    if state is not None and design_from(state["design"]) != design:
        raise SystemExit(f"{options.checkpoint} holds another design: {state['design']}")
    teachers = Teachers(options.data / "weights", design, options)
    run = build(design, teachers, options)
    if state is not None:
        run.load(state)
    # A resumed run draws other crops than the ones it has seen.
    crops = Crops(options.data / "images", options.drawings, options.seed + run.step)
    log.info("%s, from step %d", design, run.step)
    if state is None:
        start = read_onnx(options.start) if options.start else None
        if start is not None and (start.design.channels, start.design.depths) != (design.channels, design.depths):
            raise SystemExit(f"{options.start} holds another design: {start.design}")
        begin(run, teachers, crops, start)
        run.follow()
        log.info(
            "held out: explained %s", _row(explained(*run.averaged(), teachers, held_out(options.data / "images")))
        )
    train(run, teachers, crops, options)
    if options.out:
        student, heads = run.averaged()
        network = calibrated(student.folded(), heads, (crops.batch(4, 192) for _ in range(16)))
        write_onnx(network, options.out)
        log.info("wrote %s", options.out)


if __name__ == "__main__":
    main()
