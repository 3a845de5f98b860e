"""Pictures of 20 classes by GoogLeNet, judged by it and by SqueezeNet, which had no part in them; or the reverse.

    python tests/benchmarks/classes.py --out classes [--by squeezenet]

Prints a line for each picture: the class's rank and probability in both networks, the share of the picture's power in
waves of less than four pixels, and the seconds that it took; then the totals. Writes a contact sheet, a PNG for each
picture and the numbers as JSON into --out. Both networks see what the PNG holds, prepared anew here from 8 bits: 0 to
255, BGR, minus the mean.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from pixelgrad.models import find_class
from pixelgrad.networks import load_network
from pixelgrad.runtime import Artifact, Unit, VisualizeSettings, choose_device, visualize
from pixelgrad.runtime.images import Picture, read_image, sheet
from pixelgrad.tasks import visualize_artifact

CLASSES = (
    "banana, dumbbell, goldfish, tabby, sports car, volcano, peacock, monarch, jellyfish, flamingo, zebra, ladybug, "
    "strawberry, pineapple, daisy, school bus, violin, castle, balloon, pizza"
)
MAKERS = {"googlenet": "googlenet.onnx", "squeezenet": "squeezenet1_1.onnx"}
DEFAULTS = VisualizeSettings()


class Judge:
    """A network's own ONNX file, run as it is."""

    def __init__(self, path: Path) -> None:
        self._session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        self._name = self._session.get_inputs()[0].name

    def __call__(self, picture: Picture, index: int) -> tuple[int, float]:
        """Rank from 1, and probability, of a class."""
        levels = np.round(picture.pixels * 255).astype(np.float32)
        image = (levels[:, :, ::-1] - np.array([104, 117, 123], np.float32)).transpose(2, 0, 1)[None]
        scores = self._session.run(None, {self._name: np.ascontiguousarray(image)})[0].reshape(-1)
        return int((scores > scores[index]).sum()) + 1, float(scores[index])


def fine_share(picture: Picture) -> float:
    """The share of the power, the mean left out, above a quarter of a cycle per pixel."""
    grey = picture.pixels.mean(-1).astype(np.float64)
    power = np.abs(np.fft.fft2(grey - grey.mean())) ** 2
    distance = np.hypot(np.fft.fftfreq(grey.shape[0])[:, None], np.fft.fftfreq(grey.shape[1])[None])
    return float(power[distance > 0.25].sum() / power.sum())


def run(arguments: argparse.Namespace) -> None:
    data = Path(arguments.data) / "weights"
    judges = {name: Judge(data / file) for name, file in MAKERS.items()}
    model = data / MAKERS[arguments.by]
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    network = load_network(model)
    given = {"steps": arguments.steps, "seed": arguments.seed, "rivals_weight": arguments.rivals_weight}
    given["coarsest"] = arguments.coarsest
    settings = replace(DEFAULTS, **{name: value for name, value in given.items() if value is not None})
    device = choose_device(arguments.device)
    artifact = Artifact(visualize_artifact(model, unit="class", settings=settings, device=device), device=device)
    artifact.training  # noqa: B018  (opened before the clock starts)
    rows: list[dict[str, Any]] = []
    pictures: list[Picture] = []
    print(f"{'class':14} {'GoogLeNet':>12} {'SqueezeNet':>12} {'fine':>6} {'seconds':>8}", flush=True)
    for name in (name.strip() for name in arguments.classes.split(",")):
        index = find_class(network, name)
        begun = time.perf_counter()
        *_, event = visualize(artifact, [Unit(index, name)], settings)
        seconds = time.perf_counter() - begun
        file = out / f"{name.replace(' ', '-')}.png"
        event.picture().save(file, force=True)
        picture = read_image(file)
        pictures.append(picture)
        (rank, share), (judged, certain) = found = [judge(picture, index) for judge in judges.values()]
        row = {"class": name, **dict(zip(judges, map(list, found), strict=True))}
        fine = fine_share(picture)
        rows.append({**row, "fine": fine, "seconds": seconds})
        print(
            f"{name:14} {rank:4d} {share:7.3f} {judged:4d} {certain:7.3f} {100 * fine:5.2f}% {seconds:8.1f}",
            flush=True,
        )
        draw(rows, pictures).save(out / "sheet.png", force=True)
        facts = {"settings": asdict(settings), "rows": rows}
        (out / "classes.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    summary(rows)


def draw(rows: list[dict[str, Any]], pictures: list[Picture]) -> Picture:
    """The contact sheet, five across."""
    captions = [
        f"{row['class']}\nG {row['googlenet'][0]} ({row['googlenet'][1]:.2f}), "
        f"S {row['squeezenet'][0]} ({row['squeezenet'][1]:.2f})"
        for row in rows
    ]
    starts = range(0, len(pictures), 5)
    cells, texts = ([several[start : start + 5] for start in starts] for several in (pictures, captions))
    return sheet(cells, captions=texts, text_size=13)


def summary(rows: list[dict[str, Any]]) -> None:
    for name in MAKERS:
        first, five = (sum(row[name][0] <= most for row in rows) for most in (1, 5))
        print(f"{name}: top-1 {first}/{len(rows)}, top-5 {five}/{len(rows)}")
    print(
        f"{100 * np.mean([row['fine'] for row in rows]):.2f}% in fine waves; "
        f"{np.mean([row['seconds'] for row in rows]):.1f} s each"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("PIXELGRAD_TEST_DATA", "../shared"), help="holds weights/")
    parser.add_argument("--out", default="classes", help="folder to write to")
    parser.add_argument("--classes", default=CLASSES, help=f"names, separated by commas; by default {CLASSES}")
    parser.add_argument("--by", choices=list(MAKERS), default="googlenet", help="the network that makes the pictures")
    parser.add_argument("--coarsest", type=int, help="edge of the first scale; what suits the network by default")
    parser.add_argument("--steps", type=int, default=DEFAULTS.steps)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rivals-weight", type=float, help="of the other classes; the artifact's own by default")
    run(parser.parse_args())


if __name__ == "__main__":
    main()
