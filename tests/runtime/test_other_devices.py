"""Gradients on real devices other than this ONNX Runtime's CPU.

All wheels of ONNX Runtime share one import name, so each device has a Python of its own, with NumPy, Pillow and its
wheel, named by an environment variable (docs/devices.md says how to make one).
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
from helpers import data, device_run
from helpers.artifacts import OBJECTIVES
from helpers.networks import chain

from pixelgrad.exporters import load_network, write_artifact

# Debian's chromium brings a Vulkan that runs on any CPU.
SWIFTSHADER = Path("/usr/lib/chromium/vk_swiftshader_icd.json")


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Every kind in miniature with max pooling, and two of them with average pooling."""
    folder = tmp_path_factory.mktemp("kinds")
    made = []
    for pool, kinds in (("MaxPool", list(OBJECTIVES)), ("AveragePool", ["style", "dream-channels"])):
        network = load_network(chain(folder / f"{pool}.onnx", pool=pool), preprocess="imagenet")
        for kind in kinds:
            made.append(write_artifact(network, OBJECTIVES[kind](network), folder / f"{kind}-{pool}"))
    return made


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """pixelgrad by its import name, for a Python that it is not installed in."""
    folder = tmp_path_factory.mktemp("tree")
    package = folder / "pixelgrad"
    package.mkdir()
    for entry in [*(data.ROOT / "pixelgrad").iterdir(), *(data.ROOT / n for n in ("runtime", "models"))]:
        (package / entry.name).symlink_to(entry)
    return folder


Run = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def run(artifacts: list[Path], tree: Path) -> Run:
    def in_another_python(variable: str, device: str, size: int, **environment: str) -> list[dict[str, Any]]:
        python = os.environ.get(variable)
        if not python:
            pytest.skip(f"{variable} names no Python with the ONNX Runtime for {device}")
        command = [python, "-P", device_run.__file__, device, str(size), *map(str, artifacts)]
        everything = {**os.environ, "PYTHONPATH": str(tree), **environment}
        found = subprocess.run(command, env=everything, capture_output=True, text=True, timeout=900, check=False)
        assert found.returncode == 0, found.stderr[-2000:]
        return [json.loads(line) for line in found.stdout.splitlines() if line.startswith("{")]

    return in_another_python


def check(reports: list[dict[str, Any]], count: int, error: float = 1e-4) -> None:
    """Loss and gradient are the CPU's, and the CPU has nothing to do."""
    assert len(reports) == count
    assert {report["artifact"]: report["nodes"][:9] for report in reports if report["nodes"]} == {}
    for report in reports:
        assert report["loss"] < error, report
        assert report["norm"] < error, report
        assert report["gradient"] < 10 * error, report
        assert report["pictures"] < 10 * error, report


@pytest.mark.slow
def test_openvino(run: Run, artifacts: list[Path]) -> None:
    check(run("PIXELGRAD_OPENVINO_PYTHON", "openvino", 40), len(artifacts))


@pytest.mark.slow
def test_webgpu_on_a_software_vulkan(run: Run, artifacts: list[Path]) -> None:
    environment = {"ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER": "1"}
    if "VK_ICD_FILENAMES" not in os.environ and SWIFTSHADER.exists():
        environment["VK_ICD_FILENAMES"] = str(SWIFTSHADER)
    reports = run("PIXELGRAD_WEBGPU_PYTHON", "webgpu", 20, PIXELGRAD_STRICT="1", **environment)
    check(reports, len(artifacts))


@pytest.mark.slow
def test_webgpu_plugin_keeps_tensors_on_the_device(run: Run, artifacts: list[Path]) -> None:
    environment = {"ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER": "1"}
    if "VK_ICD_FILENAMES" not in os.environ and SWIFTSHADER.exists():
        environment["VK_ICD_FILENAMES"] = str(SWIFTSHADER)
    reports = run("PIXELGRAD_WEBGPU_PLUGIN_PYTHON", "webgpu", 20, **environment)
    check(reports, len(artifacts))
    assert all(report["resident"] for report in reports)


@pytest.mark.slow
@pytest.mark.skipif(
    "CUDAExecutionProvider" not in onnxruntime.get_available_providers(),
    reason="needs an NVIDIA GPU and onnxruntime-gpu; tests/benchmarks/gpu.py checks more",
)
def test_cuda(run: Run, artifacts: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setenv("PIXELGRAD_CUDA_PYTHON", sys.executable)
    reports = run("PIXELGRAD_CUDA_PYTHON", "cuda,use_tf32=0", 64)
    check(reports, len(artifacts), error=1e-3)
    assert all(report["resident"] for report in reports)


def test_the_comparison_itself(artifacts: list[Path], tree: Path) -> None:
    """The CPU against itself: that the script that the others run works."""
    import sys

    command = [sys.executable, "-P", device_run.__file__, "cpu", "24", str(artifacts[0])]
    found = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(tree)}, capture_output=True, text=True, check=True
    )
    (report,) = map(json.loads, found.stdout.splitlines())
    assert (report["gradient"], report["pictures"]) == (0.0, 0.0)
    assert report["norm"] < 1e-6
    assert report["nodes"] == []
