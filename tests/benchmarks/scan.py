"""How much a scan for the strongest activations costs beside a plain forward pass, and whether its memory grows.

    python tests/benchmarks/scan.py                  # images per second, 200 drawn photographs
    python tests/benchmarks/scan.py --images DIR     # the same over a folder of one's own
    python tests/benchmarks/scan.py --memory         # peak memory of scans of 100, 1,000 and 10,000 images

The plain pass is what one would write: open with Pillow, cut out the middle, resize, collect a batch, run ONNX
Runtime, one after the other. Both decode all images, and both are timed in turns, best of three.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from helpers.data import shared  # noqa: E402

from pixelgrad.exporters import Projection, load_network, write_projection  # noqa: E402
from pixelgrad.runtime import Projector  # noqa: E402
from pixelgrad.runtime.scanning import ScanIndex, find_images, scan  # noqa: E402


def draw(folder: Path, count: int, size: tuple[int, int], kind: str) -> None:
    """Smooth noise under fine noise: compresses about as a photograph does."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        coarse = Image.fromarray(rng.integers(0, 255, (size[1] // 16 + 1, size[0] // 16 + 1, 3), dtype=np.uint8))
        image = np.asarray(coarse.resize(size, Image.Resampling.BICUBIC), np.int16)
        image = np.clip(image + rng.integers(-12, 12, image.shape, dtype=np.int16), 0, 255).astype(np.uint8)
        Image.fromarray(image).save(folder / f"{number:05}.{kind}", **({"quality": 90} if kind == "jpg" else {}))


def plain(folder: Path, session: Any, size: int, batch: int) -> tuple[int, float]:
    """Images, seconds."""
    began = time.perf_counter()
    done, waiting = 0, []
    paths = sorted(path for path, _, _ in find_images(folder))
    for number, path in enumerate(paths, 1):
        image = Image.open(path).convert("RGB")
        edge = min(image.size)
        left, top = (image.width - edge) / 2, (image.height - edge) / 2
        image = image.resize((size, size), Image.Resampling.BICUBIC, box=(left, top, left + edge, top + edge))
        waiting.append(np.asarray(image, np.float32).transpose(2, 0, 1) / 255)
        if len(waiting) == batch or number == len(paths):
            session.run(None, {"image": np.stack(waiting)})
            done, waiting = done + len(waiting), []
    return done, time.perf_counter() - began


def ours(folder: Path, projector: Projector, size: int, batch: int) -> tuple[int, float]:
    with tempfile.TemporaryDirectory() as place, ScanIndex(Path(place) / "index.sqlite", {}) as index:
        began = time.perf_counter()
        *_, last = scan(projector, folder, index, (size, size), batch)
        return last.done - last.unreadable, time.perf_counter() - began


def export(arguments: argparse.Namespace, place: Path) -> Projector:
    network = load_network(shared(f"weights/{arguments.network}.onnx"))
    return Projector(write_projection(network, Projection(arguments.layer), place / "artifact"), device="cpu")


def compare(arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        projector = export(arguments, place)
        model = onnx.load(place / "artifact" / "eval_model.onnx")
        kept = next(output for output in model.graph.output if output.name == "features")
        del model.graph.output[:]
        model.graph.output.append(kept)
        session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        folder = arguments.images
        if folder is None:
            folder = place / "images"
            draw(folder, arguments.count, (500, 375), "jpg")
        projector.strongest(np.zeros((arguments.batch, 3, arguments.size, arguments.size), np.float32))
        session.run(None, {"image": np.zeros((arguments.batch, 3, arguments.size, arguments.size), np.float32)})
        best: dict[str, tuple[int, float]] = {}
        for _ in range(arguments.rounds):
            for way, function, network in (("plain pass", plain, session), ("scan", ours, projector)):
                run = function(folder, network, arguments.size, arguments.batch)
                if way not in best or run[1] < best[way][1]:
                    best[way] = run
        print(f"{arguments.network} {arguments.layer}, {arguments.size}x{arguments.size}, batches of {arguments.batch}")
        print(f"{'':12} {'images':>7} {'seconds':>8} {'images/s':>9}")
        for way, (images, seconds) in best.items():
            print(f"{way:12} {images:7} {seconds:8.2f} {images / seconds:9.1f}")
        print(f"the scan takes {best['scan'][1] / best['plain pass'][1] - 1:+.1%} of the plain pass's time")


def memory(arguments: argparse.Namespace) -> None:
    """Each scan in a process of its own, of images drawn beforehand."""
    with tempfile.TemporaryDirectory() as name:
        print(f"{'images':>7} {'seconds':>8} {'peak MB':>8}")
        for count in (100, 1000, 10000):
            folder = Path(name) / str(count)
            draw(folder, count, (64, 48), "png")
            command = [sys.executable, __file__, "--child", str(folder), "--network", "vgg19_slim16x"]
            print(
                f"{count:7}",
                subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip(),
                flush=True,
            )


def child(arguments: argparse.Namespace) -> None:
    from pixelgrad.cli.report import peak_memory

    arguments.layer = "relu2_1"
    with tempfile.TemporaryDirectory() as name:
        projector = export(arguments, Path(name))
        _, seconds = ours(arguments.child, projector, 32, arguments.batch)
    print(f"{seconds:8.1f} {peak_memory() / 2**20:8.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="googlenet", help="a network of the test data (googlenet)")
    parser.add_argument("--layer", default="inception_4c/output")
    parser.add_argument("--images", type=Path, metavar="DIR", help="a folder of images; drawn ones by default")
    parser.add_argument("--count", type=int, default=200, help="how many to draw (200)")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", action="store_true", help="peak memory of 100, 1,000 and 10,000 small images")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    (child if arguments.child else memory if arguments.memory else compare)(arguments)


if __name__ == "__main__":
    main()
