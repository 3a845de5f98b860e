"""pixelgrad deconv, and export deconv, from the command line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from helpers.folders import image_folder
from typer.testing import CliRunner

import pixelgrad
from pixelgrad.cli.main import app
from pixelgrad.runtime import read_image, read_recipe

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return image_folder(tmp_path_factory.mktemp("images"), 5)


def arguments(network: Path, images: Path, output: Path, *more: str) -> list[str]:
    base = ["deconv", "--model", str(network), "--layer", "r2", "--images", str(images), "-o", str(output)]
    return [*base, "--size", "40", "--device", "cpu", *more]


def test_a_sheet(small_network: Path, images: Path, tmp_path: Path) -> None:
    output, index = tmp_path / "sheet.png", tmp_path / "index.sqlite"
    given = arguments(small_network, images, output, "--channel", "4,6-7", "--channel", "1", "--index", str(index))
    result = RUNNER.invoke(app, [*given, "--json"])
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert [row["channel"] for row in report["channels"]] == [4, 6, 7, 1]
    assert (report["images"], report["unreadable"], report["index"]) == (5, 0, str(index))
    assert "image 5/5" in result.stderr
    assert "projecting channel 4/4" in result.stderr
    assert read_image(output).size[0] > 500
    recipe = read_recipe(output)
    assert recipe is not None
    assert recipe["settings"]["channels"] == [4, 6, 7, 1]
    again = RUNNER.invoke(app, given)
    assert again.exit_code == 1
    assert "sheet.png" in again.stderr
    forced = RUNNER.invoke(app, [*given, "--force"])
    assert "all 5 images known" in forced.stderr
    assert forced.stdout == ""
    assert f"wrote {output}" in forced.stderr


def test_unreadable_files_are_told_of(small_network: Path, tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "images", 2)
    (folder / "broken.jpg").write_bytes(b"no image")
    result = RUNNER.invoke(app, arguments(small_network, folder, tmp_path / "o.png", "--channel", "4"))
    assert result.exit_code == 0, result.stderr
    assert "skipped 1 of 3 files that are no readable images, such as broken.jpg: not an image file" in result.stderr


def test_a_name_that_is_no_unicode(small_network: Path, tmp_path: Path) -> None:
    """Linux takes any bytes for a name; those of an old archive, say, are not UTF-8."""
    folder = image_folder(tmp_path / "images", 2)
    first = min(folder.iterdir())
    try:
        first.rename(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.png"))
    except (OSError, UnicodeError):
        pytest.skip("the file system takes no such name")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.jpg")).write_bytes(b"no image")
    for more in ([], ["--force"]):  # from the pictures, then from the index
        given = arguments(small_network, folder, tmp_path / "o.png", "--channel", "4", "--json", *more)
        result = RUNNER.invoke(app, given)
        assert result.exit_code == 0, result.stderr
        report = json.loads(result.stdout)
        assert (report["images"], report["unreadable"]) == (3, 1)
        assert "caf\\udce9.png" in result.stdout


def test_the_scan_is_kept_at_home(small_network: Path, images: Path, tmp_path: Path) -> None:
    """One index for a layer and a size, whatever the rule."""
    home = tmp_path / "home"
    for rule in ("deconvnet", "guided"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PIXELGRAD_HOME", str(home))
            given = arguments(small_network, images, tmp_path / f"{rule}.png", "--channel", "4", "--rule", rule)
            assert RUNNER.invoke(app, given).exit_code == 0
    assert len(list((home / "scans").iterdir())) == 1


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--channel", "12"], "the layer 'r2' has no channel 12; it has channels 0 to 11"),
        (["--channel", "a"], "--channel is 'a'; it must be numbers from 0 up, or ranges of at most 4096"),
        (["--channel", "8-3"], "--channel is '8-3'; it must be numbers from 0 up"),
        (["--rule", "cam"], "--rule is 'cam'"),
        (["--layer", "r9"], "the network has no layer 'r9'; did you mean"),
        (["--images", "nowhere"], "the image folder 'nowhere' is not there"),
        (["--top", "0"], "--top is 0"),
        (["--index", "-"], "--index is '-', and what is written there is no stream"),
        (["--index", "."], "the index '.' cannot be written"),
    ],
)
def test_errors_are_one_line(small_network: Path, images: Path, tmp_path: Path, more: list[str], message: str) -> None:
    result = RUNNER.invoke(app, [*arguments(small_network, images, tmp_path / "o.png"), *more, "--quiet"])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"pixelgrad: error: {message}")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "o.png").exists()


def test_export_and_verify(small_network: Path, tmp_path: Path) -> None:
    folder = tmp_path / "r2.pixelgrad"
    given = ["export", "deconv", "--model", str(small_network), "--layer", "r2", "-o", str(folder)]
    result = RUNNER.invoke(app, given)
    assert result.exit_code == 0, result.stderr
    assert "12 channels of r2, rule deconvnet" in result.stderr
    report = json.loads(RUNNER.invoke(app, [*given, "--force", "--json"]).stdout)
    assert report["projection"]["layer"] == "r2"
    verified = RUNNER.invoke(app, ["verify", str(folder), "--device", "cpu"])
    assert verified.exit_code == 0
    assert "is sound on cpu" in verified.stdout


def test_from_python(small_network: Path, images: Path, tmp_path: Path) -> None:
    seen = []
    result = pixelgrad.deconv(
        images, layer="r2", model=small_network, channels=[4], size=40, top=3, on_event=seen.append, device="cpu"
    )
    assert [channel.channel for channel in result.channels] == [4]
    assert len(result.channels[0].hits) == 3
    assert len(seen) == 3
    result.picture().save(tmp_path / "out.png")
    with pytest.raises(TypeError, match=r"deconv\(\) got an unexpected keyword argument 'chanels'"):
        pixelgrad.deconv(images, layer="r2", chanels=[4])
