"""A step of style transfer in a browser's WebAssembly, beside ONNX Runtime's own CPU on the same machine.

    PIXELGRAD_ORT_WEB=node_modules/onnxruntime-web python tests/benchmarks/browser.py [--size 256 384] [--rounds 15]

The bundled network, an artifact of each loss, a step of gradient and Adam as the page of examples/browser takes it, in
Chromium with one thread and with several, and in onnxruntime with as many. All take turns, step by step; the figures
are the fastest of the rounds in milliseconds, the ratio the median of WebAssembly's to ONNX Runtime's at as many
threads, paired by round.
Needs chromium, and playwright from PyPI.
"""

from __future__ import annotations

import argparse
import http.server
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from helpers.browser import CHROMIUM, isolated, make_site, serving
from playwright.sync_api import sync_playwright

from pixelgrad import models
from pixelgrad.exporters import load_network, style_objective, write_artifact

ROOT = Path(__file__).resolve().parents[2]
CALL = "async ([name, given]) => (await import('./browser.js'))[name](...given)"


def native(folder: Path, width: int, height: int, threads: int) -> Callable[[], float]:
    """A step in ONNX Runtime with so many threads: how long it took."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.enable_mem_pattern = threads, False
    options.log_severity_level = 3
    train, evaluate, adam = (
        onnxruntime.InferenceSession(folder / f"{name}_model.onnx", options, providers=["CPUExecutionProvider"])
        for name in ("training", "eval", "optimizer")
    )
    rng = np.random.default_rng(0)
    reference, image = (rng.random((1, 3, height, width), np.float32) for _ in range(2))
    names = [output.name for output in evaluate.get_outputs()]
    targets = dict(zip(names, evaluate.run(names, {"image": reference}), strict=True))
    parts = ("first_moment", "second_moment", "average")
    state: dict[str, Any] = {"image": image, **{name: np.zeros_like(image) for name in parts}}
    count = 0

    def step() -> float:
        nonlocal count, state
        count += 1
        began = time.perf_counter()
        _, _, gradient = train.run(["loss", "gradient_norm", "gradient"], {"image": state["image"], **targets})
        scalars = {"step": count, "average_step": count, "learning_rate": 0.02}
        feeds = {
            **state,
            "gradient": gradient,
            **{name: np.array(value, np.float32) for name, value in scalars.items()},
        }
        found = adam.run([f"new_{name}" for name in state] + ["averaged_image"], feeds)
        state = dict(zip(state, found, strict=False))
        return 1000 * (time.perf_counter() - began)

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", nargs="+", type=int, default=[256, 384], metavar="EDGE", help="long edges, 10:7")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    package = os.environ.get("PIXELGRAD_ORT_WEB")
    if not package or CHROMIUM is None:
        sys.exit("needs chromium, and PIXELGRAD_ORT_WEB, the folder of the npm package onnxruntime-web")
    with tempfile.TemporaryDirectory() as home, ExitStack() as stack:
        site = Path(home)
        make_site(site, package)
        network = load_network(ROOT / "models" / f"{models.BUNDLED}.onnx")
        for loss in ("moments", "gram"):
            write_artifact(network, style_objective(network, loss=loss), site / loss)
        browser = stack.enter_context(sync_playwright()).chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"]
        )
        stack.callback(browser.close)
        handlers = (http.server.SimpleHTTPRequestHandler, isolated())
        addresses = [stack.enter_context(serving(site, handler)) for handler in handlers]
        print(f"{'loss':8} {'size':>8} {'threads':>7} {'WebAssembly':>12} {'native':>8} {'ratio':>6}")
        for loss in ("moments", "gram"):
            for edge in arguments.size:
                measure(browser, addresses, site / loss, edge, arguments.rounds)


def measure(browser: Any, addresses: list[str], folder: Path, width: int, rounds: int) -> None:
    height = round(0.7 * width)
    steps: list[tuple[int, Callable[[], float], Callable[[], float]]] = []
    pages = []
    for address in addresses:
        page = browser.new_page()
        pages.append(page)
        page.goto(f"{address}blank.html")
        threads = page.evaluate(CALL, ["prepare", [folder.name, width, height]])
        own = native(folder, width, height, threads)
        steps.append((threads, lambda page=page: page.evaluate(CALL, ["step", []]), own))  # type: ignore[misc]
    times: list[list[tuple[float, float]]] = [[] for _ in steps]
    for turn in range(rounds + 2):
        for found, (_, web, own) in zip(times, steps, strict=True):
            pair = (web(), own())
            if turn > 1:  # the first are for warming up
                found.append(pair)
    for found, (threads, _, _) in zip(times, steps, strict=True):
        web, own = (min(column) for column in zip(*found, strict=True))
        ratio = statistics.median(a / b for a, b in found)
        print(f"{folder.name:8} {f'{width}x{height}':>8} {threads:7} {web:12.0f} {own:8.0f} {ratio:6.2f}", flush=True)
    for page in pages:
        page.close()


if __name__ == "__main__":
    main()
