"""Which form of an artifact a task takes for a device."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pixelgrad.networks import NetworkSpec
from pixelgrad.runtime import Choice, choose_device
from pixelgrad.runtime.devices import DEVICES
from pixelgrad.tasks.dream import dream_artifact
from pixelgrad.tasks.inversion import inversion_artifacts
from pixelgrad.tasks.style import style_artifact
from pixelgrad.tasks.texture import texture_artifact
from pixelgrad.tasks.visualize import visualize_artifact


def profile(folder: Path) -> str:
    return str(json.loads((folder / "artifact.json").read_text())["profile"])


@pytest.mark.parametrize(
    ("device", "precision", "expected"),
    [
        (choose_device("cpu"), "fp32", "fast"),
        (choose_device("cpu"), "fp16", "portable"),
        (Choice(DEVICES["cuda"]), "fp32", "portable"),
        (None, "fp32", "portable"),
    ],
    ids=["cpu", "cpu fp16", "cuda", "any"],
)
def test_a_cpu_gets_its_own_form_and_others_what_runs_everywhere(
    small_network: Path, device: Choice | None, precision: str, expected: str
) -> None:
    assert profile(style_artifact(NetworkSpec(small_network, precision=precision), device=device)) == expected


def test_every_task_says_its_device(small_network: Path) -> None:
    cpu = choose_device("cpu")
    folders = [
        dream_artifact(small_network, device=cpu),
        texture_artifact(small_network, layers=["r1"], device=cpu),
        visualize_artifact(small_network, layer="r2", device=cpu),
        *inversion_artifacts(["r1", "r2"], small_network, device=cpu).values(),
    ]
    assert [profile(folder) for folder in folders] == ["fast"] * 5
