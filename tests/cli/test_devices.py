"""``pixelgrad devices`` and ``pixelgrad doctor``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pixelgrad.cli import devices
from pixelgrad.cli.main import app
from pixelgrad.runtime import onnx_runtime
from pixelgrad.runtime.doctor import DeviceReport

RUNNER = CliRunner()


def test_devices_lists_each_one_and_tries_it() -> None:
    result = RUNNER.invoke(app, ["devices"])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert any(line.startswith("cpu ") and " works " in line and " ms a step" in line for line in lines)
    assert any(line.startswith("cuda ") for line in lines)
    assert lines[-1].startswith("--device auto takes ")


def test_devices_json(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        DeviceReport("cuda", "CUDAExecutionProvider", "unavailable", "it is not there", "pip install it"),
        DeviceReport("cpu", "CPUExecutionProvider", "works", "", "", 0.0, 256, 9.0, 9.0, {}),
    ]
    monkeypatch.setattr(devices, "check_devices", lambda _: iter(rows))
    report = json.loads(RUNNER.invoke(app, ["devices", "--json"]).stdout)
    assert report["auto"] == "cpu"
    assert set(report["rejected"]) == {"cuda", "directml", "coreml", "openvino", "webgpu"}
    assert report["devices"][0]["install"] == "pip install it"
    assert report["devices"][1] == asdict(rows[1])
    monkeypatch.setattr(devices, "check_devices", lambda _: iter(rows[:1]))
    result = RUNNER.invoke(app, ["devices", "--json"])
    assert result.exit_code == 1
    assert "no device computes a right gradient" in result.stderr


def test_doctor_json() -> None:
    result = RUNNER.invoke(app, ["doctor", "--json"])
    report = json.loads(result.stdout)
    assert result.exit_code == (1 if report["problems"] else 0)
    assert report["machine"]["onnxruntime"]["version"]
    assert {"name", "state", "error", "milliseconds", "left", "install"} <= report["devices"][0].keys()


def test_doctor_has_no_place_to_keep_things(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("PIXELGRAD_HOME", str(tmp_path / "file"))
    result = RUNNER.invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert "ONNX Runtime" in result.stdout
    assert "problem: no device could be tried: " in result.stdout
    assert "fix: set PIXELGRAD_HOME to a folder that can be written" in result.stdout


def test_doctor_finds_two_onnx_runtimes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commonest breakage: nothing can be run, and doctor still says what to do."""
    two = {"onnxruntime": "1.32.0", "onnxruntime-gpu": "1.30.0"}
    monkeypatch.setattr(onnx_runtime, "installed_distributions", lambda: two)
    onnx_runtime.onnxruntime.cache_clear()
    try:
        result = RUNNER.invoke(app, ["doctor"])
        listed = RUNNER.invoke(app, ["devices"])
    finally:
        onnx_runtime.onnxruntime.cache_clear()
    assert result.exit_code == 1
    assert "several ONNX Runtimes are installed over each other" in result.stdout
    assert 'fix: pip uninstall -y onnxruntime onnxruntime-gpu && pip install "pixelgrad[cuda]"' in result.stdout
    assert listed.exit_code == 1
    assert "several ONNX Runtimes" in listed.stderr
