"""``pixelgrad visualize`` as a person or a script meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.cli import error_of, invoke
from helpers.networks import chain

import pixelgrad
from pixelgrad.runtime import read_image, read_recipe


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chain(tmp_path_factory.mktemp("net") / "net.onnx", classes=1000)


@pytest.fixture
def base(network: Path, tmp_path: Path) -> list[Any]:
    quick = ["--size", 32, "--coarsest", 32, "--steps", 3, "--jitter", 2, "--device", "cpu"]
    return ["visualize", "-m", network, "-o", tmp_path / "out.png", *quick]


def test_classes_by_name(base: list[Any], tmp_path: Path) -> None:
    result = invoke(*base, "--class", "banana", "goldfish", "n09472597", "-q")
    assert (result.exit_code, result.output) == (0, "")
    recipe = read_recipe(tmp_path / "out.png")
    assert recipe is not None
    assert [unit["index"] for unit in recipe["units"]] == [954, 1, 980]
    assert [unit["name"] for unit in recipe["units"]] == ["banana", "goldfish", "volcano"]


def test_one_unit_is_the_picture_itself(base: list[Any], tmp_path: Path) -> None:
    result = invoke(*base, "--layer", "r2", "--channel", 3)
    assert result.exit_code == 0, result.output
    assert read_image(tmp_path / "out.png").size == (32, 32)
    assert "scale 1/1 32x32  step 3/3" in result.stderr


def test_channels_as_ranges_and_lists(base: list[Any], tmp_path: Path) -> None:
    result = invoke(*base, "--layer", "relu2_1", "--channel", "0-2", "7,2", "--channel", 5, "--json")
    report = json.loads(result.stdout)
    recipe = read_recipe(tmp_path / "out.png")
    assert recipe is not None
    assert [unit["index"] for unit in recipe["units"]] == [0, 1, 2, 5, 7]
    assert report["steps"] == 15
    assert "channel.r2" in report["loss"]


def test_neurons_priors_and_diversity(base: list[Any]) -> None:
    result = invoke(
        *base, "-l", "r3", "--neuron", 1, "--diversity", 2, "--tv-weight", 0.5, "--norm-weight", 0.1, "--json"
    )
    assert set(json.loads(result.stdout)["loss"]) == {"total", "neuron.r3", "diversity.r3", "tv", "norm"}


def test_maco(base: list[Any], tmp_path: Path) -> None:
    assert invoke(*base, "--class", 5, "--parameters", "maco", "-q").exit_code == 0
    lost = "holds no transparency, so white is behind the picture; .png keeps it"
    for name, fade, is_said in (("a.png", "--fade", 0), ("a.jpg", "--fade", 1), ("b.jpg", "--opaque", 0)):
        result = invoke(*base, "-o", tmp_path / name, "--class", 5, "--parameters", "maco", fade)
        assert result.stderr.count(lost) == is_said
    assert read_image(tmp_path / "out.png").size == (32, 32)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (),
            "ask for channels (--channel), neurons (--neuron), classes (--class) or directions (--direction), one ",
        ),
        (("--class", 1, "--channel", 2), "one kind: channel and class are given"),
        (("--channel", 2), "name the layer whose channel is to be seen (--layer NAME)"),
        (("--layer", "r1", "--channel", 8), "there is no channel 8: 'r1' of net has channel 0 to 7"),
        (
            ("--layer", "r1", "--channel", "x"),
            "--channel is 'x'; it must be numbers from 0 up, or ranges of at most",
        ),
        (("--layer", "r1", "--channel", "5-2"), "--channel is '5-2'"),
        (("--layer", "r9", "--channel", 0), "the network has no layer 'r9'; did you mean"),
        (("--layer", "logits", "--neuron", 0), "layer 'logits' has no positions, so a neuron of it is a channel"),
        (("--class", "bananna"), "has no class 'bananna'; did you mean 954 banana"),
        (("--class", 1000), "there is no class 1000: imagenet has classes 0 to 999"),
        (("--class", 1, "--size", 4), "size is 4; it must be a whole number from 8 to 65535"),
        (("--class", 1, "--scale", "1"), None),
        (("--class", 1, "--scale", "1,2,3"), "--scale is '1,2,3'; it must be two numbers, as in 0.8,1.2"),
        (("--class", 1, "--scale", "a"), "--scale is 'a'"),
        (("--class", 1, "--diversity", 0), "diversity is 0; it must be a number of pictures from 1 to 64"),
        (("--class", 1, "--parameters", "dct"), "--parameters is 'dct'; it must be one of fourier, maco, pixels"),
        (("--class", 1, "--device", "tpu"), "there is no device 'tpu'"),
        (("--class", 1, "-m", "nowhere.onnx"), "nowhere.onnx"),
    ],
)
def test_bad_input(base: list[Any], tmp_path: Path, arguments: tuple[Any, ...], message: str | None) -> None:
    result = invoke(*base, *arguments)
    if message is None:
        assert result.exit_code == 0, result.output
        return
    assert message in error_of(result)
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("wanted", [1, "banana"])
def test_a_network_without_classes(small_network: Path, tmp_path: Path, wanted: Any) -> None:
    message = error_of(invoke("visualize", "-m", small_network, "--class", wanted, "-o", tmp_path / "out.png"))
    assert "'small' is no classifier" in message
    assert message.endswith("or a layer")


def test_directions_from_a_file(base: list[Any], tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(2, 8))
    np.save(tmp_path / "rows.npy", rows)
    result = invoke(*base, "--layer", "r1", "--direction", tmp_path / "rows.npy", "-q")
    assert result.exit_code == 0, result.output
    assert read_image(tmp_path / "out.png").size[0] > 2 * 32
    seen = pixelgrad.visualize(
        model=base[2], layer="r1", directions=rows, size=32, coarsest=16, steps=6, jitter=2, device="cpu"
    )
    assert [one.unit.name for one in seen] == ["r1 direction 0", "r1 direction 1"]


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        (None, (), "--direction: there is no file"),
        (b"banana", (), "is no NumPy file of numbers; numpy.save writes one"),
        (np.zeros((0, 8)), (), "holds no direction"),
        (np.ones((2, 3, 8)), (), "directions must be numbers, [channels] for one or [number, channels] for several"),
        (np.array(["a"]), (), "directions must be numbers"),
        (np.ones((2, 7)), (), "r1 direction 0 is 7 numbers; it must be 8"),
        (np.ones(8), ("--channel", 1), "one kind: channel and direction are given"),
        (np.ones(8), ("3",), "'3' is one too many: the directions are all in the file"),
    ],
)
def test_files_that_hold_no_directions(
    base: list[Any], tmp_path: Path, content: Any, arguments: tuple[Any, ...], message: str
) -> None:
    file = tmp_path / "rows.npy"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        np.save(file, content)
    assert message in error_of(invoke(*base, "--layer", "r1", "--direction", file, *arguments))
    assert not (tmp_path / "out.png").exists()


def test_existing_files_are_kept_unless_forced(base: list[Any], tmp_path: Path) -> None:
    (tmp_path / "out.png").write_text("precious")
    assert "--force" in error_of(invoke(*base, "--class", 1))
    assert (tmp_path / "out.png").read_text() == "precious"
    assert invoke(*base, "--class", 1, "-f", "-q").exit_code == 0


def test_export_and_verify(network: Path, tmp_path: Path) -> None:
    folder = tmp_path / "classes.pixelgrad"
    result = invoke("export", "visualize", "-m", network, "--unit", "class", "--batch", 2, "-o", folder, "--json")
    assert result.exit_code == 0, result.output
    manifest = json.loads(result.stdout)
    assert manifest["image"]["batch"] == 2
    assert [term["kind"] for term in manifest["terms"]] == ["class", "rivals"]
    assert invoke("verify", folder, "--device", "cpu", "-q").exit_code == 0
    message = error_of(invoke("export", "visualize", "-m", network, "-o", tmp_path / "other"))
    assert "name the layer" in message
    message = error_of(invoke("export", "visualize", "-m", network, "--unit", "cell", "-o", tmp_path / "other"))
    assert "--unit is 'cell'; it must be one of channel, neuron, class" in message
