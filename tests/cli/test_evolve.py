"""pixelgrad evolve from the command line."""

from __future__ import annotations

import json
from pathlib import Path

from helpers.cli import error_of
from helpers.folders import image_folder
from helpers.networks import chain
from typer.testing import CliRunner

import pixelgrad
from pixelgrad.cli.main import app

RUNNER = CliRunner()


def test_a_grid_and_a_curve(tmp_path: Path) -> None:
    checkpoints = [str(chain(tmp_path / f"net_{when}.onnx", seed=when)) for when in (20, 100, 3)]
    images = image_folder(tmp_path / "images", 4)
    (images / "broken.png").write_bytes(b"")
    given = ["evolve", *checkpoints, "--layer", "r2", "--images", str(images), "--size", "40", "--channel", "4-5"]
    result = RUNNER.invoke(app, [*given, "-o", str(tmp_path / "out.png"), "--json", "--device", "cpu"])
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert [row["iteration"] for row in report["snapshots"]] == [3, 20, 100]
    assert set(report["movement"]) == {"r1", "r2", "r3"}
    assert "net_3: image 0/5\n" in result.stderr
    assert "comparing image 4/4" in result.stderr
    assert "skipped 1 of 5 files" in result.stderr
    assert (tmp_path / "out.png").stat().st_size > 10_000
    again = pixelgrad.evolve(checkpoints, images, layer="r2", layers=["relu3_1"], size=40, channels=[4], device="cpu")
    assert list(again.movement) == ["r3"]
    assert again.movement["r3"] == tuple(report["movement"]["r3"])


def test_where_the_sheet_is_is_said(tmp_path: Path) -> None:
    given = ["evolve", *(str(chain(tmp_path / f"net_{when}.onnx", seed=when)) for when in (1, 2)), "--layer", "r2"]
    images = image_folder(tmp_path / "images", 2)
    output = tmp_path / "out.png"
    result = RUNNER.invoke(app, [*given, "--images", str(images), "--size", "40", "--channel", "1", "-o", str(output)])
    assert f"wrote {output}" in result.stderr


def test_one_checkpoint_is_not_enough(tmp_path: Path) -> None:
    only = str(chain(tmp_path / "net.onnx"))
    result = RUNNER.invoke(app, ["evolve", only, "--layer", "r2", "--images", str(tmp_path), "-o", "o.png"])
    assert result.exit_code == 1
    assert "at least two checkpoints of one network; different ones: 1" in result.stderr


def test_checkpoints_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    one, other = chain(tmp_path / "run" / "net_1.onnx"), chain(tmp_path / "run" / "net_2.onnx", channels=(8, 12))

    def error(*checkpoints: Path, layer: str) -> str:
        given = ["evolve", *map(str, checkpoints), "--layer", layer, "--images", str(tmp_path), "-o", "o.png"]
        return error_of(RUNNER.invoke(app, [*given, "--device", "cpu"]))

    assert "is a folder; name the checkpoints in it, " in error(tmp_path / "run", layer="r2")
    assert error(one, other, layer="r2").startswith("net_2.onnx, one of the checkpoints: the network has no layer 'r3")
    assert error(one, other, layer="r9").startswith("net_1.onnx, one of the checkpoints: the network has no layer 'r9'")
