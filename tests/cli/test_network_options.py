"""Options that say how a network is read and run, in every command that takes a network."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from helpers.cli import error_of, invoke
from helpers.folders import image_folder
from helpers.network_files import caffe
from helpers.networks import chain

from pixelgrad.runtime import Artifact, read_recipe

# What each command needs beside a network, an output and a device, for the shortest run.
RUNS: dict[str, list[Any]] = {
    "style": ["PHOTO", "PHOTO", "--size", 24, "--steps", 2],
    "texture": ["PHOTO", "--size", 24, "--steps", 2],
    "invert": ["PHOTO", "--layer", "r2", "--size", 24, "--steps", 2],
    "dream": ["PHOTO", "--size", 24, "--steps", 1, "--octaves", 1],
    "visualize": ["--class", 3, "--size", 24, "--coarsest", 24, "--steps", 2],
}
EXPORTS: dict[str, list[Any]] = {
    "style": [],
    "texture": [],
    "invert": ["--layer", "r2"],
    "dream": [],
    "visualize": ["--layer", "r2"],
    "deconv": ["--layer", "r2"],
}


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chain(tmp_path_factory.mktemp("net") / "net.onnx", classes=1000)


def run(name: str, photo: Path, model: Path, out: Path, *more: Any) -> Any:
    arguments = [photo if part == "PHOTO" else part for part in RUNS[name]]
    return invoke(name, *arguments, "--model", model, "-o", out, "--device", "cpu", *more)


@pytest.mark.parametrize("name", list(RUNS))
def test_every_picture_can_be_made_in_half_precision(name: str, photo: Path, classifier: Path, tmp_path: Path) -> None:
    result = run(name, photo, classifier, tmp_path / "out.png", "--precision", "fp16")
    assert result.exit_code == 0, result.output
    recipe = read_recipe(tmp_path / "out.png")
    assert recipe is not None
    assert recipe["precision"] == "fp16"
    message = error_of(run(name, photo, classifier, tmp_path / "no.png", "--precision", "half"))
    assert message == "--precision is 'half'; it must be one of fp32, fp16"


def test_a_description_of_another_kind_of_network(photo: Path, classifier: Path, tmp_path: Path) -> None:
    message = error_of(run("dream", photo, classifier, tmp_path / "out.png", "--prototxt", photo))
    assert message == "'net.onnx' is no Caffe network (ONNX), so no prototxt describes it; leave that out"


def test_every_look_into_a_network_can_be_taken_in_half_precision(classifier: Path, tmp_path: Path) -> None:
    images = image_folder(tmp_path / "images", 4)
    (tmp_path / "classes").mkdir()
    images.rename(tmp_path / "classes" / "banana")
    images = tmp_path / "classes"
    snapshots = [tmp_path / "net_1.onnx", tmp_path / "net_2.onnx"]
    for snapshot in snapshots:
        shutil.copy(classifier, snapshot)
    size = ["--size", 24, "--device", "cpu", "--precision", "fp16", "-o"]
    scan = ["--images", images, "--channel", 2]
    commands: dict[str, list[Any]] = {
        "deconv": ["--layer", "r2", *scan, "--model", classifier],
        "evolve": [*snapshots, "--layer", "r2", *scan],
        "mistakes": ["--images", images, "--no-believe", "--model", classifier],
        "compare": [classifier, snapshots[0], "--channels", 1, "--steps", 2],
    }
    for name, arguments in commands.items():
        result = invoke(name, *arguments, *size, tmp_path / f"{name}.png", "--json")
        assert result.exit_code == 0, result.output
        recipe = read_recipe(tmp_path / f"{name}.png")
        assert recipe is not None
        assert '"precision": "fp16"' in json.dumps(recipe), name
    message = error_of(invoke("deconv", *commands["deconv"], *size, tmp_path / "no.png", "--precision", "half"))
    assert message == "--precision is 'half'; it must be one of fp32, fp16"


def test_a_zoom_can_be_made_in_half_precision(photo: Path, classifier: Path, tmp_path: Path) -> None:
    small = ["--size", 24, "--steps", 1, "--octaves", 1, "--frames", 2, "--model", classifier, "--device", "cpu"]
    assert invoke("zoom", photo, *small, "-o", tmp_path / "frames", "--precision", "fp16").exit_code == 0
    # Frames of another precision are frames of another zoom.
    assert "precision" in error_of(invoke("zoom", photo, *small, "-o", tmp_path / "frames"))


@pytest.mark.parametrize("kind", list(EXPORTS))
def test_every_artifact_can_be_exported_in_half_precision(kind: str, classifier: Path, tmp_path: Path) -> None:
    command = ["export", kind, *EXPORTS[kind], "--model", classifier, "-o", tmp_path / "artifact"]
    result = invoke(*command, "--precision", "fp16", "-q")
    assert result.exit_code == 0, result.output
    assert Artifact(tmp_path / "artifact", device="cpu").precision == "fp16"
    if kind != "deconv":
        assert "neither --profile nor --precision" in error_of(
            invoke(*command, "-f", "--precision", "fp16", "--gradient", "ort-training")
        )


DESCRIPTION = """name: "net" input: "data" input_dim: 1 input_dim: 3 input_dim: 16 input_dim: 16
layers { name: "conv1" type: CONVOLUTION bottom: "data" top: "first"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 } }
layers { name: "relu1" type: RELU bottom: "first" top: "first" }
layers { name: "pool1" type: POOLING bottom: "first" top: "pool1" pooling_param { kernel_size: 2 stride: 2 } }
layers { name: "ip1" type: INNER_PRODUCT bottom: "pool1" top: "ip1" inner_product_param { num_output: 5 } }
"""


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A Caffe network, and a description elsewhere, in which a layer has another name than in the network's own."""
    weights = caffe(tmp_path / "net.caffemodel")
    description = tmp_path / "elsewhere" / "deploy.prototxt"
    description.parent.mkdir()
    description.write_text(DESCRIPTION)
    return weights, description


def takes_a_caffe_pair(command: list[Any], description: Path) -> Any:
    assert "the network has no layer 'first'" in error_of(invoke(*command))
    result = invoke(*command, "--prototxt", description)
    assert result.exit_code == 0, result.output
    return result


@pytest.mark.parametrize(
    "command",
    [
        ["dream", "PHOTO", "--layers", "first", "--size", 16, "--steps", 1, "--octaves", 1, "-o", "out.png"],
        ["zoom", "PHOTO", "--layers", "first", "--size", 16, "--steps", 1, "--frames", 1, "-o", "frames"],
        ["visualize", "--layer", "first", "--channel", 1, "--size", 16, "--steps", 1, "-o", "out.png"],
        [
            "texture",
            "PHOTO",
            "--pool",
            "max",
            "--layers",
            "first",
            "--upto",
            "first",
            "--size",
            16,
            "--steps",
            1,
            "-o",
            "out.png",
        ],
        ["invert", "PHOTO", "--layer", "first", "--size", 16, "--steps", 1, "-o", "out.png"],
        ["export", "dream", "--layers", "first", "-o", "artifact"],
        ["export", "visualize", "--layer", "first", "-o", "artifact"],
    ],
    ids=lambda command: " ".join(map(str, command[:4])),
)
def test_a_caffe_pair(
    command: list[Any], pair: tuple[Path, Path], photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights, description = pair
    monkeypatch.chdir(weights.parent)
    here = [photo if part == "PHOTO" else part for part in command]
    takes_a_caffe_pair([*here, "--model", weights, *([] if "export" in command else ["--device", "cpu"])], description)


def test_a_class_and_a_depth_of_a_caffe_pair(pair: tuple[Path, Path], photo: Path, tmp_path: Path) -> None:
    weights, description = pair
    here = ["--size", 16, "--steps", 1, "--model", weights, "--prototxt", description, "--device", "cpu", "-f"]
    for command in (
        ["dream", "--from-noise", "--class", 2, "--octaves", 1],
        ["visualize", "--class", 2],
        ["invert", photo, "--layer", "all"],
    ):
        result = invoke(*command, *here, "-o", tmp_path / "out.png")
        assert result.exit_code == 0, result.output


def test_comparing_a_caffe_pair(pair: tuple[Path, Path], tmp_path: Path) -> None:
    weights, description = pair
    small = ["--layer", "first", "--size", 16, "--pictures", 2, "--channels", 1, "--steps", 1, "--device", "cpu"]
    takes_a_caffe_pair(["compare", weights, *small, "-o", tmp_path / "out.png"], description)


def test_a_caffe_pair_is_shown_and_added(
    pair: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIXELGRAD_HOME", str(tmp_path / "home"))
    weights, description = pair

    def layers(*command: Any) -> list[str]:
        result = invoke("models", *command, "--json")
        assert result.exit_code == 0, result.output
        return [layer["name"] for layer in json.loads(result.stdout)["layers"]]

    assert "first" not in layers("show", weights)
    assert "first" in layers("show", weights, "--prototxt", description)
    linked = invoke("models", "add", weights, "--name", "mine", "--link", "--prototxt", description)
    assert "its description deploy.prototxt must lie beside it" in error_of(linked)
    assert invoke("models", "add", weights, "--name", "mine", "--prototxt", description).exit_code == 0
    # The description was kept with it, and no other.
    assert "first" in layers("show", "mine")
