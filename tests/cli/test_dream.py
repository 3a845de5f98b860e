"""``pixelgrad dream`` and ``pixelgrad export dream`` as a person or a script meets them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from helpers.cli import error_of, invoke
from helpers.networks import chain

import pixelgrad
from pixelgrad.runtime import read_image, read_recipe
from pixelgrad.runtime.artifact import Artifact


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A thousand classes, so that they have the names of ImageNet's."""
    return chain(tmp_path_factory.mktemp("net") / "classes.onnx", classes=1000)


@pytest.fixture
def base(photo: Path, small_network: Path, tmp_path: Path) -> list[Any]:
    """A complete command for a quick run."""
    fast = ["--size", 48, "--steps", 2, "--octaves", 2, "--device", "cpu"]
    return ["dream", photo, "-o", tmp_path / "out.png", "--model", small_network, *fast]


def of_class(base: list[Any], classifier: Path, *names: Any) -> list[Any]:
    command = [classifier if part == base[5] else part for part in base]
    return [*command, *(part for name in names for part in ("--class", name))]


def test_a_picture_comes_out(base: list[Any], tmp_path: Path) -> None:
    result = invoke(*base)
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert read_image(tmp_path / "out.png").size == (48, 32)
    assert "small on cpu" in result.stderr
    assert "scale 2/2 48x32  step 4/4  loss" in result.stderr
    recipe = read_recipe(tmp_path / "out.png")
    assert recipe is not None
    assert recipe["task"] == "dream"
    assert recipe["settings"]["strength"] == 1.5
    assert str(tmp_path) not in json.dumps(recipe)


def test_from_noise(base: list[Any], tmp_path: Path) -> None:
    del base[1]
    result = invoke(*base, "--from-noise", "--json")
    assert json.loads(result.stdout)["steps"] == 4
    assert read_image(tmp_path / "out.png").size == (48, 48)
    assert "give a picture to dream from, or --from-noise" in error_of(invoke(*base))
    refused = invoke(*base, "--force", "--from-noise", "--natural-color", 0.5)
    assert "only a dream of a picture has natural_color; leave that out for one of noise" in error_of(refused)


def test_a_picture_and_noise_is_one_too_many(base: list[Any]) -> None:
    assert "or --from-noise, not both" in error_of(invoke(*base, "--from-noise"))


def test_layers_channels_and_guide(base: list[Any], painting: Path) -> None:
    found = json.loads(invoke(*base, "--json", "--layers", "relu1_1=2,relu3_1").stdout)
    assert set(found["loss"]) == {"total", "energy.r1", "energy.r3"}
    found = json.loads(invoke(*base, "-f", "--json", "-l", "relu2_1", "--channel", 3, "--channel", 5).stdout)
    assert set(found["loss"]) == {"total", "activation.r2"}
    found = json.loads(invoke(*base, "-f", "--json", "-l", "relu2_1", "--guide", painting).stdout)
    assert set(found["loss"]) == {"total", "guide.r2"}


def test_a_class_goes_by_label_index_or_synset(base: list[Any], classifier: Path, tmp_path: Path) -> None:
    pictures = []
    for name in ("banana", 954, "n07753592"):
        result = invoke(*of_class(base, classifier, name), "-f", "-q")
        assert result.exit_code == 0, result.output
        pictures.append(read_image(tmp_path / "out.png"))
    assert pictures[0] == pictures[1] == pictures[2]
    recipe = read_recipe(tmp_path / "out.png")
    assert recipe is not None
    assert recipe["channels"] == [954]


def test_stdin_and_stdout(base: list[Any], photo: Path) -> None:
    base[1], base[3] = "-", "-"
    result = invoke(*base, "-q", stdin=photo.read_bytes())
    assert result.exit_code == 0, result.stderr
    assert read_image(result.stdout_bytes).size == (48, 32)
    assert "only one picture can come from stdin" in error_of(invoke(*base, "--guide", "-", stdin=b""))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--layers", "relu9_1"), "no layer 'relu9_1'; did you mean"),
        (("--channel", 500), "there is no channel 500 in 'r3': it has channels 0 to 15"),
        (("--channel", 1, "--layers", "r1,r2"), "channels belong to one layer; 2 are named"),
        (("--class", "banana"), "'small' is no classifier: it has no classes to choose from"),
        (("--class", "1", "--channel", 2), "a dream is of one thing, not of channels and class"),
        (("--guide", "nowhere.png"), "nowhere.png"),
        (("--size", 3), "size is 3; it must be a whole number from 8 to 65535"),
        (("--blur", 1e30), "blur is 1e+30; it must be a number of pixels from 0 to 100"),
        (("--octaves", 10**6), "octaves is 1000000; it must be a whole number from 1 to 64"),
        (("--jitter", 10**20), "it must be a whole number from 0 to 65535"),
        (("--octave-scale", 0.5), "--octave-scale is 0.5"),
        (("--strength", "nan"), "strength is nan"),
        (("--device", "tpu"), "there is no device 'tpu'"),
        (("-o", "nowhere/out.png"), "nowhere"),
        (("-o", "out.xyz"), "out.xyz"),
    ],
)
def test_bad_values_have_one_clear_line(base: list[Any], arguments: tuple[Any, ...], message: str) -> None:
    assert message in error_of(invoke(*base, *arguments))


def test_bad_classes_have_one_clear_line(base: list[Any], classifier: Path) -> None:
    assert "did you mean 954 banana" in error_of(invoke(*of_class(base, classifier, "bananna")))
    assert "there is no class 1000" in error_of(invoke(*of_class(base, classifier, 1000)))
    both = [*of_class(base, classifier, 1), "--layers", "r1"]
    assert "give a class or layers, not both" in error_of(invoke(*both))


def test_existing_files_are_kept_unless_forced(base: list[Any], tmp_path: Path) -> None:
    (tmp_path / "out.png").write_text("precious")
    assert "--force" in error_of(invoke(*base))
    assert (tmp_path / "out.png").read_text() == "precious"


def test_wrong_usage_exits_with_2(base: list[Any]) -> None:
    assert invoke("dream").exit_code == 2
    assert invoke(*base, "--channel", "red").exit_code == 2


def test_export_then_verify(small_network: Path, tmp_path: Path) -> None:
    for enhance in ("layers", "channels", "guide"):
        folder = tmp_path / enhance
        result = invoke("export", "dream", "--model", small_network, "--enhance", enhance, "-o", folder, "-q")
        assert result.exit_code == 0, result.output
        assert Artifact(folder, device="cpu").manifest["objective"]["settings"]["enhance"] == enhance
        verified = invoke("verify", folder, "--device", "cpu")
        assert verified.exit_code == 0, verified.output
    shutil.rmtree(tmp_path / "guide")
    bad = invoke("export", "dream", "--model", small_network, "--enhance", "class", "-o", tmp_path / "guide")
    assert "is no classifier" in error_of(bad)
    assert not (tmp_path / "guide").exists()


def test_from_python(photo: Path, painting: Path, small_network: Path, classifier: Path) -> None:
    fast: dict[str, Any] = {"size": 48, "steps": 1, "octaves": 1, "device": "cpu"}
    steps: list[Any] = []
    result = pixelgrad.dream(photo, model=small_network, on_step=steps.append, **fast)
    assert result.size == (48, 32)
    assert len(steps) == 1
    assert pixelgrad.dream(photo, model=small_network, layers=["r2"], guide=painting, **fast) != result
    assert pixelgrad.dream(model=classifier, classes="banana", **fast).size == (48, 48)
    with pytest.raises(TypeError, match=r"dream\(\) got an unexpected keyword argument 'stepz'"):
        pixelgrad.dream(photo, stepz=3)
    with pytest.raises(pixelgrad.SettingsError, match="of one thing, not of channels and class"):
        pixelgrad.dream(photo, model=classifier, classes=1, channels=[2])
