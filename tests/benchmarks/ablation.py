"""What each ingredient of a class picture is good for: GoogLeNet's pictures with one thing changed at a time.

    python tests/benchmarks/ablation.py --out ablation

A line for each setting, and three classes to each: the class's rank and probability in SqueezeNet, which had no part in
them (recognisability), the share of the power in waves of 4 to 16 pixels (sharpness) and of less than 4 (noise), and
the mean difference between the largest and the smallest of a pixel's colours, of [0, 1] (colour). The first line has
the last three of photographs. Writes ablation.png, with a strip of three pictures for each setting, the pictures and
ablation.json into --out; a run that was broken off goes on where it was. The processor seconds of the first two
settings, taken in turn, tell what ours costs beside the prototype.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from classes import Judge

from pixelgrad.models import find_class
from pixelgrad.networks import load_network
from pixelgrad.runtime import Artifact, Unit, VisualizeSettings, choose_device, visualize
from pixelgrad.runtime.images import Picture, read_image, sheet
from pixelgrad.tasks import visualize_artifact

CLASSES = "banana, dumbbell, volcano"
SIZE = 224
_ABREAST = 6
#: Fourier pixels, decorrelated colour, 16 pixels of jitter and nothing else, Adam at 0.05: what there was before.
PROTOTYPE: dict[str, Any] = {
    "coarsest": SIZE,
    "cut": 0.0,
    "learning_rate": 0.05,
    "scale": (1.0, 1.0),
    "rotate": 0.0,
    "rivals_weight": 0.0,
}
FULL: dict[str, dict[str, Any]] = {"prototype": PROTOTYPE, "ours": {}}
CHANGES: dict[str, dict[str, Any]] = {
    "ours": {},
    "no coarse scales": {"coarsest": SIZE},
    "no cut of fine waves": {"cut": 0.0},
    "red, green, blue": {"decorrelate": False},
    "pixels": {"parameters": "pixels"},
    "jitter alone": {"scale": (1.0, 1.0), "rotate": 0.0},
    "no transforms": {"jitter": 0, "scale": (1.0, 1.0), "rotate": 0.0},
    "with TV": {"tv_weight": 50.0},
    "with alpha norm": {"norm_weight": 50.0},
}


@dataclass
class Row:
    """A setting with its pictures. measured: of each, by class."""

    name: str
    steps: int
    changes: dict[str, Any]
    pictures: dict[str, Picture] = field(default_factory=dict)
    measured: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return f"{self.name}, {self.steps} steps"

    def file(self, out: Path, name: str) -> Path:
        return out / f"{self.title}-{name}.png".replace(" ", "-").replace(",", "")

    def mean(self, what: str) -> float:
        return float(np.mean([one[what] for one in self.measured.values()]))


def measures(picture: Picture) -> dict[str, float]:
    """Shares of the power, the mean left out, by wavelength; and how far a pixel's colours lie apart."""
    pixels = picture.flattened().pixels.astype(np.float64)
    grey = pixels.mean(-1)
    power = np.abs(np.fft.fft2(grey - grey.mean())) ** 2
    waves = np.hypot(np.fft.fftfreq(grey.shape[0])[:, None], np.fft.fftfreq(grey.shape[1])[None])
    return {
        "sharp": float(power[(waves > 1 / 16) & (waves <= 1 / 4)].sum() / power.sum()),
        "noise": float(power[waves > 1 / 4].sum() / power.sum()),
        "colour": float((pixels.max(-1) - pixels.min(-1)).mean()),
    }


def photographs(folder: Path) -> dict[str, float]:
    """The mean of the photographs of a folder, the middle square of each at our size."""
    found = []
    for file in sorted(folder.iterdir()):
        picture = read_image(file)
        edge, (width, height) = min(picture.size), picture.size
        top, left = (height - edge) // 2, (width - edge) // 2
        square = Picture(picture.pixels[top : top + edge, left : left + edge].copy(), None, None)
        found.append(measures(square.resized(SIZE, SIZE)))
    return {name: float(np.mean([one[name] for one in found])) for name in found[0]}


def make(row: Row, name: str, index: int, model: Path, judge: Judge, arguments: argparse.Namespace) -> None:
    settings = VisualizeSettings(size=SIZE, steps=row.steps, seed=arguments.seed, **row.changes)
    device = choose_device(arguments.device)
    artifact = Artifact(visualize_artifact(model, unit="class", settings=settings, device=device), device=device)
    artifact.training  # noqa: B018  (opened before the clock starts)
    begun = time.process_time()
    *_, event = visualize(artifact, [Unit(index, name)], settings)
    seconds = time.process_time() - begun
    event.picture().save(row.file(Path(arguments.out), name), force=True)
    picture = read_image(row.file(Path(arguments.out), name))
    opaque = Picture(picture.pixels)  # the networks know no mask
    rank, share = judge(opaque, index)
    row.pictures[name] = picture
    row.measured[name] = {"rank": rank, "probability": share, "seconds": seconds, **measures(opaque)}


def draw(rows: list[Row]) -> Picture:
    """The settings one after the other, six pictures abreast at most, and a setting's pictures in one line."""
    lines: list[list[tuple[Picture, str]]] = []
    for row in rows:
        cells = [
            (row.pictures[name], f"{row.title}\n{name}: {one['rank']} ({one['probability']:.2f})")
            for name, one in row.measured.items()
        ]
        if lines and len(lines[-1]) + len(cells) <= _ABREAST:
            lines[-1] += cells
        elif cells:
            lines.append(cells)
    pictures, captions = ([[cell[part] for cell in line] for line in lines] for part in (0, 1))
    return sheet(pictures, captions=captions, cell=160, text_size=13)


def report(rows: list[Row], natural: dict[str, float]) -> str:
    lines = [
        "| setting | SqueezeNet's rank (probability) of each class | sharp | noise | colour |",
        "|---|---|---|---|---|",
        f"| photographs | | {100 * natural['sharp']:.1f}% | {100 * natural['noise']:.1f}% | {natural['colour']:.2f} |",
    ]
    for row in rows:
        ranks = ", ".join(f"{one['rank']} ({one['probability']:.2f})" for one in row.measured.values())
        sharp, noise = (f"{100 * row.mean(what):.1f}%" for what in ("sharp", "noise"))
        lines.append(f"| {row.title} | {ranks} | {sharp} | {noise} | {row.mean('colour'):.2f} |")
    ratio = rows[1].mean("seconds") / rows[0].mean("seconds")
    return "\n".join([*lines, "", f"ours takes {ratio:.2f} times as long as the prototype"])


def run(arguments: argparse.Namespace) -> None:
    data, out = Path(arguments.data), Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    model, judge = data / "weights/googlenet.onnx", Judge(data / "weights/squeezenet1_1.onnx")
    network = load_network(model)
    units = [(name.strip(), find_class(network, name.strip())) for name in arguments.classes.split(",")]
    rows = [Row(name, arguments.full_steps, changes) for name, changes in FULL.items()]
    rows += [Row(name, arguments.steps, changes) for name, changes in CHANGES.items()]
    # The first two in turn, so that both see the same hours of the machine; then the changes, class by class.
    jobs = [(row, *unit) for part in (rows[:2], rows[2:]) for unit in units for row in part]
    numbers = out / "ablation.json"
    known = json.loads(numbers.read_text()) if numbers.exists() else {}
    for row, name, index in jobs:
        file = row.file(out, name)
        if file.name in known and file.exists():
            row.pictures[name], row.measured[name] = read_image(file), known[file.name]
        else:
            make(row, name, index, model, judge, arguments)
            known[file.name] = row.measured[name]
            numbers.write_text(json.dumps(known, indent=1) + "\n")
        one = row.measured[name]
        print(
            f"{row.title:34} {name:10} {one['rank']:5} ({one['probability']:.2f})  {one['seconds']:6.1f} s", flush=True
        )
        draw(rows).save(out / "ablation.png", force=True)
    print(report(rows, photographs(data / "images/kodak")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", default=os.environ.get("PIXELGRAD_TEST_DATA", "../shared"), help="holds weights/ and images/kodak/"
    )
    parser.add_argument("--out", default="ablation", help="folder to write to")
    parser.add_argument("--classes", default=CLASSES, help=f"names, separated by commas; by default {CLASSES}")
    parser.add_argument("--full-steps", type=int, default=256, help="of the prototype and our default")
    parser.add_argument("--steps", type=int, default=64, help="of the changes one at a time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    run(parser.parse_args())


if __name__ == "__main__":
    main()
