"""A command that runs out of memory says so, where the system would rather end it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers.cli import invoke
from helpers.networks import chain

from pixelgrad.cli import memory
from pixelgrad.runtime import read_image

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux promises memory that is not there")

# The command line on a machine with 150 MiB free.
SMALL = """
from types import SimpleNamespace
import psutil
from pixelgrad.cli import memory
from pixelgrad.cli.main import app

memory.free_memory = lambda: 150 << 20
psutil.swap_memory = lambda: SimpleNamespace(free=0)
app()
"""


def test_the_picture_so_far_survives_a_scale_that_does_not_fit(tmp_path: Path, photo: Path, painting: Path) -> None:
    out = tmp_path / "out.png"
    network = chain(tmp_path / "net.onnx", channels=(16, 32, 32))
    options = ["-o", out, "--model", network, "--size", "1200", "--steps", "40", "--device", "cpu"]
    command = [sys.executable, "-c", SMALL, "style", photo, painting, *options]
    found = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert found.returncode == 1, found.stderr
    assert "error: there is not enough memory; use a smaller --size" in found.stderr
    assert "The picture so far, of step" in found.stderr
    assert "Traceback" not in found.stderr
    assert 64 < max(read_image(out).size) < 1200


@pytest.mark.parametrize("told", [0, None])
def test_where_nothing_is_told_nothing_is_limited(monkeypatch: pytest.MonkeyPatch, told: int | None) -> None:
    import resource

    def process() -> SimpleNamespace:
        if told is None:
            raise PermissionError("/proc/self/statm")
        return SimpleNamespace(memory_info=lambda: SimpleNamespace(data=told))

    monkeypatch.setattr("psutil.Process", process)
    before = resource.getrlimit(resource.RLIMIT_DATA)
    memory.hold_memory()
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    memory.release_memory()
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_the_limit_is_what_is_free_and_ends_with_the_command(
    tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource

    def limit() -> int:
        return resource.getrlimit(resource.RLIMIT_DATA)[0]

    before, held = limit(), []

    def hold() -> None:
        memory.hold_memory()
        held.append(limit())

    monkeypatch.setattr("pixelgrad.cli.running.hold_memory", hold)
    monkeypatch.setattr(memory, "free_memory", lambda: 8 << 30)
    monkeypatch.setattr("psutil.swap_memory", lambda: SimpleNamespace(free=1 << 30))
    monkeypatch.setattr("psutil.Process", lambda: SimpleNamespace(memory_info=lambda: SimpleNamespace(data=1 << 30)))
    network = chain(tmp_path / "net.onnx")
    found = invoke(
        *("texture", photo, "-o", tmp_path / "out.png", "--model", network, "--size", "64x48", "--steps", 1),
        *("--device", "cpu"),
    )
    assert found.exit_code == 0, found.stderr
    assert held == [10 << 30]
    assert limit() == before


def test_an_export_is_held_to_what_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = []
    monkeypatch.setattr("pixelgrad.cli.export.hold_memory", lambda: held.append(True))
    network = chain(tmp_path / "net.onnx")
    assert invoke("export", "style", "--model", network, "-o", tmp_path / "a").exit_code == 0
    assert invoke("export", "deconv", "--model", network, "--layer", "r2", "-o", tmp_path / "b").exit_code == 0
    assert held == [True, True]
