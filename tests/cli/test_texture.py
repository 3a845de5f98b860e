"""``pixelgrad texture`` as a person or a script meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.cli import error_of, invoke

import pixelgrad
from pixelgrad.runtime import Artifact, read_image, read_recipe


@pytest.fixture
def base(painting: Path, small_network: Path, tmp_path: Path) -> list[Any]:
    """A complete command for a quick run."""
    quick = ["--model", small_network, "--size", "56x40", "--steps", 4, "--layers", "relu1_1,pool1,pool2"]
    return ["texture", painting, "-o", tmp_path / "out.png", *quick, "--device", "cpu"]


def test_a_picture_comes_out(base: list[Any], tmp_path: Path) -> None:
    result = invoke(*base)
    assert result.exit_code == 0, result.output
    assert read_image(tmp_path / "out.png").size == (56, 40)
    assert "small on cpu" in result.stderr
    recipe = read_recipe(tmp_path / "out.png")
    assert recipe is not None
    assert recipe["task"] == "texture"
    assert recipe["network"]["pool"] == "avg"
    assert str(tmp_path) not in json.dumps(recipe)


def test_json_and_a_square(base: list[Any]) -> None:
    report = json.loads(invoke(*base, "--json", "--size", "48", "--tileable", "--match-histogram").stdout)
    assert (report["width"], report["height"], report["steps"]) == (48, 48, 4)
    assert set(report["loss"]) == {"total", "texture.r1", "texture.p1", "texture.p2", "texture.grain"}


def test_upto_makes_a_labelled_row(base: list[Any], tmp_path: Path) -> None:
    result = invoke(*base, "--upto", "pool1")
    assert result.exit_code == 0, result.output
    assert result.stderr.count("small on cpu") == 1
    width, height = read_image(tmp_path / "out.png").size
    assert width == 12 + 46 + 2 * (8 + 56) + 12  # the source, 80x70, at their height of 40
    assert height > 40 + 24
    message = error_of(invoke(*base, "--upto", "pool3", "-f"))
    assert "not made from the layer 'pool3'; its layers are relu1_1, pool1, pool2" in message
    assert "no layer 'pool9'" in error_of(invoke(*base, "--upto", "pool9", "-f"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--size", "12by4"), "--size is '12by4'; it must be a width and a height"),
        (("--size", "4x400"), "size is (4, 400)"),
        (("--size", "0"), "--size is '0'"),
        (("--size", str(10**20)), "from 8 to 65535 each"),
        (("--steps", 0), "steps is 0"),
        (("--source-size", 2), "--source-size is 2"),
        (("--layers", "relu9_1"), "no layer 'relu9_1'"),
        (("--layers", ""), "--layers is empty"),
        (("--tv-weight", "-1"), "--tv-weight is -1"),
        (("--optimizer", "sgd"), "--optimizer is 'sgd'"),
        (("--pool", "mean"), "pool is 'mean'"),
        (("-o", "out.xyz"), "out.xyz"),
    ],
)
def test_bad_values_have_one_clear_line(base: list[Any], arguments: tuple[Any, ...], message: str) -> None:
    assert message in error_of(invoke(*base, *arguments))


def test_bad_pictures_and_usage(base: list[Any], tmp_path: Path) -> None:
    assert invoke("texture").exit_code == 2
    base[1] = tmp_path / "nowhere.png"
    assert "nowhere.png" in error_of(invoke(*base))
    assert not (tmp_path / "out.png").exists()


def test_an_artifact_to_keep(small_network: Path, tmp_path: Path) -> None:
    result = invoke("export", "texture", "-m", small_network, "-o", tmp_path / "t", "--layers", "relu1_1,pool2=3")
    assert result.exit_code == 0, result.output
    terms = {term.name: term.weight for term in Artifact(tmp_path / "t", device="cpu").terms}
    assert terms == {"texture.r1": 0.25, "texture.p2": 0.75, "texture.grain": 0.2}
    assert invoke("verify", tmp_path / "t", "--device", "cpu").exit_code == 0


def test_from_python(painting: Path, small_network: Path) -> None:
    given: dict[str, Any] = {"model": small_network, "device": "cpu", "steps": 3, "size": (40, 40)}
    steps: list[int] = []
    picture = pixelgrad.texture(painting, **given, on_step=lambda event: steps.append(event.step))
    assert (picture.size, steps) == ((40, 40), [1, 2, 3])
    row = pixelgrad.texture_row(painting, "relu2_1", **given)
    assert row.size[0] == 12 + 46 + 2 * (8 + 40) + 12
    assert not np.array_equal(row.pixels[12:52, 100:140], row.pixels[12:52, 148:188])
    with pytest.raises(TypeError, match="unexpected keyword argument 'sizes'"):
        pixelgrad.texture(painting, sizes=3)
