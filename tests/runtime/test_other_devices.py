"""Gradients on real devices other than this ONNX Runtime's CPU.

All wheels of ONNX Runtime share one import name, so each device has a Python of its own, with NumPy, Pillow and its
wheel, named by an environment variable (docs/devices.md says how to make one).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
from helpers import device_run, elsewhere
from helpers.artifacts import write_kinds

# Debian's chromium brings a Vulkan that runs on any CPU.
SWIFTSHADER = Path("/usr/lib/chromium/vk_swiftshader_icd.json")


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_kinds(tmp_path_factory.mktemp("kinds"))


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return elsewhere.plant(tmp_path_factory.mktemp("tree"))


Run = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def run(artifacts: list[Path], tree: Path) -> Run:
    def in_another_python(variable: str, device: str, size: int, **environment: str) -> list[dict[str, Any]]:
        python = os.environ.get(variable)
        if not python:
            pytest.skip(f"{variable} names no Python with the ONNX Runtime for {device}")
        arguments = [device, str(size), *map(str, artifacts)]
        return elsewhere.reports(python, device_run.__file__, *arguments, tree=tree, **environment)

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
    assert all(report["resident"] for report in reports if report["resident"] is not None)


@pytest.mark.slow
@pytest.mark.skipif(
    "CUDAExecutionProvider" not in onnxruntime.get_available_providers(),
    reason="needs an NVIDIA GPU and onnxruntime-gpu; tests/benchmarks/gpu.py checks more",
)
def test_cuda(run: Run, artifacts: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIXELGRAD_CUDA_PYTHON", sys.executable)
    reports = run("PIXELGRAD_CUDA_PYTHON", "cuda,use_tf32=0", 64)
    check(reports, len(artifacts), error=1e-3)
    assert all(report["resident"] for report in reports if report["resident"] is not None)


def test_the_comparison_itself(artifacts: list[Path], tree: Path) -> None:
    """The CPU against itself: that the script that the others run works."""
    projection = next(path for path in artifacts if path.name.startswith("projection"))
    arguments = ["cpu", "24", str(artifacts[0]), str(projection)]
    found = elsewhere.reports(sys.executable, device_run.__file__, *arguments, tree=tree)
    assert [report["artifact"] for report in found] == [artifacts[0].name, projection.name]
    for report in found:
        assert report["gradient"] < 1e-5  # in tiles, too
        assert report["pictures"] == 0.0
        assert report["norm"] < 1e-6
        assert report["nodes"] == []
