"""``pixelgrad export style`` and ``pixelgrad verify``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.cli import error_of, invoke
from typer.testing import CliRunner

from pixelgrad.cli.main import app

RUNNER = CliRunner()


def test_export_then_verify(small_network: Path, tmp_path: Path) -> None:
    folder = tmp_path / "style.pixelgrad"
    result = RUNNER.invoke(app, ["export", "style", "--model", str(small_network), "-o", str(folder)])
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert "small: it is not a known network, so its input is taken to be imagenet" in result.stderr
    assert "6 files" in result.stderr
    verified = RUNNER.invoke(app, ["verify", str(folder), "--device", "cpu"])
    assert verified.exit_code == 0, verified.output
    assert "FAILED" not in verified.stdout
    assert verified.stdout.rstrip().endswith("is sound on cpu")


def test_export_json(small_network: Path, tmp_path: Path) -> None:
    folder = tmp_path / "style.pixelgrad"
    arguments = ["export", "style", "--model", str(small_network), "-o", str(folder), "--json", "--pool", "avg"]
    report = json.loads(RUNNER.invoke(app, [*arguments, "--preprocess", "rgb"]).stdout)
    assert report["output"] == str(folder)
    assert report["network"]["pool"] == "avg"
    again = RUNNER.invoke(app, arguments)
    assert again.exit_code == 1
    assert "--force" in again.stderr


def test_verify_reports_what_failed(style_artifact: Path, tmp_path: Path) -> None:
    import shutil

    folder = Path(shutil.copytree(style_artifact, tmp_path / "damaged"))
    content = bytearray((folder / "weights.bin").read_bytes())
    content[100] ^= 0xFF
    (folder / "weights.bin").write_bytes(content)
    result = RUNNER.invoke(app, ["verify", str(folder), "--device", "cpu"])
    assert result.exit_code == 1
    assert "FAILED files: 'weights.bin'" in result.stdout
    assert "files failed" in result.stderr
    report = json.loads(RUNNER.invoke(app, ["verify", str(folder), "--json"]).stdout)
    assert report["passed"] is False
    assert report["checks"][0]["name"] == "files"


@pytest.mark.parametrize("arguments", [["verify", "nowhere"], ["export", "style", "--model", "nowhere", "-o", "x"]])
def test_errors_are_one_line(arguments: list[str]) -> None:
    result = RUNNER.invoke(app, arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith("pixelgrad: error: there is no ")


def test_an_artifact_is_no_stream(small_network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = RUNNER.invoke(app, ["export", "style", "--model", str(small_network), "-o", "-"])
    assert result.stderr == "pixelgrad: error: -o is '-', and what is written there is no stream; give it a name\n"
    assert not Path("-").exists()


@pytest.mark.parametrize("output", ["", ".", ".."])
def test_an_artifact_has_a_name(
    small_network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    message = error_of(invoke("export", "style", "--model", small_network, "-o", output))
    assert "does not name the folder to make; name one, such as style.pixelgrad" in message
    assert not list(Path().iterdir())


@pytest.mark.parametrize(
    "command", [["demo", "--size", 48], ["zoom", "--from-noise", "--frames", 1], ["texture", "x.png"]]
)
def test_an_output_without_a_name_is_no_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "the name of the output is empty; name a" in error_of(invoke(*command, "--steps", 1, "-o", ""))
    assert not list(tmp_path.iterdir())


def test_the_other_gradient_builder(tmp_path: Path, small_network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its errors: no environment for it, no such builder, no such size."""
    command = ["export", "style", "--model", small_network, "-o", tmp_path / "out", "--preprocess", "rgb", "--gradient"]
    monkeypatch.delenv("PIXELGRAD_ORT_TRAINING_PYTHON", raising=False)
    assert "onnxruntime-training-cpu==1.19.2" in error_of(invoke(*command, "ort-training"))
    assert "must be standard or ort-training" in error_of(invoke(*command, "torch"))
    assert "such as 256x192" in error_of(invoke(*command, "ort-training", "--size", "large"))
    assert "--size is of --gradient ort-training" in error_of(invoke(*command, "standard", "--size", "64x64"))
    assert not (tmp_path / "out").exists()


def test_export_in_half_precision(small_network: Path, tmp_path: Path) -> None:
    arguments = ["export", "style", "--model", str(small_network), "--quiet"]
    half = tmp_path / "half"
    result = RUNNER.invoke(app, [*arguments, "-o", str(half), "--precision", "fp16"])
    assert result.exit_code == 0, result.output
    assert json.loads((half / "artifact.json").read_text())["precision"] == "fp16"
    assert RUNNER.invoke(app, ["verify", str(half), "--device", "cpu"]).exit_code == 0
    fast = tmp_path / "fast"
    assert RUNNER.invoke(app, [*arguments, "-o", str(fast), "--profile", "fast"]).exit_code == 0
    assert json.loads((fast / "artifact.json").read_text())["profile"] == "fast"
    for wrong, message in (
        (["--precision", "fp8"], "--precision is 'fp8'; it must be one of fp32, fp16"),
        (["--precision", "fp16", "--profile", "fast"], "choose one of the two"),
        (["--precision", "fp16", "--gradient", "ort-training"], "leave them out"),
    ):
        result = RUNNER.invoke(app, [*arguments, "-o", str(tmp_path / "wrong"), *wrong])
        assert result.exit_code == 1
        assert message in result.stderr
        assert not (tmp_path / "wrong").exists()
