"""Frames to moving pictures."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pixelgrad.errors import OutputError, SettingsError
from pixelgrad.runtime import Picture, read_image
from pixelgrad.tasks import video
from pixelgrad.tasks.video import check_video, is_video, stream_video, write_video


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Smooth pictures of two colours that change from frame to frame, of an odd width."""
    folder = tmp_path_factory.mktemp("frames")
    across, down = np.meshgrid(np.linspace(0, 1, 63), np.linspace(0, 1, 48))
    for number in range(4):
        pixels = np.stack([200 - 150 * across, 60 + 40 * number + 0 * down, 30 + 170 * down], -1)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
    return sorted(folder.iterdir())


def decoded(path: Path) -> Iterator[Any]:
    if path.suffix == ".mp4":
        av = pytest.importorskip("av", reason="needs the 'video' extra")
        with av.open(path) as container:
            for frame in container.decode(video=0):
                yield frame.reformat(format="rgb24", src_colorspace="ITU709").to_ndarray()
        return
    with Image.open(path) as image:
        for number in range(image.n_frames):  # type: ignore[attr-defined]
            image.seek(number)
            yield np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".mp4"])
def test_the_frames_are_those_that_went_in(frames: list[Path], tmp_path: Path, suffix: str) -> None:
    if suffix == ".mp4":
        pytest.importorskip("av", reason="needs the 'video' extra")
    output = write_video(frames, tmp_path / f"x{suffix}", fps=12)
    found = list(decoded(output))
    width = 62 if suffix == ".mp4" else 63  # H.264 with half the colour takes even sizes only
    for path, frame in zip(frames, found, strict=True):
        expected = np.asarray(Image.open(path), float)[:, :width]
        assert frame.shape == expected.shape
        assert np.abs(frame - expected).mean() < 4
        assert np.abs(frame.mean((0, 1)) - expected.mean((0, 1))).max() < 2.5  # no colour cast


@pytest.mark.parametrize("fps", [12.5, 30])
def test_what_is_streamed_is_what_ffmpeg_reads(frames: list[Path], fps: float) -> None:
    av = pytest.importorskip("av", reason="needs the 'video' extra")
    pipe = io.BytesIO()
    stream_video((read_image(path) for path in frames), pipe, fps=fps)
    pipe.seek(0)
    with av.open(pipe, format="yuv4mpegpipe") as container:
        assert float(container.streams.video[0].average_rate) == fps
        found = [frame.reformat(format="rgb24").to_ndarray() for frame in container.decode(video=0)]
    for path, frame in zip(frames, found, strict=True):
        assert np.abs(frame - np.asarray(Image.open(path), float)).max() <= 3  # a byte is 1.16 of 255


def test_a_stream_is_written_frame_by_frame(frames: list[Path]) -> None:
    pipe = io.BytesIO()
    seen = []

    def pictures() -> Iterator[Picture]:
        for path in frames:
            seen.append(len(pipe.getvalue()))
            yield read_image(path)

    stream_video(pictures(), pipe, fps=10)
    each = len(b"FRAME\n") + 3 * 63 * 48
    assert seen[0] == 0
    assert list(np.diff(seen[1:])) == [each, each]


def test_an_mp4_says_how_it_is_to_be_shown(frames: list[Path], tmp_path: Path) -> None:
    av = pytest.importorskip("av", reason="needs the 'video' extra")
    with av.open(write_video(frames, tmp_path / "x.mp4", fps=12.5)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert float(stream.average_rate) == 12.5
        assert stream.codec_context.colorspace == 1  # BT.709


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
@pytest.mark.parametrize("fps", [7, 24, 30])
def test_rounded_durations_do_not_add_up(frames: list[Path], tmp_path: Path, suffix: str, fps: float) -> None:
    output = write_video(frames * 6, tmp_path / f"x{suffix}", fps=fps)
    total = 0
    with Image.open(output) as image:
        assert image.info["loop"] == 0
        for number in range(24):
            image.seek(number)
            image.load()
            total += image.info["duration"]
    assert total == pytest.approx(24_000 / fps, abs=10)


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_one_frame_is_a_video_too(frames: list[Path], tmp_path: Path, suffix: str) -> None:
    (found,) = decoded(write_video(frames[:1], tmp_path / f"x{suffix}", fps=10))
    assert found.shape == (48, 63, 3)


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_frames_pass_one_at_a_time(
    frames: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    """No writer holds more than the frame before when it asks for the next."""
    read, alive = video._read, [0]

    class Counted:
        def __init__(self) -> None:
            alive[0] += 1

        def __del__(self) -> None:
            alive[0] -= 1

    def counted(path: Path) -> Image.Image:
        assert alive[0] <= 2
        image = read(path)
        image.witness = Counted()  # type: ignore[attr-defined]
        return image

    monkeypatch.setattr(video, "_read", counted)
    write_video(frames * 3, tmp_path / f"x{suffix}", fps=10)


def test_what_is_a_video(tmp_path: Path) -> None:
    assert is_video(Path("a.MP4"))
    assert not is_video(Path("frames"))
    folder = tmp_path / "v1.2"
    folder.mkdir()
    assert not is_video(folder)
    with pytest.raises(OutputError, match=r"'\.mov' names no moving picture; allowed are \.mp4, \.gif, \.webp"):
        is_video(Path("a.mov"))


def test_places_that_cannot_be_written(frames: list[Path], tmp_path: Path) -> None:
    there = tmp_path / "x.gif"
    there.write_text("precious")
    for refuses in (lambda: check_video(there, fps=10, force=False), lambda: write_video(frames, there, fps=10)):
        with pytest.raises(OutputError, match="exists already"):
            refuses()
    assert there.read_text() == "precious"
    with pytest.raises(OutputError, match="there is no folder"):
        check_video(tmp_path / "nowhere" / "x.gif", fps=10, force=False)
    for fps in (0, 1000, float("nan")):
        with pytest.raises(SettingsError, match="fps is"):
            check_video(tmp_path / "y.gif", fps=fps, force=False)


def test_a_broken_frame_leaves_no_half_written_video(frames: list[Path], tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(OutputError):
        write_video([*frames, broken], folder / "x.gif", fps=10)
    assert list(folder.iterdir()) == []
