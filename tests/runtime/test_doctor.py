"""Trying every device, and saying what is in the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pixelgrad.errors import DeviceError
from pixelgrad.runtime import DEVICES, doctor
from pixelgrad.runtime.doctor import DeviceReport, check_devices, describe_machine, find_problems, judge

_RESULT = {"error": 1e-6, "size": 256, "milliseconds": 5.0, "cpu_milliseconds": 50.0, "left": {}}


def test_the_cpu_works_here(style_artifact: Path) -> None:
    reports = {report.name: report for report in check_devices(style_artifact)}
    assert list(reports) == list(DEVICES)
    cpu = reports["cpu"]
    assert (cpu.state, cpu.left, cpu.error) == ("works", {}, 0.0)
    assert cpu.milliseconds is not None
    assert 0 < cpu.milliseconds == cpu.cpu_milliseconds


@pytest.mark.parametrize(
    ("change", "state", "reason"),
    [
        ({}, "works", ""),
        ({"error": 0.2}, "wrong", "off by 0.2 of its length"),
        ({"error": float("nan")}, "wrong", "off by nan"),
        ({"milliseconds": 51.0}, "slow", "slower than the CPU"),
        ({"failure": "no driver"}, "fails", "no driver"),
    ],
)
def test_verdicts(change: dict[str, Any], state: str, reason: str) -> None:
    report = judge(DEVICES["cuda"], _RESULT | change)
    assert report.state == state
    assert reason in report.reason


def test_a_damaged_artifact_makes_the_cpu_wrong(style_artifact: Path, tmp_path: Path) -> None:
    import shutil

    folder = Path(shutil.copytree(style_artifact, tmp_path / "damaged"))
    manifest = json.loads((folder / "artifact.json").read_text())
    manifest["self_check"]["gradient_norm"] *= 1.5
    (folder / "artifact.json").write_text(json.dumps(manifest))
    (cpu,) = [report for report in check_devices(folder) if report.name == "cpu"]
    assert cpu.state == "wrong"


def test_a_process_that_dies_is_reported(monkeypatch: pytest.MonkeyPatch, style_artifact: Path) -> None:
    run = subprocess.run

    def dies(command: list[str], **options: Any) -> Any:
        code = "import os, sys; sys.stderr.write('driver lost\\n'); sys.stderr.flush(); os.abort()"
        return run([sys.executable, "-c", code], **options)

    monkeypatch.setattr(doctor.subprocess, "run", dies)
    (cpu,) = [report for report in check_devices(style_artifact) if report.name == "cpu"]
    assert (cpu.state, cpu.reason) == ("fails", "it took the process down (signal 6): driver lost")

    def hangs(command: list[str], **options: Any) -> Any:
        raise subprocess.TimeoutExpired(command, 300)

    monkeypatch.setattr(doctor.subprocess, "run", hangs)
    (cpu,) = [report for report in check_devices(style_artifact) if report.name == "cpu"]
    assert cpu.reason == "no answer within 300 seconds; its driver may hang"


def test_a_frozen_application_is_not_started_again(monkeypatch: pytest.MonkeyPatch, style_artifact: Path) -> None:
    """Its executable is no Python, but itself."""

    def starts(*_: Any, **__: Any) -> Any:
        raise AssertionError

    monkeypatch.setattr(doctor.subprocess, "run", starts)
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    (cpu,) = [report for report in check_devices(style_artifact) if report.name == "cpu"]
    assert (cpu.state, cpu.error) == ("works", 0.0)


def test_the_reason_of_a_fallback_is_read_from_the_log(monkeypatch: pytest.MonkeyPatch, style_artifact: Path) -> None:
    log = (
        "\x1b[1;31m2026 [E:onnxruntime:Default, provider_bridge_ort.cc:2458] FAIL : Failed to load library "
        "libonnxruntime_providers_cuda.so with error: libcublasLt.so.13: cannot open shared object file\n\x1b[m\n"
    )
    answer = {"failure": "device 'cpu' failed to start and fell back to nothing; its log on stderr says why"}
    done = subprocess.CompletedProcess([], 0, json.dumps(answer) + "\n", log)
    monkeypatch.setattr(doctor.subprocess, "run", lambda *_, **__: done)
    (cpu,) = [report for report in check_devices(style_artifact) if report.name == "cpu"]
    assert cpu.state == "fails"
    assert cpu.reason == (
        "device 'cpu' failed to start and fell back to nothing: libcublasLt.so.13: cannot open shared object file"
    )


def test_what_else_a_driver_prints_is_no_answer(monkeypatch: pytest.MonkeyPatch, style_artifact: Path) -> None:
    run = subprocess.run

    def chatty(command: list[str], **options: Any) -> Any:
        said = b"\xff adapter\n" + json.dumps(_RESULT).encode() + b"\nbye\n"
        code = f"import sys; sys.stdout.buffer.write({said!r})"
        return run([sys.executable, "-c", code], **options)

    monkeypatch.setattr(doctor.subprocess, "run", chatty)
    (cpu,) = [report for report in check_devices(style_artifact) if report.name == "cpu"]
    assert (cpu.state, cpu.milliseconds) == ("works", 5.0)


@pytest.mark.skipif(sys.platform == "win32", reason="a program of two lines")
def test_a_driver_that_says_its_name_in_another_encoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vulkaninfo").write_bytes(b"#!/bin/sh\necho 'deviceName = Adapter \xae'\n")
    (tmp_path / "vulkaninfo").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert describe_machine()["drivers"]["vulkan"] == "Adapter \ufffd"


def test_the_machine_is_described() -> None:
    machine = json.loads(json.dumps(describe_machine()))
    assert "CPUExecutionProvider" in machine["onnxruntime"]["providers"]
    assert machine["onnxruntime"]["distributions"]
    assert machine["python"] == ".".join(map(str, sys.version_info[:3]))


def test_problems_come_with_a_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = describe_machine() | {"drivers": {"nvidia": "NVIDIA H200, 580.1, 143771 MiB"}}
    machine["onnxruntime"]["plugins"] = [
        {"distribution": "onnxruntime-ep-webgpu", "version": "0.4.0", "providers": [], "error": "too old"}
    ]
    reports = [
        DeviceReport("cuda", "CUDAExecutionProvider", "unavailable"),
        DeviceReport("webgpu", "WebGpuExecutionProvider", "fails", "no adapter"),
        DeviceReport("openvino", "OpenVINOExecutionProvider", "wrong", "off by 0.2"),
    ]
    found = {problem.what: problem.fix for problem in find_problems(machine, reports)}
    assert found["plugin onnxruntime-ep-webgpu: too old"] == "pip install -U onnxruntime-ep-webgpu"
    assert "vulkaninfo" in found["device webgpu is installed and fails: no adapter"]
    assert "device openvino computes a wrong gradient: off by 0.2" in found
    gpu = found["there is an NVIDIA GPU (NVIDIA H200, 580.1, 143771 MiB) that is not used"]
    assert gpu.endswith("pip install 'pixelgrad[cuda]'")
    assert len(found) == 4


def test_two_onnx_runtimes_are_a_problem_with_a_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    def several() -> None:
        raise DeviceError(
            "several are installed over each other (a, b); keep one: pip uninstall -y a b && pip install a"
        )

    monkeypatch.setattr(doctor, "onnxruntime", several)
    machine = describe_machine()
    assert "providers" not in machine["onnxruntime"]
    (problem,) = find_problems(machine, [])
    assert problem.what == "several are installed over each other (a, b); keep one"
    assert problem.fix == "pip uninstall -y a b && pip install a"
