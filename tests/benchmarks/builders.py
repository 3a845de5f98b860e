"""Both gradient builders side by side: what they cover, and how long one step takes.

    PIXELGRAD_ORT_TRAINING_PYTHON=... python tests/benchmarks/builders.py [--sizes 256 512] [--rounds 3]

Coverage: every operator of the table of cases, one graph each; an operator counts where its gradient graph can be
built, as a forward pass through it alone. Speed: VGG-19 up to conv5_1 with random weights, content and five Gram
layers, as in ``step.py``; ours on the stock ONNX Runtime of this environment, theirs on onnxruntime-training, in turn.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from helpers.cases import CASES  # noqa: E402
from helpers.gradcheck import Case, make_model  # noqa: E402
from step import pictures, write_network  # noqa: E402

from pixelgrad.exporters import load_network, style_objective, write_artifact  # noqa: E402
from pixelgrad.exporters.ort_training import training_python, write_ort_training_artifact  # noqa: E402

_PROBE = """
import json, sys
from pathlib import Path
from onnxruntime.capi import _pybind_state as native
from onnxruntime.capi.onnxruntime_pybind11_state import SessionOptions
options = SessionOptions()
options.log_severity_level = 4
done = []
for path in sorted(Path(sys.argv[1]).glob("*.onnx")):
    try:
        model = path.read_bytes()
        native.GradientGraphBuilder(model, {"loss"}, {"x0"}, "loss", options).build()
        done.append(path.stem)
    except Exception:
        pass
print(json.dumps(done))
"""

_STEP = """
import json, statistics, sys, time
import numpy as np
from pixelgrad.runtime import Artifact
folder, data, steps = sys.argv[1], dict(np.load(sys.argv[2])), int(sys.argv[3])
artifact = Artifact(folder, device="cpu")
image = data.pop("image")
targets = artifact.targets(data.pop("reference"))
times = []
for _ in range(steps + 2):
    began = time.perf_counter()
    gradient = artifact.evaluate(image, targets).gradient
    times.append(time.perf_counter() - began)
peak = next(int(row.split()[1]) for row in open("/proc/self/status") if row.startswith("VmHWM"))
norm = float(np.linalg.norm(gradient.astype(np.float64)))
print(json.dumps({"seconds": statistics.median(times[2:]), "peak_mb": peak / 1024, "norm": norm}))
"""


def run(python: Path | str, code: str, *arguments: Any, packages: Path) -> Any:
    command = [str(python), "-c", code, *map(str, arguments)]
    environ = {"PYTHONPATH": str(packages), "PATH": ""}
    found = subprocess.run(command, check=True, capture_output=True, text=True, env=environ, cwd=packages)
    return json.loads(found.stdout)


def with_loss(case: Case) -> onnx.ModelProto:
    """The case's operator under a sum of squares, its first input called ``x0``."""
    model = make_model(case, np.float32)
    first = next(iter(case.inputs))
    for node in model.graph.node:
        node.input[:] = ["x0" if name == first else name for name in node.input]
    model.graph.input[0].name = "x0"
    model.graph.node.append(helper.make_node("Mul", ["y", "y"], ["square"]))
    model.graph.node.append(helper.make_node("ReduceSum", ["square"], ["loss"], keepdims=0))
    model.graph.output.append(helper.make_tensor_value_info("loss", onnx.TensorProto.FLOAT, []))
    return model


def coverage(python: Path, packages: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows = [case for case in CASES if not case.free and case.opset <= 21 and list(case.inputs)]
        for index, case in enumerate(rows):
            onnx.save(with_loss(case), Path(folder) / f"{index}.onnx")
        done = {rows[int(name)].op for name in run(python, _PROBE, folder, packages=packages)}
    every = {case.op for case in CASES}
    print(f"operators with a gradient: standard {len(every)}, ort-training {len(done)} of these")
    print("not in ort-training:", ", ".join(sorted(every - done)))


def speed(python: Path, packages: Path, sizes: list[int], rounds: int, steps: int) -> None:
    print(f"{'size':>5} {'standard':>9} {'ort-training':>13} {'ratio':>6} {'memory MB':>12} {'gradient':>9}")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_network(folder / "vgg19.onnx")
        network = load_network(folder / "vgg19.onnx", preprocess="rgb")
        objective = style_objective(network, loss="gram")
        write_artifact(network, objective, folder / "standard")
        for size in sizes:
            image, reference = pictures(size)
            np.savez(folder / "data.npz", image=image, reference=reference)
            write_ort_training_artifact(network, objective, folder / "theirs", size=(size, size), force=True)
            ours, theirs = [], []
            for _ in range(rounds):
                arguments = (folder / "data.npz", steps)
                ours.append(run(sys.executable, _STEP, folder / "standard", *arguments, packages=packages))
                theirs.append(run(python, _STEP, folder / "theirs", *arguments, packages=packages))
            ratio = statistics.median(b["seconds"] / a["seconds"] for a, b in zip(ours, theirs, strict=True))
            seconds = [statistics.median(row["seconds"] for row in rows) for rows in (ours, theirs)]
            memory = [max(row["peak_mb"] for row in rows) for rows in (ours, theirs)]
            error = abs(theirs[0]["norm"] / ours[0]["norm"] - 1)
            print(
                f"{size:>5} {seconds[0]:>8.3f}s {seconds[1]:>12.3f}s {ratio:>5.2f}x "
                f"{memory[0]:>6.0f}/{memory[1]:<5.0f} {error:>9.1e}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=[256, 512])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3)
    arguments = parser.parse_args()
    python = training_python()
    with tempfile.TemporaryDirectory() as place:
        packages = Path(place) / "packages"
        script = HERE.parent.parent / ".ci" / "link_types.py"
        subprocess.run([sys.executable, script, packages], check=True, capture_output=True)
        coverage(python, packages)
        speed(python, packages, arguments.sizes, arguments.rounds, arguments.steps)


if __name__ == "__main__":
    main()
