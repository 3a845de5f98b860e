"""Loading a network for the first time, and from the conversion that was kept.

    python tests/benchmarks/loading.py [FILE ...] [--rounds 5]

Each measurement is a process of its own, first and second time in turn; imports are not counted. The figures are
medians over rounds in seconds, the ratio is paired by round. Without FILE: googlenet.onnx and squeezenet1_1.onnx of
the test data (PIXELGRAD_TEST_DATA, default ../shared).
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOAD = """
import sys, time
import pixelgrad.exporters
from pixelgrad.networks import load_network
load_network(sys.argv[2])  # what a process pays once, whatever it loads
start = time.perf_counter()
load_network(sys.argv[1])
print(time.perf_counter() - start)
"""


def seconds(path: Path, other: Path, home: str) -> float:
    environment = {**os.environ, "PIXELGRAD_HOME": home}
    command = [sys.executable, "-c", LOAD, str(path), str(other)]
    return float(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    data = Path(os.environ.get("PIXELGRAD_TEST_DATA", ROOT.parent / "shared")) / "weights"
    files = arguments.files or [data / "googlenet.onnx", data / "squeezenet1_1.onnx"]
    print(f"{'network':24} {'MB':>7} {'first':>8} {'second':>8} {'ratio':>7}")
    for path in files:
        rounds = []
        for _ in range(arguments.rounds):
            with tempfile.TemporaryDirectory() as home:
                rounds.append(tuple(seconds(path, ROOT / "models" / "pebble.onnx", home) for _ in range(2)))
        first, second = (statistics.median(column) for column in zip(*rounds, strict=True))
        ratio = statistics.median(a / b for a, b in rounds)
        print(f"{path.name:24} {path.stat().st_size / 1e6:7.1f} {first:8.3f} {second:8.3f} {ratio:6.1f}x")


if __name__ == "__main__":
    main()
