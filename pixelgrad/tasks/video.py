"""Frames to a moving picture: one frame in memory at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import GifImagePlugin, Image

from pixelgrad.errors import OutputError, SettingsError
from pixelgrad.runtime import Picture
from pixelgrad.runtime.images import check_place, written_beside
from pixelgrad.runtime.settings import is_number

__all__ = ["VIDEO_SUFFIXES", "check_fps", "check_video", "is_video", "stream_video", "write_video"]

VIDEO_SUFFIXES = (".mp4", ".gif", ".webp")
# From red, green and blue of 0 to 1 to luma and both chromas (ITU-R BT.601, 8 bits).
_BT601 = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]], dtype=np.float32)
_OFFSETS = np.array([16, 128, 128], np.float32)
_LARGEST = {".gif": 65_535, ".webp": 16_383, ".mp4": 16_384}


def is_video(output: Path) -> bool:
    """Whether ``output`` names a video; a name without a suffix, or a folder that is there, is a folder of frames.

    Raises :class:`OutputError` for any other suffix.
    """
    if output.is_dir():
        return False
    suffix = output.suffix.lower()
    if suffix and suffix not in VIDEO_SUFFIXES:
        raise OutputError(
            f"{output}: the suffix {suffix!r} names no moving picture; allowed are {', '.join(VIDEO_SUFFIXES)}, and a "
            "name without one for a folder of frames"
        )
    return bool(suffix)


def check_video(output: Path, *, fps: float, force: bool) -> None:
    """Raise :class:`SettingsError` and :class:`OutputError` where a video could not be written there."""
    check_fps(fps)
    check_place(output, force=force)
    if output.suffix.lower() == ".mp4":
        _av()


def check_fps(fps: float) -> None:
    """Raise :class:`SettingsError` for a rate that a video cannot have."""
    if not is_number(fps, 0.1, 100):
        raise SettingsError(f"fps is {fps!r}; it must be a number of frames per second from 0.1 to 100")


def stream_video(pictures: Iterable[Picture], stream: IO[bytes], *, fps: float) -> None:
    """Write pictures of one size to a pipe, each at once, as the raw video that players and encoders read from one.

    That is YUV4MPEG2 (``man yuv4mpeg``), 4:4:4, with the colours of ITU-R BT.601 in 16 to 235 and 240.
    """
    rate = Fraction(fps).limit_denominator(1001)
    for number, picture in enumerate(pictures):
        if number == 0:
            width, height = picture.size
            stream.write(f"YUV4MPEG2 W{width} H{height} F{rate.numerator}:{rate.denominator} Ip A1:1 C444\n".encode())
        rgb = np.asarray(picture.to_pil().convert("RGB"), np.float32) / 255
        planes = np.moveaxis(rgb @ _BT601.T + _OFFSETS, -1, 0)
        stream.write(b"FRAME\n" + np.rint(planes).astype(np.uint8).tobytes())
        stream.flush()


def write_video(frames: Sequence[Path], output: Path, *, fps: float, force: bool = False) -> Path:
    """Write image files of one size as an mp4 (H.264), a gif or a webp that repeats, whole or not at all.

    mp4 needs the library av (``pip install 'pixelgrad[video]'``). Raises :class:`OutputError`.
    """
    suffix = output.suffix.lower()
    with Image.open(frames[0]) as first:
        size = first.size
    if max(size) > _LARGEST[suffix]:
        raise OutputError(
            f"{output}: frames of {size[0]}x{size[1]} are too large for {suffix}; choose a smaller --size"
        )
    write = {".mp4": _write_mp4, ".gif": _write_gif, ".webp": _write_webp}[suffix]
    with written_beside(output, force=force) as file:
        write(frames, file, size, fps)
    return output


def _read(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def _av() -> Any:
    try:
        return import_module("av")
    except ImportError:
        raise OutputError(
            "writing .mp4 needs the library av: pip install 'pixelgrad[video]'; .gif, .webp and a folder of frames "
            "need nothing"
        ) from None


def _write_mp4(frames: Sequence[Path], file: IO[bytes], size: tuple[int, int], fps: float) -> None:
    """H.264 with 4:2:0 colour (BT.709), which every player takes."""
    av = _av()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
        stream.width, stream.height = (edge // 2 * 2 for edge in size)
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "17", "preset": "medium"}
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc, context.color_range = 1, 1, 1, 1
        for path in frames:
            pixels = np.asarray(_read(path))[: stream.height, : stream.width]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            container.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace="ITU709")))
        container.mux(stream.encode())


def _write_gif(frames: Sequence[Path], file: IO[bytes], size: tuple[int, int], fps: float) -> None:
    """A palette for every frame. Pillow's own writer holds all frames in memory before it writes the first."""
    file.write(b"GIF89a" + size[0].to_bytes(2, "little") + size[1].to_bytes(2, "little") + b"\x00\x00\x00")
    file.write(b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00")  # repeat for ever
    shown = 0
    for number, path in enumerate(frames, 1):
        # In hundredths of a second, whose rounding must not add up; players slow down what is shorter than two.
        duration = max(2, round(100 * number / fps) - shown)
        shown += duration
        image = _read(path)
        palette = image.quantize(256, method=Image.Quantize.MEDIANCUT)
        indexed = image.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
        file.writelines(GifImagePlugin.getdata(indexed, duration=10 * duration, include_color_table=True))
    file.write(b";")


def _write_webp(frames: Sequence[Path], file: IO[bytes], size: tuple[int, int], fps: float) -> None:
    reel = _Reel(frames)
    times = [round(1000 * number / fps) for number in range(len(frames) + 1)]
    durations = [later - earlier for earlier, later in pairwise(times)]
    if len(frames) == 1:
        _read(frames[0]).save(file, "WEBP", quality=90, method=4)
        return
    reel.save(file, "WEBP", save_all=True, duration=durations, loop=0, quality=90, method=4)


class _Reel(Image.Image):
    """An image of several frames, each read when it is wanted: so Pillow's writer takes one at a time."""

    def __init__(self, frames: Sequence[Path]) -> None:
        super().__init__()
        self._frames = frames
        self.n_frames = len(frames)
        self.seek(0)

    def seek(self, frame: int) -> None:
        image = _read(self._frames[frame])
        self._mode, self._size, self.im = image.mode, image.size, image.im

    def tell(self) -> int:
        return 0
