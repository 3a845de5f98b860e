"""``pixelgrad invert`` as a person or a script meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers.cli import error_of, invoke

import pixelgrad
from pixelgrad.runtime import Artifact, read_image, read_recipe


@pytest.fixture
def base(photo: Path, small_network: Path, tmp_path: Path) -> list[Any]:
    """A complete command for a quick run."""
    quick = ["--model", small_network, "--layer", "relu2_1", "--size", 48, "--steps", 6]
    return ["invert", photo, "-o", tmp_path / "out.png", *quick, "--device", "cpu"]


def test_a_picture_comes_out_and_its_error(base: list[Any], tmp_path: Path) -> None:
    result = invoke(*base)
    assert result.exit_code == 0, result.output
    assert read_image(tmp_path / "out.png").size == (48, 32)
    assert "small on cpu" in result.stderr
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("pixelgrad: r2: feature error "))
    recipe = read_recipe(tmp_path / "out.png")
    assert recipe is not None
    assert float(line.split()[-1]) == pytest.approx(recipe["error"], rel=1e-3)
    assert str(tmp_path) not in json.dumps(recipe)


def test_json_has_the_error(base: list[Any]) -> None:
    report = json.loads(invoke(*base, "--json", "--beta", "1", "--alpha-weight", "0.1").stdout)
    assert set(report["measures"]) == {"error.r2"}
    assert report["measures"]["error.r2"] == report["loss"]["content.r2"]["last"]


def test_all_layers_make_a_strip(base: list[Any], tmp_path: Path) -> None:
    result = invoke(*base, "--layer", "all", "--json")
    assert result.exit_code == 0, result.output
    assert set(json.loads(result.stdout)["measures"]) == {"error.r1", "error.r2", "error.r3"}
    assert read_image(tmp_path / "out.png").size[0] == 12 + 48 + 3 * (8 + 48) + 12
    result = invoke(*base, "--layer", "relu1_1,relu3_1", "--json", "-f")
    assert set(json.loads(result.stdout)["measures"]) == {"error.r1", "error.r3"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--layer", "relu9_1"), "no layer 'relu9_1'; did you mean"),
        (("--layer", ""), "--layer is empty"),
        (("--alpha", 1), "alpha is 1.0; it must be a number from 2 up"),
        (("--beta", 0.5), "beta is 0.5; it must be a number from 1 up"),
        (("--beta", "nan"), "beta is nan"),
        (("--jitter", -2), "jitter is -2"),
        (("--size", 4), "size is 4"),
        (("--tv-weight", -1), "--tv-weight is -1"),
        (("-o", "out.xyz"), "out.xyz"),
    ],
)
def test_bad_values_have_one_clear_line(base: list[Any], arguments: tuple[Any, ...], message: str) -> None:
    assert message in error_of(invoke(*base, *arguments))


def test_wrong_usage_exits_with_2(base: list[Any], photo: Path, tmp_path: Path) -> None:
    assert invoke("invert", photo, "-o", tmp_path / "out.png").exit_code == 2
    assert invoke(*base, "--alpha", "six").exit_code == 2


def test_an_artifact_to_keep(small_network: Path, tmp_path: Path) -> None:
    command = ["export", "invert", "-m", small_network, "-o", tmp_path / "a", "--layer", "relu2_1", "--beta", 1]
    result = invoke(*command)
    assert result.exit_code == 0, result.output
    assert {term.kind for term in Artifact(tmp_path / "a", device="cpu").terms} == {"content", "alpha", "tv"}
    assert invoke("verify", tmp_path / "a", "--device", "cpu").exit_code == 0


def test_from_python(photo: Path, small_network: Path) -> None:
    given: dict[str, Any] = {"model": small_network, "device": "cpu", "steps": 3, "size": 40}
    picture = pixelgrad.invert(photo, "relu1_1", **given)
    assert picture.recipe is not None
    assert 0 < picture.recipe["error"] < 1
    assert pixelgrad.invert_depth(photo, **given).size[0] == 12 + 40 + 3 * (8 + 40) + 12
    with pytest.raises(TypeError, match="unexpected keyword argument 'step'"):
        pixelgrad.invert(photo, "relu1_1", step=3)
