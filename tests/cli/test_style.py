"""``pixelgrad style`` as a person or a script meets it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from helpers.breaking import break_at
from helpers.cli import error_of, invoke
from helpers.networks import chain
from PIL import Image

from pixelgrad.errors import DeviceError
from pixelgrad.networks import lookup
from pixelgrad.runtime import read_image, read_recipe
from pixelgrad.runtime.artifact import Artifact, Evaluation
from pixelgrad.tasks import common as tasks


@pytest.fixture
def base(photo: Path, painting: Path, small_network: Path, tmp_path: Path) -> list[Any]:
    """A complete command for a quick run."""
    out = tmp_path / "out.png"
    return [
        "style",
        photo,
        painting,
        "-o",
        out,
        "--model",
        small_network,
        "--size",
        48,
        "--steps",
        4,
        "--device",
        "cpu",
    ]


def test_a_picture_comes_out(base: list[Any], tmp_path: Path) -> None:
    result = invoke(*base)
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert read_image(tmp_path / "out.png").size == (48, 32)
    assert "small on cpu" in result.stderr
    assert not any(f"{name}: it exists on" in result.stderr for name in ("directml", "coreml"))  # on other systems
    assert "scale 1/1 48x32  step 4/4  loss" in result.stderr
    assert "wrote" in result.stderr
    recipe = read_recipe(tmp_path / "out.png")
    assert recipe is not None
    assert recipe["task"] == "style"
    assert str(tmp_path) not in json.dumps(recipe)


def test_quiet_prints_nothing(base: list[Any]) -> None:
    result = invoke(*base, "--quiet")
    assert (result.exit_code, result.output) == (0, "")


def test_json_is_one_object_on_stdout(base: list[Any], tmp_path: Path) -> None:
    result = invoke(*base, "--json")
    report = json.loads(result.stdout)
    assert report["output"] == str(tmp_path / "out.png")
    assert (report["width"], report["height"], report["steps"], report["device"]) == (48, 32, 4, "cpu")
    assert set(report["loss"]) == {"total", "content.r3", "style.r1", "style.r2", "style.r3", "tv"}
    assert report["loss"]["total"]["first"] > report["loss"]["total"]["last"] > 0
    assert report["seconds"] > 0
    assert report["peak_memory_mb"] > 20


def test_the_artifact_is_exported_once(base: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PIXELGRAD_HOME", str(tmp_path / "home"))
    assert invoke(*base, "-q").exit_code == 0
    (folder,) = (tmp_path / "home" / "artifacts").glob("[!.]*")

    def unwanted(*_: Any, **__: Any) -> None:
        raise AssertionError("exported again")

    exporters = tasks.exporters()
    monkeypatch.setattr(exporters, "write_artifact", unwanted)
    assert invoke(*base, "-q", "-f", "--content-weight", 0.5).exit_code == 0
    monkeypatch.undo()
    monkeypatch.setenv("PIXELGRAD_HOME", str(tmp_path / "home"))
    (folder / "weights.bin").write_bytes(b"damaged")
    assert invoke(*base, "-q", "-f").exit_code == 0
    assert invoke(*base, "-q", "-f", "--pool", "max").exit_code == 0
    assert len(list((tmp_path / "home" / "artifacts").glob("[!.]*"))) == 2


def test_existing_files_are_kept_unless_forced(base: list[Any], tmp_path: Path) -> None:
    (tmp_path / "out.png").write_text("precious")
    message = error_of(invoke(*base))
    assert "--force" in message
    assert (tmp_path / "out.png").read_text() == "precious"
    assert invoke(*base, "--force", "-q").exit_code == 0
    assert read_image(tmp_path / "out.png").size == (48, 32)


def test_stdin_and_stdout(base: list[Any], photo: Path) -> None:
    base[1], base[4] = "-", "-"
    result = invoke(*base, "-q", stdin=photo.read_bytes())
    assert result.exit_code == 0, result.stderr
    assert read_image(result.stdout_bytes).size == (48, 32)
    assert "both want stdout" in error_of(invoke(*base, "--json", stdin=photo.read_bytes()))
    base[2] = "-"
    assert "only one picture can come from stdin" in error_of(invoke(*base, stdin=photo.read_bytes()))


def test_several_paintings(base: list[Any], photo: Path) -> None:
    result = invoke(*base[:3], photo, *base[3:], "--style-weights", "1,0.5", "-q")
    assert result.exit_code == 0, result.stderr
    error = error_of(invoke(*base[:3], photo, *base[3:], "--style-weights", "1", "-f"))
    assert "style pictures: 2, style weights: [1.0]" in error


def test_masks_losses_and_colours(base: list[Any], photo: Path, tmp_path: Path) -> None:
    for name, box in (("left", (0, 0, 8, 16)), ("right", (8, 0, 16, 16))):
        mask = Image.new("L", (16, 16))
        mask.paste(255, box)
        mask.save(tmp_path / f"{name}.png")
    masks = ["--style-mask", tmp_path / "left.png", "--style-mask", tmp_path / "right.png"]
    two = [*base[:3], photo, *base[3:]]
    losses = json.loads(invoke(*two, *masks, "--json", "--loss", "gram", "--style-layers", "relu1_1").stdout)["loss"]
    assert set(losses) == {"total", "content.r3", "style.r1.1", "style.r1.2", "tv"}
    assert "style pictures: 2, masks: 1" in error_of(invoke(*two, *masks[:2], "-f"))
    assert "loss is 'cosine'" in error_of(invoke(*base, "-f", "--loss", "cosine"))
    assert "--keep-color is 'hue'" in error_of(invoke(*base, "-f", "--keep-color", "hue"))
    for arguments in (["--keep-color", "luminance"], ["--keep-color", "histogram"], ["--match-histogram"]):
        assert invoke(*base, "-q", "-f", *arguments).exit_code == 0


def test_layers_by_name_and_weight(base: list[Any]) -> None:
    result = invoke(*base, "--json", "--style-layers", "relu1_1=3,relu2_1", "--content-layers", "conv2_1")
    assert set(json.loads(result.stdout)["loss"]) == {"total", "content.c2", "style.r1", "style.r2", "tv"}
    message = error_of(invoke(*base, "-f", "--style-layers", "relu1_2"))
    assert "no layer 'relu1_2'; did you mean relu1_1" in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--size", 0), "size is 0; it must be a whole number from 1 to 65535"),
        (("--steps", 0), "steps is 0; it must be a whole number from 1 up"),
        (("--device", "tpu"), "there is no device 'tpu'; choose auto"),
        (("--device", "cuda"), "device 'cuda' cannot be used: it is not in the installed"),
        (("--model", "vgg99"), "there is no network 'vgg99'"),
        (("--pool", "mean"), "pool is 'mean'"),
        (("--pool", ""), "pool is ''"),
        (("--preprocess", ""), "preprocess is ''"),
        (("--preprocess", "caffee"), "preprocess is 'caffee'"),
        (("--style-layers", "r1=x"), "--style-layers: the weight of 'r1' is 'x'"),
        (("--style-layers", ","), "--style-layers is empty"),
        (("--style-weights", "a"), "--style-weights is 'a'"),
        (("--init", "nowhere.png"), "nowhere.png"),
        (("--optimizer", "sgd"), "--optimizer is 'sgd'"),
        (("-o", "out.xyz"), "out.xyz"),
        (("-o", ""), "the name of the output is empty"),
        (("--model", ""), "the name of the network is empty"),
        (("--size", 10**20), "size is 100000000000000000000; it must be a whole number from 1 to 65535"),
        (("--style-weights", "nan"), "none of them negative"),
        (("--style-weights", "inf"), "none of them negative"),
        (("--style-layers", "r1=nan"), "layer weights must be positive numbers"),
        (("-o", "nowhere/out.png"), "nowhere"),
    ],
)
def test_bad_values_have_one_clear_line(base: list[Any], arguments: tuple[Any, ...], message: str) -> None:
    assert message in error_of(invoke(*base, *arguments))


def test_bad_pictures_have_one_clear_line(base: list[Any], tmp_path: Path, photo: Path) -> None:
    broken = tmp_path / "broken.png"
    for content in (None, b"", b"no picture", photo.read_bytes()[:200]):
        if content is not None:
            broken.write_bytes(content)
        base[1] = broken
        assert "broken.png" in error_of(invoke(*base))
    dot = tmp_path / "dot.png"
    Image.new("RGB", (1, 1)).save(dot)
    base[1] = dot
    assert "the photo is 1x1 pixels" in error_of(invoke(*base))
    base[1:3] = [photo, dot]
    assert "painting 1 is 1x1 pixels" in error_of(invoke(*base))
    assert not (tmp_path / "out.png").exists()


def test_bad_networks_have_one_clear_line(base: list[Any], tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"no network")
    assert "is not an ONNX network" in error_of(invoke(*base, "--model", path))


def test_wrong_usage_exits_with_2(base: list[Any]) -> None:
    assert invoke("style").exit_code == 2
    assert invoke(*base, "--colour", "blue").exit_code == 2
    assert invoke(*base, "--size", "large").exit_code == 2


def test_without_a_bundled_network_the_message_says_what_to_do(
    base: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "bundled_network", lambda: None)
    at = base.index("--model")
    assert "--model FILE" in error_of(invoke(*base[:at], *base[at + 2 :]))


def test_debugging_shows_the_traceback(base: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIXELGRAD_DEBUG", "1")
    result = invoke(*base, "--size", 0)
    assert isinstance(result.exception, Exception)
    assert "size is 0" in str(result.exception)


def test_a_run_that_diverges_leaves_its_last_good_picture(
    base: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    break_at(monkeypatch, 3)
    message = error_of(invoke(*base))
    assert "stopped being a number at step 3 of 4" in message
    assert "try other layers, or another network" in message
    assert f"The last good image is in {tmp_path / 'out.png'}" in message
    assert read_image(tmp_path / "out.png").size == (48, 32)


@pytest.mark.parametrize("error", [MemoryError(), DeviceError("the device failed")])
def test_a_run_that_fails_leaves_the_picture_so_far(
    base: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception
) -> None:
    """Such as one whose last scale does not fit into the memory, after all the others."""
    break_at(monkeypatch, 3, error)
    message = error_of(invoke(*base))
    assert "not enough memory" in message or "the device failed" in message
    assert f"The picture so far, of step 2, is in {tmp_path / 'out.png'}" in message
    assert read_image(tmp_path / "out.png").size == (48, 32)


def test_a_place_that_is_lost_meanwhile_does_not_lose_the_picture(
    base: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "removed"
    folder.mkdir()
    evaluate = Artifact.evaluate

    def removes(self: Artifact, *arguments: Any) -> Evaluation:
        if folder.exists():
            folder.rmdir()
        return evaluate(self, *arguments)

    monkeypatch.setattr(Artifact, "evaluate", removes)
    base[4] = folder / "out.png"
    message = error_of(invoke(*base))
    rescued = Path(message.rsplit("The picture is in ", 1)[1])
    assert read_image(rescued).size == (48, 32)
    rescued.unlink()


def test_version_and_module() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "pixelgrad", "--version"], capture_output=True, text=True, check=True
    )
    assert result.stdout.startswith("pixelgrad ")
    assert invoke("--version").stdout == result.stdout


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_ctrl_c_saves_the_picture_so_far(photo: Path, painting: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    network = chain(tmp_path / "net.onnx", channels=(16, 32, 32))
    command = ["style", photo, painting, "-o", out, "--model", network, "--size", 256, "--steps", 100000]
    process = subprocess.Popen(
        [sys.executable, "-m", "pixelgrad", *map(str, command)], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if line.startswith("scale"):
            break
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    rest = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=30) == 130
    assert "interrupted at step" in rest
    assert f"the picture so far is in {out}" in rest
    assert "Traceback" not in rest
    assert read_image(out).pixels.std() > 0.02
