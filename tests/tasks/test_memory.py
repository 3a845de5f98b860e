"""How much memory a large picture may take."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.cli import error_of, invoke
from helpers.transformers import transformer
from PIL import Image

import pixelgrad
from pixelgrad.errors import SettingsError
from pixelgrad.runtime import (
    Choice,
    DreamSettings,
    InversionSettings,
    StyleSettings,
    TextureSettings,
    VisualizeSettings,
    choose_device,
)
from pixelgrad.runtime.devices import DEVICES
from pixelgrad.tasks import memory

GIGABYTE = 10**9


@pytest.fixture
def cpu() -> Choice:
    return choose_device("cpu")


def test_large_pictures_take_what_is_free(cpu: Choice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: 10 * GIGABYTE)
    assert memory.memory_limit(StyleSettings(size=4000), cpu) == 8 * GIGABYTE
    assert memory.memory_limit(StyleSettings(size=512), cpu) is None
    assert memory.memory_limit(TextureSettings(max_memory=GIGABYTE), cpu) == GIGABYTE
    for kind in (DreamSettings, InversionSettings, VisualizeSettings):
        assert memory.memory_limit(kind(size=4000), cpu) == 8 * GIGABYTE
        assert memory.memory_limit(kind(), cpu) is None
    elsewhere = Choice(DEVICES["cuda"])
    assert memory.memory_limit(StyleSettings(size=4000), elsewhere) is None  # its memory is another


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({"memory.max": "3000", "memory.current": "1000", "memory.stat": "anon 600\nactive_file 300"}, 2300),
        ({"memory.max": "max", "memory.current": "1000", "memory.stat": ""}, 5000),
        ({"memory.max": "9000", "memory.current": "1000", "memory.stat": "inactive_file 10"}, 5000),
        ({}, 5000),
    ],
)
def test_a_container_has_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], free: int
) -> None:
    @dataclass
    class Machine:
        available: int = 5000

    for name, text in files.items():
        (tmp_path / name).write_text(f"{text}\n")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    monkeypatch.setattr("psutil.virtual_memory", Machine)
    assert memory.free_memory() == free


def test_layers_that_see_whole_images_only_are_held_to_the_limit(
    tmp_path: Path, photo: Path, painting: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what the artifact says that it takes, before anything is computed; and what is said to fit, does."""
    network = transformer(tmp_path / "transformer.onnx", first=1, frozen=True)
    given: dict[str, Any] = {"model": network, "steps": 1, "loss": "gram"}
    with pytest.raises(SettingsError, match=r"see whole images only.*smaller --size \(\d+ fits\)") as caught:
        pixelgrad.stylize(photo, painting, size=700, max_memory=GIGABYTE, **given)
    found = re.search(r"\((\d+) fits\)", str(caught.value))
    assert found is not None
    assert 256 < int(found[1]) < 700
    assert pixelgrad.stylize(photo, painting, size=int(found[1]), max_memory=GIGABYTE, **given).size[0] == int(found[1])
    monkeypatch.setattr(memory, "free_memory", lambda: GIGABYTE)  # nor is one that nobody asked for exceeded
    with pytest.raises(SettingsError, match="there are 800 MB of memory to keep to"):
        pixelgrad.stylize(photo, painting, size=2000, **given)


def test_what_is_said_of_a_seamless_texture_is_its_own_size(tmp_path: Path, photo: Path) -> None:
    """It is looked at with a border that nobody asked for."""
    network = transformer(tmp_path / "transformer.onnx", first=1, frozen=True)
    given: dict[str, Any] = {"model": network, "steps": 1, "tileable": True, "max_memory": GIGABYTE}
    with pytest.raises(SettingsError, match=r"a result of 700x600 takes at least .* \((\d+) fits\)") as caught:
        pixelgrad.texture(photo, size=(700, 600), **given)
    found = re.search(r"\((\d+) fits\)", str(caught.value))
    assert found is not None
    width = int(found[1])
    assert pixelgrad.texture(photo, size=(width, width * 600 // 700), **given).size[0] == width
    with pytest.raises(SettingsError, match="fits"):
        pixelgrad.texture(photo, size=(width + 8, (width + 8) * 600 // 700), **given)


@pytest.mark.parametrize(
    "arguments",
    [["invert", "--layer", "r2"], ["invert", "--layer", "r1,r2"], ["dream"], ["dream", "--from-noise"]]
    + [["visualize", "--layer", "r2", "--channel", 1, *more] for more in ([], ["--parameters", "maco"])],
)
def test_what_has_no_tiles_is_refused_before_it_runs(
    tmp_path: Path, photo: Path, small_network: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[Any]
) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: GIGABYTE)
    pictures = [] if "--channel" in arguments or "--from-noise" in arguments else [photo]
    given = ["-m", small_network, "--size", 5000, "--steps", 1, "--device", "cpu", "-o", tmp_path / "out.png"]
    message = error_of(invoke(*arguments, *pictures, *given))
    needed = r"there are 800 MB of memory to keep to, and a result of 5000x\d+ takes at least (\d+) MB"
    found = re.fullmatch(needed + r"; free some, or use a smaller --size \((\d+) fits\)", message)
    assert found is not None, message
    assert int(found[1]) > 800
    assert 500 < int(found[2]) < 5000
    assert not list(tmp_path.glob("out.png"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("12", "--max-memory is '12'; it must be a size such as 4GB or 800MB"),
        ("0GB", "it must be a size"),
        ("-1GB", "it must be a size"),
        ("1MB", "there are 1 MB of memory to keep to, and a result of 64x43 takes at least"),
    ],
)
def test_limits_that_cannot_be(tmp_path: Path, photo: Path, painting: Path, text: str, message: str) -> None:
    out = tmp_path / "out.png"
    found = invoke("style", photo, painting, "-o", out, "--size", 64, "--steps", 1, "--max-memory", text)
    assert message in error_of(found)
    assert not out.exists()


def test_the_command_line_has_units(tmp_path: Path, photo: Path) -> None:
    out = tmp_path / "out.png"
    found = invoke("texture", photo, "-o", out, "--size", "64x48", "--steps", 1, "--max-memory", "1.5 GiB", "--quiet")
    assert found.exit_code == 0, found.stderr
    assert out.exists()


@pytest.mark.slow
def test_the_limit_is_kept(tmp_path: Path) -> None:
    """By the whole process, the export of the artifact included; without a limit it takes more."""
    limit, rng = 900, np.random.default_rng(0)
    for name in ("photo", "painting"):
        noise = Image.fromarray(rng.integers(0, 255, (48, 64, 3), dtype=np.uint8))
        noise.resize((1400, 1050), Image.Resampling.BICUBIC).save(tmp_path / f"{name}.png")
    pictures = (tmp_path / "photo.png", tmp_path / "painting.png", "-o", tmp_path / "out.png", "--size", 1400)
    taken = {}
    for given in ((), ("--max-memory", f"{limit}MB")):
        command = [sys.executable, "-m", "pixelgrad", "style", *map(str, pictures), "--steps", "14", "--json", *given]
        found = subprocess.run([*command, "--quiet", "--force"], capture_output=True, text=True, check=True)
        taken[bool(given)] = json.loads(found.stdout)["peak_memory_mb"] * 2**20 / 1e6
    assert taken[True] < 1.05 * limit
    assert taken[False] > 1.2 * limit
