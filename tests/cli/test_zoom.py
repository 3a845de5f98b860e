"""``pixelgrad zoom`` as a person or a script meets it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.cli import error_of, invoke
from helpers.networks import chain
from PIL import Image

import pixelgrad
from pixelgrad.cli import progress
from pixelgrad.runtime import FrameEvent, Picture, read_image


@pytest.fixture
def base(photo: Path, small_network: Path, tmp_path: Path) -> list[Any]:
    """A complete command for a quick run."""
    fast = ["--size", 48, "--steps", 1, "--octaves", 1, "--frames", 3, "--device", "cpu"]
    return ["zoom", photo, "-o", tmp_path / "frames", "--model", small_network, *fast]


def to(base: list[Any], output: Any) -> list[Any]:
    return [*base[:3], output, *base[4:]]


def test_help_says_what_force_overwrites() -> None:
    assert "a folder's frames are only added to" in " ".join(re.findall(r"[\w']+", invoke("zoom", "--help").stdout))


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


FRAMES = ["frame_00001.png", "frame_00002.png", "frame_00003.png"]


def test_a_folder_of_frames(base: list[Any], tmp_path: Path) -> None:
    result = invoke(*base)
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert names(tmp_path / "frames") == [*FRAMES, "zoom.json"]
    assert {read_image(tmp_path / "frames" / name).size for name in FRAMES} == {(48, 32)}
    assert "frame 3/3 48x32  loss" in result.stderr
    assert "(3 frames) in" in result.stderr


def test_it_goes_on_where_it_stopped(base: list[Any], tmp_path: Path) -> None:
    whole = [(tmp_path / "frames" / name).read_bytes() for name in FRAMES if invoke(*base, "-q").exit_code == 0]
    assert invoke(*to(base, tmp_path / "parts"), "--frames", 1, "-q").exit_code == 0
    result = invoke(*to(base, tmp_path / "parts"), "--json")
    assert "1 of 3 frames are in" in result.stderr
    report = json.loads(result.stdout)
    assert (report["frames"], report["made"]) == (3, 2)
    assert [(tmp_path / "parts" / name).read_bytes() for name in FRAMES] == whole
    again = json.loads(invoke(*to(base, tmp_path / "parts"), "--json", "-q").stdout)
    assert (again["frames"], again["made"]) == (3, 0)


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_a_moving_picture(base: list[Any], tmp_path: Path, suffix: str) -> None:
    output = tmp_path / f"zoom{suffix}"
    result = invoke(*to(base, output), "--fps", 8)
    assert result.exit_code == 0, result.output
    assert not (tmp_path / f"zoom{suffix}.frames").exists()
    with Image.open(output) as found:
        assert (found.size, found.n_frames, found.info["loop"]) == ((48, 32), 3, 0)  # type: ignore[attr-defined]
        durations = []
        for number in range(3):
            found.seek(number)
            found.load()
            durations.append(found.info["duration"])
    assert sum(durations) == pytest.approx(3 * 125, abs=15)


def test_mp4_without_the_library_says_what_to_install(base: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    message = error_of(invoke(*to(base, "zoom.mp4")))
    assert "writing .mp4 needs the library av: pip install 'pixelgrad[video]'" in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--frames", 0), "frames is 0; it must be a whole number from 1 up"),
        (("--growth", 5), "growth is 5.0; it must be a number from 0.5 to 2"),
        (("--drift", "1"), "--drift is '1'; it must be two numbers"),
        (("--drift", "a,b"), "--drift is 'a,b'"),
        (("--rotate", 500), "rotate is 500"),
        (("--layers", "relu9_1"), "no layer 'relu9_1'"),
        (("--class", "banana"), "is no classifier"),
        (("-o", "zoom.avi"), "'.avi' names no moving picture; allowed are .mp4, .gif, .webp"),
        (("-o", "nowhere/zoom.gif"), "nowhere"),
        (("-o", "nowhere/frames"), "nowhere"),
        (("-o", "-", "--fps", 0), "fps is 0.0; it must be a number of frames per second"),
        (("-o", "-", "--json"), "--json and -o - both want stdout"),
        (("-o", "zoom.gif", "--fps", 0), "fps is 0.0; it must be a number of frames per second"),
        (("--from-noise",), "or --from-noise, not both"),
    ],
)
def test_bad_values_have_one_clear_line(base: list[Any], arguments: tuple[Any, ...], message: str) -> None:
    assert message in error_of(invoke(*base, *arguments))


def test_nothing_that_is_there_is_lost(base: list[Any], tmp_path: Path) -> None:
    output = tmp_path / "zoom.gif"
    output.write_text("precious")
    assert "--force" in error_of(invoke(*to(base, output)))
    assert output.read_text() == "precious"
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("precious")
    assert "holds other files" in error_of(invoke(*to(base, foreign), "--force"))
    assert names(foreign) == ["thesis.txt"]
    assert invoke(*base, "-q").exit_code == 0
    assert "holds another zoom, with settings.growth 1.04, not 1.1" in error_of(invoke(*base, "--growth", 1.1))


def test_a_stream_has_the_frames_of_the_folder(base: list[Any], tmp_path: Path) -> None:
    assert invoke(*base, "-q").exit_code == 0
    result = invoke(*to(base, "-"))
    assert result.exit_code == 0, result.output
    assert "frame 3/3 48x32  loss" in result.stderr
    head, *frames = result.stdout_bytes.split(b"FRAME\n")
    assert head == b"YUV4MPEG2 W48 H32 F15:1 Ip A1:1 C444\n"
    for name, frame in zip(FRAMES, frames, strict=True):
        luma = np.frombuffer(frame, np.uint8)[: 48 * 32].reshape(32, 48)
        red, green, blue = np.moveaxis(np.asarray(Image.open(tmp_path / "frames" / name), float), -1, 0) / 255
        np.testing.assert_allclose(luma, 16 + 65.481 * red + 128.553 * green + 24.966 * blue, atol=0.51)


@pytest.mark.skipif(os.name == "nt", reason="closes a pipe")
def test_an_endless_stream_ends_with_its_reader(photo: Path, small_network: Path) -> None:
    command = ["zoom", photo, "--model", small_network, "--size", 32, "--steps", 1, "--octaves", 1, "--device", "cpu"]
    process = subprocess.Popen(
        [sys.executable, "-m", "pixelgrad", *map(str, command), "--endless", "-o", "-"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    frame = len(b"FRAME\n") + 3 * 32 * 20
    # Beyond what the default of 60 frames would give.
    assert len(process.stdout.read(70 * frame)) == 70 * frame
    process.stdout.close()
    said = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(timeout=60) == 0, said
    assert re.search(r"the program reading standard output has stopped; \d{2,} frames went there", said)
    assert "Traceback" not in said
    assert "Exception" not in said


def test_endless_frames_have_no_time_left() -> None:
    event = FrameEvent(7, None, 7, 32, 20, 1.5, {}, 14.0, 0.0, Picture(np.zeros((20, 32, 3), np.float32)))
    assert progress.FRAMES.facts(event) == "frame 7 32x20  loss 1.5  2.0 s/frame"


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_endless_frames_are_kept_one_by_one(base: list[Any], tmp_path: Path) -> None:
    run = ["pixelgrad", *map(str, to(base, tmp_path / "endless")), "--endless"]
    process = subprocess.Popen([sys.executable, "-m", *run], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    while not (tmp_path / "endless" / "frame_00005.png").exists():
        assert process.poll() is None, process.stderr.read()
    process.send_signal(signal.SIGINT)
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 130
    assert re.search(r"interrupted at frame \d+; .*endless holds them, and the same command goes on from there", said)


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGKILL])
def test_broken_off_and_taken_up_again(photo: Path, tmp_path: Path, kill: signal.Signals) -> None:
    network = chain(tmp_path / "net.onnx", channels=(16, 32, 32))
    command = ["zoom", photo, "--model", network, "--size", 96, "--device", "cpu", "--rotate", 2]
    output = tmp_path / "zoom.gif"
    process = subprocess.Popen(
        [sys.executable, "-m", "pixelgrad", *map(str, command), "-o", str(output), "--frames", "100000"],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    place = tmp_path / "zoom.gif.frames"
    while not (place / "frame_00004.png").exists():
        assert process.poll() is None, process.stderr.read()
    process.send_signal(kill)
    said = process.stderr.read()
    process.stderr.close()
    code = process.wait(timeout=60)
    if kill == signal.SIGINT:
        assert code == 130
        assert "interrupted at frame" in said
        assert "the same command with --force goes on from there" in said
        assert "Traceback" not in said
        with Image.open(output) as found:
            assert found.n_frames >= 3  # type: ignore[attr-defined]
    made = len(list(place.glob("frame_*.png")))
    result = invoke(*command, "-o", output, "--frames", made + 1, "--force")
    assert result.exit_code == 0, result.output
    with Image.open(output) as found:
        assert found.n_frames == made + 1  # type: ignore[attr-defined]
    assert not place.exists()
    assert invoke(*command, "-o", tmp_path / "whole.gif", "--frames", made + 1, "-q").exit_code == 0
    assert output.read_bytes() == (tmp_path / "whole.gif").read_bytes()


def test_from_python(photo: Path, small_network: Path, tmp_path: Path) -> None:
    seen: list[Any] = []
    fast: dict[str, Any] = {"model": small_network, "size": 48, "steps": 1, "octaves": 1, "device": "cpu"}
    output = pixelgrad.zoom(photo, tmp_path / "zoom.webp", frames=2, rotate=3.0, on_frame=seen.append, **fast)
    assert output == tmp_path / "zoom.webp"
    assert [event.frame for event in seen] == [1, 2]
    assert isinstance(seen[0], pixelgrad.FrameEvent)
    assert pixelgrad.zoom(None, tmp_path / "noise", frames=1, **fast).is_dir()
    with pytest.raises(TypeError, match=r"keyword argument 'frame'; settings are blur, contrast, drift, .*seed"):
        pixelgrad.zoom(photo, tmp_path / "x.gif", frame=3)
    with pytest.raises(pixelgrad.SettingsError, match=r"fps is '9'; it must be a number"):
        pixelgrad.zoom(photo, tmp_path / "frames", fps="9")  # type: ignore[arg-type]


def test_numbers_of_numpy_are_numbers(photo: Path, small_network: Path, tmp_path: Path) -> None:
    plain: dict[str, Any] = {"frames": 2, "growth": 1.5, "rotate": 3.0, "drift": (0.5, 0.0), "contrast": 1.5}
    fast = {"model": small_network, "size": 48, "steps": 1, "octaves": 1, "device": "cpu"}
    numpy = {name: np.asarray(value)[()] for name, value in plain.items()}
    outputs = [
        pixelgrad.zoom(photo, tmp_path / "plain.gif", fps=12.5, **plain, **fast),
        pixelgrad.zoom(photo, tmp_path / "numpy.gif", fps=np.float32(12.5), **numpy, **fast),  # type: ignore[arg-type]
    ]
    assert outputs[0].read_bytes() == outputs[1].read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="kills a process")
def test_sixty_frames_killed_and_resumed_midway(tmp_path: Path) -> None:
    """The bundled network at 320x240: killed without warning, taken up again, the same bits as in one go."""
    from pixelgrad.runtime import Picture
    from pixelgrad.runtime.samples import landscape

    photo = tmp_path / "photo.png"
    Picture(landscape(320, 240)).save(photo)
    command = ["zoom", photo, "--device", "cpu", "--frames", 60, "--steps", 2, "--rotate", 0.5, "-q"]
    broken, whole = tmp_path / "broken", tmp_path / "whole"
    process = subprocess.Popen([sys.executable, "-m", "pixelgrad", *map(str, command), "-o", str(broken)])
    while not (broken / "frame_00030.png").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait(timeout=60)
    assert 30 <= len(list(broken.glob("frame_*.png"))) < 60
    for folder in (broken, whole):
        result = invoke(*command, "-o", folder)
        assert result.exit_code == 0, result.output
    frames = sorted(path.name for path in whole.glob("frame_*.png"))
    assert len(frames) == 60
    for name in frames:
        assert (broken / name).read_bytes() == (whole / name).read_bytes(), name
    assert read_image(whole / frames[-1]).size == (320, 240)
