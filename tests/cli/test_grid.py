"""``pixelgrad grid`` as a person or a script meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.cli import error_of, invoke

import pixelgrad
from pixelgrad.runtime import read_image, read_recipe


@pytest.fixture
def base(photo: Path, small_network: Path, tmp_path: Path) -> list[Any]:
    """A complete command for a quick run."""
    quick = ["--model", small_network, "--cells", 2, "--size", 24, "--steps", 2, "--shown", 32]
    return ["grid", photo, "-o", tmp_path / "out.png", *quick, "--device", "cpu"]


def test_a_picture_comes_out(base: list[Any], photo: Path, small_network: Path, tmp_path: Path) -> None:
    """The same as from Python, of the layer that dreams are of."""
    result = invoke(*base)
    assert result.exit_code == 0, result.output
    assert "small on cpu" in result.stderr
    found = read_image(tmp_path / "out.png")
    recipe = read_recipe(tmp_path / "out.png")
    assert recipe is not None
    assert recipe["objective"]["settings"]["layer"] == "r3"
    assert str(tmp_path) not in json.dumps(recipe)
    quick = {"cells": 2, "size": 24, "steps": 2, "shown": 32}
    same = pixelgrad.activation_grid(photo, model=small_network, device="cpu", **quick)
    np.testing.assert_allclose(found.pixels, same.pixels, atol=1 / 254)


def test_alone_and_json(base: list[Any], tmp_path: Path) -> None:
    result = invoke(*base, "--alone", "--layer", "relu2_1", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["width"], report["height"]) == (48, 24)
    assert read_image(tmp_path / "out.png").size == (48, 24)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--layer", "relu9_1"), "no layer 'relu9_1'; did you mean"),
        (("--cells", 0), "--cells is 0; it must be a whole number from 1 to 64"),
        (("--shown", 3), "--shown is 3"),
        (("--size", 3), "size is 3"),
        (("--steps", 0), "steps is 0"),
        (("-o", "out.xyz"), "out.xyz"),
        (("-m", "nowhere.onnx"), "nowhere.onnx"),
    ],
)
def test_bad_values_have_one_clear_line(
    base: list[Any], tmp_path: Path, arguments: tuple[Any, ...], message: str
) -> None:
    assert message in error_of(invoke(*base, *arguments))
    assert not (tmp_path / "out.png").exists()


def test_settings_that_are_none() -> None:
    with pytest.raises(TypeError, match=r"activation_grid\(\) got an unexpected keyword argument 'tiles'"):
        pixelgrad.activation_grid("photo.jpg", tiles=3)
