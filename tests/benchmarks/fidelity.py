"""How much of its teacher's features the bundled network holds, per layer, on images that it was not trained on.

    python tests/benchmarks/fidelity.py [--data ../shared] [--network FILE.onnx] [--beside]

The share of the teacher's feature variance that a linear map of the network's layer explains, beside the aim, and
what else tells whether a layer is fit for optimising pixels: see models/training/measure.py, which does the work.
Exits with 1 where an aim is missed. --beside adds random weights of the same architecture and the teacher itself.
Needs the ``peers`` extra.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from pixelgrad.models import bundled_network

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "models" / "training"))

import measure

AIMS = {"relu1_1": 0.97, "relu2_1": 0.94, "relu3_1": 0.88, "relu4_1": 0.80, "relu5_1": 0.68}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(os.environ.get("PIXELGRAD_TEST_DATA", "../shared"))
    parser.add_argument("--data", type=Path, default=default, help="folder with weights/ and images/")
    parser.add_argument("--network", type=Path, default=bundled_network(), help="instead of the bundled one")
    parser.add_argument("--beside", action="store_true", help="also random weights, and the teacher itself")
    options = parser.parse_args()
    rows = measure.all_rows(options.data, options.network, beside=options.beside)
    explained = {row.layer: row.explained for row in rows if row.network == "student"}
    missed = [f"{name} {explained[name]:.3f} of {aim}" for name, aim in AIMS.items() if explained[name] < aim]
    print(f"missed: {', '.join(missed)}" if missed else "every aim is met: " + ", ".join(map(str, AIMS.values())))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
