"""Whoever stops the program, the picture so far is kept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from helpers.networks import chain

from pixelgrad.cli import signals
from pixelgrad.runtime import read_image

pytestmark = pytest.mark.skipif(os.name == "nt", reason="sends signals of POSIX")


def started(folder: Path, photo: Path, painting: Path, **streams: Any) -> tuple[subprocess.Popen[bytes], Path]:
    """A run that goes on until it is stopped, and the file that it writes."""
    out = folder / "out.png"
    network = chain(folder / "net.onnx", channels=(16, 32, 32))
    options = ["-o", out, "--model", network, "--size", 128, "--steps", 100000]
    command = [sys.executable, "-m", "pixelgrad", "style", photo, painting, *options]
    return subprocess.Popen([str(part) for part in command], **streams), out


def test_a_polite_kill_saves_the_picture_so_far(photo: Path, painting: Path, tmp_path: Path) -> None:
    process, out = started(tmp_path, photo, painting, stderr=subprocess.PIPE)
    assert process.stderr is not None
    next(line for line in process.stderr if line.startswith(b"scale"))
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    rest = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(timeout=60) == 130
    assert f"the picture so far is in {out}" in rest
    assert "Traceback" not in rest
    assert max(read_image(out).size) == 128


def test_a_terminal_that_is_closed_leaves_the_picture_so_far(photo: Path, painting: Path, tmp_path: Path) -> None:
    """The progress bar cannot be drawn any more when it is to be taken away."""
    import fcntl
    import termios

    ours, theirs = os.openpty()

    def owns_the_terminal() -> None:
        os.setsid()
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # who runs the tests may have it ignored
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process, out = started(
        tmp_path, photo, painting, stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=owns_the_terminal
    )
    os.close(theirs)
    shown = b""
    while b"step" not in shown:
        shown += os.read(ours, 4096)
    time.sleep(1)
    os.close(ours)
    assert process.wait(timeout=60) == 130
    assert max(read_image(out).size) == 128


_EARLY = """
import sys
class Stops:
    def find_spec(self, name, path=None, target=None):
        if name == "pixelgrad.cli.options":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Stops())
from pixelgrad.__main__ import main
main()
"""


def test_ctrl_c_before_anything_is_loaded_prints_nothing() -> None:
    run = subprocess.run([sys.executable, "-c", _EARLY], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (130, "", "")


# A module of C in which a signal comes raises what Python makes of it: an ImportError.
_IMPORTING = """
import importlib.abc, os, signal, sys
which = sys.argv.pop()
class Stops(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "onnxruntime":
            try:
                os.kill(os.getpid(), getattr(signal, which))
            except KeyboardInterrupt as error:
                raise ImportError("initialization failed") from error
sys.meta_path.insert(0, Stops())
from pixelgrad.__main__ import main
main()
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_while_onnx_runtime_is_imported_is_no_broken_one(name: str) -> None:
    command = [sys.executable, "-c", _IMPORTING, "devices", name]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 130
    assert run.stderr.startswith("pixelgrad: error: interrupted")
    assert len(run.stderr.splitlines()) == 1


def test_who_asks_again_later_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first may have been lost; not at once, in which a shell passes on what the terminal has sent already."""
    now = iter([5.0, 5.1, 8.0])
    monkeypatch.setattr("pixelgrad.cli.signals.time.monotonic", lambda: next(now))
    monkeypatch.setattr(signals, "_last", {})
    with pytest.raises(KeyboardInterrupt):
        signals._interrupt(signal.SIGTERM, None)
    signals._interrupt(signal.SIGTERM, None)
    with pytest.raises(KeyboardInterrupt):
        signals._interrupt(signal.SIGTERM, None)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("options", [["list", "--json"], ["list"], ["show", "vgg19"]])
def test_a_full_disk_under_stdout_is_one_line(options: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "pixelgrad", "models", *options]
        run = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr.startswith("pixelgrad: error: standard output: No space left on device")
    assert len(run.stderr.splitlines()) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_log_that_cannot_be_written_stops_nothing(photo: Path, painting: Path, tmp_path: Path) -> None:
    out, network = tmp_path / "out.png", chain(tmp_path / "net.onnx")
    options = ["-o", out, "--model", network, "--size", 48, "--steps", 2]
    command = [str(part) for part in [sys.executable, "-m", "pixelgrad", "style", photo, painting, *options]]
    with Path("/dev/full").open("wb") as full:
        subprocess.run(command, stderr=full, check=False)
    assert read_image(out).size == (48, 32)
    closed = subprocess.run(["sh", "-c", '"$@" -f 2>&-', "sh", *command], stdout=subprocess.PIPE, check=True)
    assert closed.stdout == b""
