"""What an artifact says of the memory that a step takes, held to what steps take."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from helpers.artifacts import network_for
from helpers.networks import chain

from pixelgrad.exporters import load_network, style_objective, texture_objective, write_artifact
from pixelgrad.runtime import Artifact

STEP = """
import sys
from pathlib import Path
import numpy as np
from pixelgrad.runtime import Artifact

def most():
    rows = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    return next(int(row[1]) * 1024 for row in rows if row[0] == "VmHWM:")

artifact = Artifact(sys.argv[1], device="cpu")
artifact.open()
targets = artifact.targets(np.full((1, 3, 64, 64), 0.5, np.float32))
image = np.full((1, 3, int(sys.argv[2]), int(sys.argv[2])), 0.5, np.float32)
before = most()
artifact.evaluate(image, targets)
print(most() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's own count of a process's memory")
@pytest.mark.parametrize(("kind", "edge"), [("style", 1024), ("transformer", 512)])
def test_a_step_takes_what_the_artifact_says(tmp_path: Path, kind: str, edge: int) -> None:
    """A convolutional network by the pixel; a transformer by their square, which is 30 times as much here."""
    network = network_for(kind, tmp_path)
    folder = write_artifact(network, texture_objective(network), tmp_path / "artifact")
    found = subprocess.run([sys.executable, "-c", STEP, folder, str(edge)], capture_output=True, text=True)
    assert not found.returncode, found.stderr
    said = Artifact(folder, device="cpu").step_memory(edge**2)
    assert 0.6 * said < int(found.stdout) < 1.1 * said


def test_only_attention_grows_faster_than_the_image(tmp_path: Path) -> None:
    grows = {}
    for kind in ("style", "transformer"):
        network = network_for(kind, tmp_path)
        folder = write_artifact(network, texture_objective(network), tmp_path / kind)
        grows[kind] = Artifact(folder, device="cpu").manifest["memory"]["bytes_per_square"]
    assert grows["style"] == 0
    tokens, heads = 1 / 64, 2  # a token has 8x8 pixels
    assert grows["transformer"] > 4 * heads * tokens**2


def test_a_network_of_one_size_says_what_that_takes(tmp_path: Path) -> None:
    network = load_network(chain(tmp_path / "fixed.onnx", size=64, classes=4, flatten=True))
    objective = style_objective(network, content_layers=["logits"], style_layers=["r1"])
    rates = Artifact(write_artifact(network, objective, tmp_path / "artifact"), device="cpu").manifest["memory"]
    assert rates["bytes_per_square"] == 0
    assert 3 * 4 <= rates["bytes_per_pixel"] < 10_000
