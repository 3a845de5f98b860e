"""Are the pictures of the bundled network good? Two networks that took no part in them judge.

    python tests/benchmarks/quality.py --sheet quality.png [--data ../shared] [--size 192] [--steps 120]

Six contents are given four styles each, at equal steps, through the bundled network, the shared VGG-19 slim network,
and random weights of the bundled one's architecture. Under GoogLeNet and SqueezeNet, every result's distance to the
style (Gram matrices, mean over five layers) and to the content is divided by a distance that means something: to the
style, that of the untouched photo (1: nothing has happened); to the content, that of the painting (1: nothing is
left). None of the pictures was seen while the bundled network was trained. All three networks have the same layers,
and here the same weights for them, so the runs differ in nothing else.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from pixelgrad.exporters import load_network, style_objective, write_artifact
from pixelgrad.models import bundled_network
from pixelgrad.runtime import Artifact, Picture, StyleSettings, read_image, style
from pixelgrad.runtime.images import fit_size, sheet
from pixelgrad.runtime.samples import SAMPLES
from pixelgrad.tasks.common import last_picture

CONTENTS = ("kodak/kodim05.png", "kodak/kodim13.png", "kodak/kodim21.png", "kodak/kodim23.png", "photos/coffee.png")
STYLES = ("paintings/the_scream.jpg", "paintings/vg_la_cafe.jpg", "textures/brick.png")
#: Drawn by code, and by other code than the training's drawings.
DRAWN_CONTENT, DRAWN_STYLE = "landscape", "mosaic"
JUDGES = ("googlenet", "squeezenet1_1")
LAYERS = {f"relu{block}_1": 1.0 for block in range(1, 6)}
KINDS = ("style", "content")
NETWORKS = ("bundled", "slim VGG-19", "random")


def random_like(path: Path, target: Path, seed: int = 0) -> Path:
    """The network of a file at He-normal weights (He et al. 2015) and zero biases."""
    model, rng = onnx.load(path), np.random.default_rng(seed)
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.ndim == 4 and values.shape[-1] > 1:
            drawn = rng.normal(scale=np.sqrt(2 / values[0].size), size=values.shape)
        elif ".bias" in tensor.name:
            drawn = np.zeros(values.shape)
        else:
            continue
        tensor.CopyFrom(numpy_helper.from_array(drawn.astype(values.dtype), tensor.name))
    onnx.save(model, target)
    return target


def artifact(path: Path, folder: Path, **settings: Any) -> Artifact:
    network = load_network(path)
    return Artifact(write_artifact(network, style_objective(network, **settings), folder), device="cpu")


class Judge:
    """Distances under the features of one network, one weight for all its layers."""

    def __init__(self, path: Path, folder: Path) -> None:
        network = load_network(path)
        assert network.entry is not None
        layers = dict.fromkeys(network.entry.style_layers, 1.0)
        self.artifact = artifact(path, folder, loss="gram", style_layers=layers, tv_weight=0.0)

    def distances(self, image: Any, targets: Any) -> tuple[float, float]:
        """(style, content)."""
        losses = self.artifact.evaluate(image, targets).losses
        return tuple(  # type: ignore[return-value]
            statistics.mean(value for name, value in losses.items() if name.startswith(kind))
            for kind in ("style", "content")
        )

    def scorer(self, content: Any, painting: Any) -> Callable[[Any], tuple[float, float]]:
        """NCHW arrays -> of a result, (style left of the photo's, content lost of the painting's)."""
        targets = self.artifact.targets(content)
        targets |= {k: v for k, v in self.artifact.targets(painting).items() if k.startswith("target.style.")}
        filled = Picture.from_nchw(painting).resized(*content.shape[:1:-1]).to_nchw()
        untouched, lost = self.distances(content, targets)[0], self.distances(filled, targets)[1]

        def score(result: Any) -> tuple[float, float]:
            left, gone = self.distances(result, targets)
            return left / untouched, gone / lost

        return score


def fitted(picture: Picture, size: int) -> Picture:
    return picture.resized(*fit_size(*picture.size, size))


def pictures(images: Path, size: int) -> tuple[dict[str, Picture], dict[str, Picture]]:
    """Contents and styles at ``size`` pixels along their long edges."""
    contents = {Path(name).stem: fitted(read_image(images / name), size) for name in CONTENTS}
    styles = {Path(name).stem: fitted(read_image(images / name), size) for name in STYLES}
    for name, group in ((DRAWN_CONTENT, contents), (DRAWN_STYLE, styles)):
        group[name] = Picture(SAMPLES[name](size, round(size * 2 / 3)))
    return contents, styles


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(os.environ.get("PIXELGRAD_TEST_DATA", "../shared"))
    parser.add_argument("--data", type=Path, default=default, help="folder with weights/ and images/")
    parser.add_argument("--network", type=Path, default=bundled_network(), help="instead of the bundled one")
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--sheet", type=Path, help="write all results side by side")
    options = parser.parse_args()
    contents, styles = pictures(options.data / "images", options.size)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = (
            options.network,
            options.data / "weights" / "vgg19_slim16x.onnx",
            random_like(options.network, folder / options.network.name),
        )
        makers = {name: artifact(file, folder / name.split()[0]) for name, file in zip(NETWORKS, files, strict=True)}
        judges = {name: Judge(options.data / "weights" / f"{name}.onnx", folder / name) for name in JUDGES}
        settings = StyleSettings(size=options.size, steps=options.steps)
        rows = compare(makers, judges, contents, styles, settings, options.sheet)
    report(rows)


def compare(
    makers: dict[str, Artifact],
    judges: dict[str, Judge],
    contents: dict[str, Picture],
    styles: dict[str, Picture],
    settings: StyleSettings,
    place: Path | None,
) -> dict[tuple[str, str, str], list[float]]:
    """(network, judge, "style" or "content") -> a score for each pair, in the same order."""
    rows: dict[tuple[str, str, str], list[float]] = {}
    grid: list[list[Picture | None]] = [[None, *(p for p in styles.values() for _ in makers)]]
    try:
        for content_name, content in contents.items():
            grid.append([content])
            for painting in styles.values():
                began = time.process_time()
                scores = {name: judge.scorer(content.to_nchw(), painting.to_nchw()) for name, judge in judges.items()}
                results = [last_picture(style(maker, content, [painting], settings)) for maker in makers.values()]
                grid[-1] += results
                for name, result in zip(makers, results, strict=True):
                    for judge_name, score in scores.items():
                        for kind, value in zip(KINDS, score(result.to_nchw()), strict=True):
                            rows.setdefault((name, judge_name, kind), []).append(value)
                print(f"{content_name}: {time.process_time() - began:.0f} s", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print(f"interrupted: {len(next(iter(rows.values()), []))} of the pairs follow", file=sys.stderr)
    if place:
        headings = ["", *(name for _ in styles for name in makers)]
        sheet(grid, columns=headings, cell=160).save(place, force=True)
    return rows


def report(rows: dict[tuple[str, str, str], list[float]]) -> None:
    """Medians, and how many of the pairs the bundled network wins."""
    print(f"{'network':<12} " + " ".join(f"{judge + ' ' + kind:>21}" for judge in JUDGES for kind in KINDS))
    for name in NETWORKS:
        cells = [cell(rows, name, judge, kind) for judge in JUDGES for kind in KINDS]
        print(f"{name:<12} " + " ".join(f"{text:>21}" for text in cells))


def cell(rows: dict[tuple[str, str, str], list[float]], name: str, judge: str, kind: str) -> str:
    values: Sequence[float] = rows[name, judge, kind]
    mine = rows[NETWORKS[0], judge, kind]
    if name == NETWORKS[0]:
        return f"{statistics.median(values):.3f}"
    wins = sum(a < b for a, b in zip(mine, values, strict=True))
    return f"{statistics.median(values):.3f} (wins {wins}/{len(values)})"


if __name__ == "__main__":
    main()
