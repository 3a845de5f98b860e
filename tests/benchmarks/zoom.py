"""How the frames of an endless zoom keep: their statistics from frame to frame beside those of photographs.

    python tests/benchmarks/zoom.py PHOTO ... [--model NETWORK] [--size 256] [--frames 100] [--every 20]
                                    [--keep FOLDER] [--sheet FILE.png] [--growth 1.04] [--strength S] [--contrast C]

Every frame goes on from the one before, so whatever a frame has too much of, the next one has more of. For frame 0 (the
picture) and every so many frames of each zoom:

    mean, deviation   of luma (BT.601), of [0, 1]
    coarse, mid, fine root mean square of luma in waves of 32 to 128, 8 to 32 and 2 to 8 pixels, under a Hann window,
                      as a multiple of what photographs of that size have (Kodak's 24, in the folder that
                      PIXELGRAD_TEST_DATA names); colour is that of the two chromas, in waves of 8 to 128 pixels
    colourful         Hasler & Suesstrunk 2003, of [0, 1]; a photograph of vivid colours has 0.25
    clipped           share of the values that are 0 or 255, in percent
    flicker           mean difference from the frame before, moved as the zoom moves it, in 255ths

--keep FOLDER leaves the frames there, a folder for each photo, and goes on from those that are there. --sheet FILE
shows the frames of the table.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pixelgrad.runtime import Artifact, DreamSettings, Picture, ZoomSettings, choose_device, read_image
from pixelgrad.runtime.images import sheet
from pixelgrad.runtime.tasks.zoom import _closer
from pixelgrad.tasks import ZoomRun, dream_subject

Array = np.ndarray[Any, Any]
BANDS = {"coarse": (32, 128), "mid": (8, 32), "fine": (2, 8), "colour": (8, 128)}
COLUMNS = ("mean", "deviation", *BANDS, "colourful", "clipped", "flicker")
# ITU-R BT.601: luma, and the two chromas.
YCC = np.array([[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]])


def strengths(pixels: Array) -> dict[str, float]:
    """Root mean square of each of :data:`BANDS` in pixels [H, W, 3]."""
    height, width = pixels.shape[:2]
    values = pixels.astype(np.float64) @ YCC.T
    window = np.outer(np.hanning(height + 1)[:-1], np.hanning(width + 1)[:-1])
    window /= np.sqrt(np.square(window).mean())
    values = (values - values.mean((0, 1))) * window[..., None]
    power = np.square(np.abs(np.fft.fft2(values, axes=(0, 1)))) / (height * width) ** 2
    period = 1 / np.maximum(np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)), 1e-9)
    found = {}
    for name, (shortest, longest) in BANDS.items():
        within = power[(period >= shortest) & (period < longest)]
        found[name] = float(np.sqrt(within[:, 1:].sum() if name == "colour" else within[:, 0].sum()))
    return found


def colourfulness(pixels: Array) -> float:
    red, green, blue = np.moveaxis(pixels.astype(np.float64), -1, 0)
    one, two = red - green, (red + green) / 2 - blue
    return float(np.hypot(one.std(), two.std()) + 0.3 * np.hypot(one.mean(), two.mean()))


def statistics(frame: Picture, before: Picture | None, natural: dict[str, float], moves: ZoomSettings) -> list[float]:
    """The figures of :data:`COLUMNS`."""
    pixels = frame.pixels
    luma = pixels @ YCC[0]
    flicker = 0.0 if before is None else np.abs(pixels.transpose(2, 0, 1) - _closer(before.to_nchw(), moves)[0]).mean()
    bands = [value / natural[name] for name, value in strengths(pixels).items()]
    clipped = ((pixels <= 0) | (pixels >= 1)).mean() * 100
    return [luma.mean(), luma.std(), *bands, colourfulness(pixels), clipped, flicker * 255]


def photographs(size: int) -> dict[str, float]:
    folder = Path(os.environ.get("PIXELGRAD_TEST_DATA", Path(__file__).resolve().parents[3] / "shared"))
    paths = sorted((folder / "images/kodak").glob("*.png"))
    if not paths:
        sys.exit(f"there are no photographs in {folder}/images/kodak; name the test data by PIXELGRAD_TEST_DATA")
    each = [strengths(at(read_image(path), size).pixels) for path in paths]
    return {name: float(np.sqrt(np.mean([np.square(one[name]) for one in each]))) for name in BANDS}


def at(picture: Picture, size: int) -> Picture:
    width, height = (max(2, round(edge * size / max(picture.size)) // 2 * 2) for edge in picture.size)
    return picture.flattened().resized(width, height)


def zoomed(arguments: argparse.Namespace, path: str, folder: Path, natural: dict[str, float]) -> list[Picture]:
    """Make the frames that are not there, print the table, and return the frames in it."""
    dreaming = DreamSettings(size=arguments.size, strength=arguments.strength)
    moves = ZoomSettings(arguments.frames, arguments.growth, contrast=arguments.contrast, dream=dreaming)
    choice = choose_device("cpu")
    artifact, _ = dream_subject(arguments.model, layers=arguments.layers, device=choice)
    source = read_image(path)
    folder.mkdir(parents=True, exist_ok=True)
    run = ZoomRun(Artifact(artifact, device=choice), source, folder / Path(path).stem, moves, fps=15)
    for _ in run.events():
        pass
    print(f"\n{Path(path).name}, {arguments.model or 'bundled network'}, {arguments.size} pixels")
    print(f"{'frame':>8}" + "".join(f"{name:>10}" for name in COLUMNS))
    shown, before = [], None
    rows: dict[int, list[float]] = {}
    for number in range(arguments.frames + 1):
        frame = read_image(run.folder.frame(number)) if number else at(source, arguments.size)
        rows[number] = statistics(frame, before if number > 1 else None, natural, moves)
        before = frame
        if number % arguments.every == 0:
            shown.append(frame)
            # Flicker is the mean since the last row.
            since = [rows[n][-1] for n in range(max(2, number - arguments.every + 1), number + 1)]
            figures = [*rows[number][:-1], float(np.mean(since)) if since else 0.0]
            print(f"{number:>8}" + "".join(f"{figure:>10.2f}" for figure in figures), flush=True)
    return shown


def main(words: Sequence[str] | None = None) -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("photos", metavar="PHOTO", nargs="+")
    options.add_argument("--model")
    options.add_argument("--layers", type=lambda names: names.split(","))
    options.add_argument("--size", type=int, default=256)
    options.add_argument("--frames", type=int, default=100)
    options.add_argument("--every", type=int, default=20)
    options.add_argument("--growth", type=float, default=1.04)
    options.add_argument("--strength", type=float)
    options.add_argument("--contrast", type=float, default=ZoomSettings.contrast)
    options.add_argument("--keep", type=Path)
    options.add_argument("--sheet", type=Path)
    arguments = options.parse_args(words)
    natural = photographs(arguments.size)
    with tempfile.TemporaryDirectory() as scratch:
        rows = [zoomed(arguments, path, arguments.keep or Path(scratch), natural) for path in arguments.photos]
    if arguments.sheet is not None:
        captions = [str(number) for number in range(0, arguments.frames + 1, arguments.every)]
        sheet(rows, captions=[captions] + [[None] * len(captions)] * (len(rows) - 1)).save(arguments.sheet)


if __name__ == "__main__":
    main()
