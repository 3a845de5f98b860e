"""pixelgrad mistakes from the command line."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.data import shared
from helpers.folders import draw
from helpers.networks import chain
from typer.testing import CliRunner

import pixelgrad
from pixelgrad.cli.main import app
from pixelgrad.networks import NetworkSpec
from pixelgrad.runtime import read_recipe
from pixelgrad.tasks.mistakes import class_pictures

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chain(tmp_path_factory.mktemp("network") / "net.onnx", classes=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Classes without names go by their numbers."""
    place = tmp_path_factory.mktemp("images")
    for number in range(8):
        draw(place / str(number % 4) / f"{number}.png", number)
    return place


def arguments(network: Path, output: Path, *more: str) -> list[str]:
    given = ["mistakes", "--model", str(network), "-o", str(output), "--size", "40", "--device", "cpu"]
    return [*given, "--preprocess", "rgb", "--no-believe", *more]


def test_folders_and_a_list_agree(network: Path, folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("".join(f"{n % 4}/{n}.png,{n % 4}\n" for n in range(8)))
    reports = []
    for name, more in (
        ("folders", ["--images", str(folder)]),
        ("list", ["--labels", str(table), "--images", str(folder)]),
    ):
        output = tmp_path / f"{name}.png"
        result = RUNNER.invoke(app, arguments(network, output, *more, "--json"))
        assert result.exit_code == 0, result.stderr
        report = json.loads(result.stdout)
        assert report["images"] == 8
        assert report["correct"] + sum(pair["count"] for pair in report["pairs"]) == 8
        recipe = read_recipe(output)
        assert recipe is not None
        reports.append({key: value for key, value in report.items() if key != "output"})
        assert f"{report['correct']} of 8 right" in result.stderr
    assert reports[0] == reports[1]


def test_from_python(network: Path, folder: Path) -> None:
    rgb = NetworkSpec(network, preprocess="rgb")
    result = pixelgrad.mistakes(folder, model=rgb, size=40, most=2, device="cpu", believe=False)
    assert result.images == 8
    assert len(result.wrong) <= 2


def test_what_the_network_believes_is_made_once(network: Path, folder: Path, tmp_path: Path) -> None:
    rgb = NetworkSpec(network, preprocess="rgb")
    makes = class_pictures(rgb, device="cpu", size=32, steps=2)
    first = dict(makes([3, 1]))
    assert sorted(first) == [1, 3]
    assert first[1] != first[3]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules["pixelgrad.tasks.mistakes"], "run_visualize", lambda *_: pytest.fail("made again"))
        again = class_pictures(rgb, device="cpu", size=32, steps=2)
        assert dict(again([1])) == {1: first[1]}
    half = class_pictures(replace(rgb, precision="fp16"), device="cpu", size=32, steps=2)
    assert dict(half([1]))[1].recipe["precision"] == "fp16"  # and not the one that was made in single precision
    result = pixelgrad.mistakes(folder, model=rgb, size=40, device="cpu", believe=makes)
    assert set(result.believed) == {one for error in result.wrong for one in (error.predicted, error.truth)}


@pytest.mark.parametrize(
    ("make", "more", "message"),
    [
        (None, [], "name the images: a folder with one for each class (--images)"),
        ("tabby", [], "the folder 'tabby': the classes of 'net' have no names here"),
        ("9", [], "the folder '9': 'net' has no class 9; give a number from 0 to 3"),
        ("1", ["--most", "0"], "--most is 0"),
        ("1", ["--layer", "r9"], "the network has no layer 'r9'"),
        ("1", ["--labels", "nowhere.csv"], "the labels 'nowhere.csv' cannot be read"),
    ],
)
def test_errors_are_one_line(network: Path, tmp_path: Path, make: str | None, more: list[str], message: str) -> None:
    if make is not None:
        draw(tmp_path / "images" / make / "a.png", 1)
        more = [*more, "--images", str(tmp_path / "images")]
    result = RUNNER.invoke(app, [*arguments(network, tmp_path / "o.png"), *more, "--quiet"])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"pixelgrad: error: {message}")
    assert result.stderr.count("\n") == 1


def test_googlenet_knows_a_cat_when_it_sees_one(tmp_path: Path) -> None:
    """And takes the cup for what is in it: named by a word, a synset and a number."""
    for name, source in (("Egyptian cat", "chelsea.png"), ("n07930864", "coffee.png"), ("657", "rocket.jpg")):
        place = tmp_path / "images" / name
        place.mkdir(parents=True)
        (place / source).write_bytes(shared(f"images/photos/{source}").read_bytes())
    given = ["mistakes", "--model", str(shared("weights/googlenet.onnx")), "--images", str(tmp_path / "images")]
    result = RUNNER.invoke(app, [*given, "-o", str(tmp_path / "out.png"), "--json", "--quiet", "--no-believe"])
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert (report["images"], report["layer"]) == (3, "loss3/classifier")
    errors = {Path(error["path"]).name: error["predicted"]["name"] for error in report["errors"]}
    assert errors["coffee.png"] == "espresso"
    assert report["top5_accuracy"] == 1
