"""``pixelgrad compare`` as a person or a script meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.cli import error_of, invoke
from helpers.networks import chain
from PIL import Image

from pixelgrad.runtime import read_image


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("nets")
    return [
        chain(folder / "plain.onnx", classes=4),
        chain(folder / "average.onnx", pool="AveragePool", channels=(6, 8), seed=1),
    ]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.jpg", "c.png"):
        pixels = Image.fromarray(rng.integers(0, 255, (7, 9, 3), dtype=np.uint8))
        pixels.resize((64, 48), Image.Resampling.BICUBIC).save(folder / name)
    return folder


@pytest.fixture
def base(networks: list[Path], images: Path, tmp_path: Path) -> list[Any]:
    quick = ["--size", 32, "--pictures", 2, "--channels", 1, "--steps", 1, "--device", "cpu"]
    return ["compare", *networks, "--images", images, "-o", tmp_path / "out.png", *quick]


def test_a_sheet_and_numbers(base: list[Any], tmp_path: Path) -> None:
    result = invoke(*base, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert [row["network"] for row in report["networks"]] == ["plain", "average"]
    assert report["pictures"] == 3
    first = report["networks"][0]
    assert first["first_layer"]["stride"] == 1
    assert first["first_layer"]["aliased_share_of_filters"] == 0
    assert set(first["certainty"]) == {"vertical shift", "scale", "rotation"}
    assert report["networks"][1]["certainty"] == {}
    assert len(first["top_channels"]) == 1
    assert read_image(tmp_path / "out.png").size[0] > 800
    assert "invariance" in result.stderr
    recipe = read_image(tmp_path / "out.png").recipe
    assert recipe is not None
    assert recipe["task"] == "compare"
    assert [network["name"] for network in recipe["networks"]] == ["plain", "average"]
    assert len(recipe["pictures"]) == 3
    assert str(tmp_path) not in json.dumps(recipe)


def test_the_samples_do_without_a_folder(networks: list[Path], tmp_path: Path) -> None:
    quick = ["--size", 32, "--pictures", 2, "--channels", 0, "--device", "cpu", "-q"]
    result = invoke("compare", networks[0], "-o", tmp_path / "out.png", *quick)
    assert (result.exit_code, result.output) == (0, "")


def test_what_is_no_picture_is_skipped_with_a_word(base: list[Any], images: Path) -> None:
    (images / "broken.png").write_bytes(b"no picture")
    (images / "notes.txt").write_text("not even by name")
    result = invoke(*base, "--json")
    assert json.loads(result.stdout)["pictures"] == 3
    assert "skipped" in result.stderr
    assert "broken.png" in result.stderr
    assert "notes.txt" not in result.stderr


def test_layers(base: list[Any]) -> None:
    shown = json.loads(invoke(*base, "--json", "--layer", "r1", "--layer", "r2").stdout)["networks"]
    assert [row["shown_layer"] for row in shown] == ["r1", "r2"]
    message = error_of(invoke(*base, "-f", "--layer", "r1", "--layer", "r2", "--layer", "r1"))
    assert "there are 2 networks and 3 layers; give one for all, or one for each" in message
    assert "no layer 'r9'; did you mean" in error_of(invoke(*base, "-f", "--layer", "r9"))


def test_bad_input(base: list[Any], networks: list[Path], tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    at = base.index("--images") + 1
    message = error_of(invoke(*base[:at], empty, *base[at + 1 :]))
    assert "holds 0 readable pictures" in message
    assert "is not there; check its spelling" in error_of(invoke(*base[:at], tmp_path / "nowhere", *base[at + 1 :]))
    assert "there is no network 'vgg99'" in error_of(invoke("compare", "vgg99", *base[2:]))
    assert "size is 4" in error_of(invoke(*base, "--size", 4))
    assert "pictures is 1; it must be a whole number from 2 up" in error_of(invoke(*base, "--pictures", 1))
    assert not (tmp_path / "out.png").exists()
    (tmp_path / "out.png").write_text("precious")
    assert "--force" in error_of(invoke(*base))
    assert (tmp_path / "out.png").read_text() == "precious"
