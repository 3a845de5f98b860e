"""``pixelgrad demo`` as a person or a script meets it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from helpers.breaking import break_at
from typer.testing import CliRunner, Result

from pixelgrad.cli import main
from pixelgrad.runtime import read_image, read_recipe

QUICK = ["--size", "48", "--steps", "3", "--device", "cpu"]
NAMES = ["landscape", "strokes", "mosaic", "landscape-strokes", "landscape-mosaic", "sheet"]


def invoke(*arguments: Any) -> Result:
    return CliRunner().invoke(main.app, ["demo", *map(str, arguments)])


def test_a_folder_of_pictures_comes_out(tmp_path: Path) -> None:
    """With the bundled network, and no argument but where to."""
    result = invoke("-o", tmp_path / "new" / "demo", *QUICK)
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert "pebble on cpu" in result.stderr
    folder = tmp_path / "new" / "demo"
    assert sorted(p.name for p in folder.iterdir()) == sorted(f"{name}.png" for name in NAMES)
    for name in NAMES[:-1]:
        assert read_image(folder / f"{name}.png").size == (48, 32)
    content, styled = (read_image(folder / f"{name}.png").pixels for name in ("landscape", "landscape-strokes"))
    assert 0.01 < np.abs(content - styled).mean() < 0.4
    recipe = read_recipe(folder / "landscape-strokes.png")
    assert recipe is not None
    assert recipe["network"]["name"] == "pebble"
    sheet = read_image(folder / "sheet.png")
    assert sheet.size[0] > 3 * 48


def test_a_file_gets_the_sheet_alone(tmp_path: Path) -> None:
    result = invoke("-o", tmp_path / "demo.jpg", *QUICK, "--quiet")
    assert (result.exit_code, result.output) == (0, "")
    assert [p.name for p in tmp_path.iterdir()] == ["demo.jpg"]
    assert read_image(tmp_path / "demo.jpg").size[0] > 3 * 48


def test_json_names_the_files(tmp_path: Path) -> None:
    report = json.loads(invoke("-o", tmp_path, *QUICK, "--json").stdout)
    assert list(report["outputs"]) == sorted(NAMES)
    assert all(Path(place).is_file() for place in report["outputs"].values())
    assert (report["size"], report["steps"], report["device"]) == (48, 3, "cpu")


def test_another_seed_draws_another_scene(tmp_path: Path) -> None:
    for seed in (0, 1):
        assert invoke("-o", tmp_path / str(seed), *QUICK, "-q", "--seed", seed).exit_code == 0
    first, second = (read_image(tmp_path / seed / "landscape.png").pixels for seed in ("0", "1"))
    assert np.abs(first - second).mean() > 0.03


def test_what_is_there_is_kept_unless_forced(tmp_path: Path) -> None:
    (tmp_path / "sheet.png").write_text("precious")
    result = invoke("-o", tmp_path, *QUICK)
    assert result.exit_code == 1
    assert "--force" in result.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["sheet.png"]
    assert (tmp_path / "sheet.png").read_text() == "precious"
    assert invoke("-o", tmp_path, *QUICK, "--force", "-q").exit_code == 0
    assert read_image(tmp_path / "sheet.png").size[0] > 3 * 48


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--size", 16), "too small"),
        (("--size", 0), "size is 0"),
        (("--steps", 0), "steps is 0"),
        (("--seed", -1), "seed is -1"),
        (("--device", "tpu"), "there is no device 'tpu'"),
        (("--model", "vgg99"), "there is no network 'vgg99'"),
    ],
)
def test_bad_values_have_one_clear_line(tmp_path: Path, arguments: tuple[Any, ...], message: str) -> None:
    result = invoke("-o", tmp_path / "demo", *QUICK, *arguments)
    assert result.exit_code == 1, result.output
    errors = [line for line in result.stderr.splitlines() if line.startswith("pixelgrad: error: ")]
    assert len(errors) == 1
    assert message in errors[0]


def test_a_folder_that_cannot_be_made_has_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = invoke("-o", tmp_path / "file" / "demo", *QUICK)
    assert result.exit_code == 1
    assert "cannot be made" in result.stderr
    result = invoke("-o", tmp_path / "demo.gif", *QUICK)
    assert result.exit_code == 1
    assert ".gif" in result.stderr


def test_a_disk_that_is_full_is_left_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    (tmp_path / "there").mkdir()
    for folder in (tmp_path / "new" / "demo", tmp_path / "there"):
        result = invoke("-o", folder, *QUICK)
        assert result.exit_code == 1
        assert "the disk is full" in result.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == ["there"]


def test_ctrl_c_keeps_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    break_at(monkeypatch, 3, KeyboardInterrupt())
    result = invoke("-o", tmp_path, *QUICK)
    assert result.exit_code == 130
    assert "the pictures so far are in" in result.stderr
    assert "Traceback" not in result.stderr
    names = {p.stem for p in tmp_path.iterdir()}
    assert names == {"landscape", "strokes", "mosaic", "landscape-strokes", "sheet"}
