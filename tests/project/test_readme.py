"""The README's commands and code run as they stand, only smaller."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.data import ROOT
from typer.testing import CliRunner

from pixelgrad.cli import main
from pixelgrad.runtime import read_image

README = (ROOT / "README.md").read_text()
EMBED = (ROOT / "examples" / "embed.py").read_text()


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Every line that calls pixelgrad, without its comment; continued lines are joined."""
    text = "\n".join(blocks("sh")).replace("\\\n", " ")
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    parts = [part.strip() for line in lines for part in line.split("&&")]
    return [part for part in parts if part.startswith("pixelgrad ")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photo: Path, painting: Path) -> Path:
    """A folder with the files that the README speaks of."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(photo, "photo.png")
    for name in ("photo.jpg", "painting.jpg"):
        read_image(photo if "photo" in name else painting).save(name)
    return tmp_path


def smaller(arguments: list[str]) -> list[str]:
    """The last value of an option wins."""
    small = ["--size", "48", "--steps", "3"]
    commands = {
        "style": small,
        "demo": small,
        "texture": small,
        "dream": ["--size", "64", "--octaves", "1", "--steps", "2"],
    }
    return [*arguments, *commands.get(arguments[0], [])]


def test_there_are_commands_to_run() -> None:
    assert len(commands()) >= 5
    assert len(blocks("python")) >= 2


def test_the_commands_run(folder: Path) -> None:
    runner = CliRunner()
    for command in commands():
        if "--gradient ort-training" in command and "PIXELGRAD_ORT_TRAINING_PYTHON" not in os.environ:
            continue  # its environment is the line before
        found = runner.invoke(main.app, smaller(shlex.split(command)[1:]))
        assert found.exit_code == 0, f"{command}: {found.stderr}"


def test_the_code_runs(folder: Path) -> None:
    small = {True: "size=48, steps=3", False: ", size=(48, 40), steps=3"}
    for block in blocks("python"):
        if block not in EMBED:
            exec(re.sub(r"size=\d+|(?<=model=network)", lambda found: small[bool(found[0])], block), {})


def test_the_embedding_example_stands_in_the_readme_and_runs(style_artifact: Path) -> None:
    """With NumPy and ONNX Runtime only."""
    imports = re.findall(r"^(?:import|from) (\S+)", EMBED, re.MULTILINE)
    assert sorted(imports) == ["numpy", "onnxruntime"]
    shown = EMBED.partition('"""\n\n')[2]
    assert any(shown == block for block in blocks("python"))
    scope: dict[str, object] = {}
    exec(EMBED, scope)
    rng = np.random.default_rng(0)
    content, style = (rng.random((1, 3, *size), dtype=np.float32) for size in ((48, 56), (40, 44)))
    result = scope["stylise"](str(style_artifact), content, style, steps=4)  # type: ignore[operator]
    assert result.shape == content.shape
    assert np.abs(result - content).max() > 0.01


def test_pictures_and_pages_that_are_linked_are_there() -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", README) + re.findall(r'src="(?!https?:)([^"]+)"', README):
        assert (ROOT / target).exists(), target
