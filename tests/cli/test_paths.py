"""Paths that lead nowhere a file could be: one line each, wherever they are given."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.cli import error_of, invoke

# PATH stands for the path at hand, NET, PHOTO and OUT for what is right.
COMMANDS = (
    "style PATH PHOTO -m NET -o OUT",
    "style PHOTO PHOTO -m PATH -o OUT",
    "style PHOTO PHOTO -m NET -o PATH --size 32 --steps 1",
    "style PHOTO PHOTO -m NET --init PATH -o OUT",
    "style PHOTO PHOTO -m NET --prototxt PATH -o OUT --size 32 --steps 1",
    "dream PHOTO -m NET --guide PATH -o OUT",
    "zoom PHOTO -m NET -o PATH --frames 1 --size 32",
    "deconv -m NET --images PATH --layer relu2_1 -o OUT",
    "compare PATH NET -o OUT",
    "compare NET NET --images PATH -o OUT",
    "evolve PATH NET --images . --layer relu2_1 -o OUT",
    "mistakes -m NET --images PATH -o OUT",
    "verify PATH",
    "export style -m NET -o PATH",
    "export style -m PATH -o OUT",
    "models show PATH",
    "models add PATH",
    "models add NET --labels PATH",
    "models pull googlenet --from PATH",
)


@pytest.mark.parametrize("kind", ["long", "below a ring"])
@pytest.mark.parametrize("command", COMMANDS)
def test_paths(command: str, kind: str, photo: Path, small_network: Path, tmp_path: Path) -> None:
    ring = tmp_path / "ring"
    ring.symlink_to(ring)
    paths = {"long": "x" * 300, "below a ring": ring / "x"}
    words = {"PATH": paths[kind], "NET": small_network, "PHOTO": photo, "OUT": tmp_path / "out.png"}
    message = error_of(invoke(*(words.get(word, word) for word in command.split())))
    assert message
    assert {path.name for path in tmp_path.iterdir()} <= {"ring"}
