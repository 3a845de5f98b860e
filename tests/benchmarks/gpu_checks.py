"""What gpu.py compares with the CPU: artifacts of every kind, and tasks from start to finish."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anywhere  # noqa: F401
import numpy as np
from helpers import device_run
from helpers.artifacts import write_kinds

import pixelgrad
from pixelgrad.errors import PixelgradError
from pixelgrad.runtime import Artifact, Projector
from pixelgrad.runtime.probing import WRONG
from pixelgrad.runtime.samples import SAMPLES
from pixelgrad.runtime.verify import verify

__all__ = ["OFF", "kinds", "tasks"]

Note = Callable[[str], None]
OFF = "**OFF**"
# Of half precision, where other units of a ReLU may be barely open: as docs/devices.md has it.
_WRONG_HALF = 0.1


def kinds(device: str, note: Note) -> Iterator[str]:
    """A row for every kind of artifact and precision: what the device computes beside the CPU."""
    yield (
        "| artifact | loss | gradient | pixels of 5 steps of each optimiser, largest | stays on the device "
        "| left to the CPU | self-check | |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    with tempfile.TemporaryDirectory() as place:
        note("writing artifacts")
        for path in write_kinds(Path(place), ("fp32", "fp16")):
            note(path.name)
            projects = path.name.startswith("projection")
            try:
                report = (device_run.projected if projects else device_run.optimised)(str(path), device, 64)
                artifact = (Projector if projects else Artifact)(path, device=device)
                failed = ", ".join(check.name for check in verify(artifact) if not check.passed) or "passed"
            except Exception as error:  # whatever a provider throws while it runs: the other rows are wanted too
                yield f"| {path.name} | {_failure(error)} | | | | | | {OFF} |"
                continue
            most = _WRONG_HALF if path.name.endswith("fp16") else WRONG
            right = report["gradient"] <= most and report["loss"] <= most and failed == "passed" and not report["nodes"]
            stays = {True: "yes", False: "no", None: ""}[report["resident"]]
            yield (
                f"| {path.name} | {report['loss']:.1e} | {report['gradient']:.1e} | {report['pictures']:.1e} | {stays} "
                f"| {', '.join(report['nodes']) or 'nothing'} | {failed} | {'' if right else OFF} |"
            )


@dataclass
class Run:
    """What a task gave: the loss of every step, and the pixels [H, W, 3]."""

    losses: list[float] = field(default_factory=list)
    picture: Any = None


def tasks(device: str, note: Note) -> Iterator[str]:
    """A row for every task, run in little on the device and on the CPU."""
    yield "| task | loss of the first step | of the last | picture, RMS | |"
    yield "|---|---|---|---|---|"
    with tempfile.TemporaryDirectory() as place:
        for name, task in _tasks(Path(place)).items():
            note(name)
            try:
                ours, exact = _run(task, device, f"{place}/device"), _run(task, "cpu", f"{place}/cpu")
                yield f"| {name} | {_compared(ours, exact, _WRONG_HALF if 'fp16' in name else WRONG)} |"
            except Exception as error:
                yield f"| {name} | {_failure(error)} | | | {OFF} |"


def _compared(ours: Run, exact: Run, most: float) -> str:
    """The cells of a row: relative differences of the first and last loss, that of the pictures, and the verdict."""
    if ours.picture.shape != exact.picture.shape:
        return f"its picture is {ours.picture.shape[1]}x{ours.picture.shape[0]}, another size | | | {OFF}"
    rms = float(np.sqrt(np.square(ours.picture - exact.picture).mean()))
    if not exact.losses:  # nothing is minimised: the picture itself tells
        return f" | | {rms:.1e} | {'' if rms <= most else OFF}"
    first, last = (abs(ours.losses[at] / exact.losses[at] - 1) for at in (0, -1))
    return f"{first:.1e} | {last:.1e} | {rms:.1e} | {'' if first <= most else OFF}"


def _tasks(place: Path) -> dict[str, Callable[..., Any]]:
    """By name; each takes a device, and what to call after every step."""
    photo, painting = (SAMPLES[name](128, 96, seed=1) for name in ("landscape", "strokes"))
    folder = place / "photos"
    folder.mkdir()
    for seed in range(4):
        pixels = SAMPLES["landscape"](128, 96, seed=seed)
        pixelgrad.Picture.from_nchw(pixels.transpose(2, 0, 1)[None]).save(folder / f"{seed}.png")
    half = pixelgrad.NetworkSpec(precision="fp16")
    style = {"size": 96, "steps": 12}

    def deconv(device: str, on_step: Any) -> Any:
        return pixelgrad.deconv(folder, layer="relu3_1", channels=[0, 5], top=2, size=96, device=device).picture()

    def visualize(device: str, on_step: Any) -> Any:
        given = {"layer": "relu3_1", "channels": [3], "size": 96, "steps": 12}
        return pixelgrad.visualize(**given, device=device, on_step=on_step).sheet

    return {
        "style, L-BFGS": lambda **how: pixelgrad.stylize(photo, painting, **style, **how),
        "style, Adam": lambda **how: pixelgrad.stylize(photo, painting, **style, optimizer="adam", **how),
        "style, Gram": lambda **how: pixelgrad.stylize(photo, painting, **style, loss="gram", **how),
        "style, fp16": lambda **how: pixelgrad.stylize(photo, painting, **style, model=half, **how),
        "texture": lambda **how: pixelgrad.texture(painting, size=(96, 96), steps=12, **how),
        "inversion": lambda **how: pixelgrad.invert(photo, "relu3_1", size=96, steps=12, **how),
        "dream": lambda **how: pixelgrad.dream(photo, size=96, steps=4, octaves=2, **how),
        "dream, guide": lambda **how: pixelgrad.dream(photo, guide=painting, size=96, steps=4, octaves=2, **how),
        "dream, fp16": lambda **how: pixelgrad.dream(photo, size=96, steps=4, octaves=2, model=half, **how),
        "visualize": visualize,
        "deconv": deconv,
    }


def _run(task: Callable[..., Any], device: str, home: str) -> Run:
    os.environ["PIXELGRAD_HOME"] = home  # one of its own, for a scan of images is kept there
    run = Run()
    picture = task(device=device, on_step=lambda event: run.losses.append(event.loss))
    run.picture = np.asarray(picture.pixels, np.float64)
    return run


def _failure(error: Exception) -> str:
    kind = "" if isinstance(error, PixelgradError) else f"{type(error).__name__}: "
    return f"failed: {kind}{' '.join(str(error).split())[:200]}".replace("|", "/")
