"""The front door as applications use it: their threads, their arrays, their numbers."""

from __future__ import annotations

import asyncio
import gc
import logging
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.workers import losses, styled

import pixelgrad
from pixelgrad.errors import ImageError, SettingsError
from pixelgrad.runtime import Artifact
from pixelgrad.runtime import style as run_style


@pytest.fixture
def how(small_network: Path) -> dict[str, Any]:
    return {"model": small_network, "size": 48, "steps": 3, "device": "cpu"}


def test_threads_get_what_one_after_the_other_gets(photo: Path, painting: Path, how: dict[str, Any]) -> None:
    """All of them export the network at the same time, for the same place."""
    losses = ["gram", "moments"] * 3
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda loss: pixelgrad.stylize(photo, painting, loss=loss, **how), losses))
    expected = {loss: pixelgrad.stylize(photo, painting, loss=loss, **how) for loss in set(losses)}
    assert expected["gram"] != expected["moments"]
    assert all(picture == expected[loss] for picture, loss in zip(found, losses, strict=True))


def test_nothing_is_printed(
    photo: Path,
    painting: Path,
    how: dict[str, Any],
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        pixelgrad.stylize(photo, painting, **how)
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_what_a_callback_raises_ends_the_run(photo: Path, painting: Path, how: dict[str, Any]) -> None:
    class CancelledError(Exception):
        pass

    steps = []

    def cancel(event: pixelgrad.StepEvent) -> None:
        steps.append(event.step)
        if event.step == 2:
            raise CancelledError

    with pytest.raises(CancelledError):
        pixelgrad.stylize(photo, painting, on_step=cancel, **how)
    assert steps == [1, 2]


@pytest.mark.parametrize(
    "busy",
    [
        "pixelgrad.exporters.opset18.inference.shorter",
        "pixelgrad.exporters.self_check.ReferenceEvaluator",
        "onnx_ir.serde.serialize_shape_into",
    ],
)
def test_what_a_handler_raises_comes_out(
    photo: Path, how: dict[str, Any], busy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A queue's time limit, say, while a network is read and exported by libraries that take all for their own."""

    def late(*_: object) -> None:
        raise TimeoutError("too late")

    monkeypatch.setenv("PIXELGRAD_HOME", str(tmp_path))
    monkeypatch.setattr(busy, lambda *_, **__: signal.raise_signal(signal.SIGINT))
    before = signal.signal(signal.SIGINT, late)
    try:
        with pytest.raises(TimeoutError, match="too late"):
            pixelgrad.stylize(photo, photo, **how)
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("keep_color", [None, "luminance"])
def test_events_go_to_another_process(photo: Path, painting: Path, how: dict[str, Any], keep_color: str | None) -> None:
    """With their pictures, however these are made."""
    events: list[pixelgrad.StepEvent] = []
    result = pixelgrad.stylize(photo, painting, keep_color=keep_color, on_step=events.append, **how)
    there = pickle.loads(pickle.dumps(events[-1]))
    assert (there.step, there.losses) == (events[-1].step, events[-1].losses)
    assert there.picture() == result
    assert pickle.loads(pickle.dumps(there)).picture() == result
    assert "picture" not in repr(there)


def test_numbers_of_numpy_are_numbers(photo: Path, painting: Path, how: dict[str, Any]) -> None:
    """A size that was computed, a seed that was drawn: both are NumPy's."""
    plain = {**how, "seed": 3, "learning_rate": 0.5, "optimizer": "adam", "style_weights": [1.0, 3.0], "init": "noise"}
    numpy = {
        **plain,
        "size": np.int64(48),
        "seed": np.random.default_rng(0).integers(3, 4),
        "learning_rate": np.float32(0.5),
        "style_weights": np.asarray([1, 3], np.float32),
    }
    paintings = [painting, photo]
    assert pixelgrad.stylize(photo, paintings, **numpy) == pixelgrad.stylize(photo, paintings, **plain)
    with pytest.raises(SettingsError, match="size is '48'; it must be a whole number from 1 to 65535"):
        pixelgrad.stylize(photo, painting, **{**how, "size": "48"})


def test_one_mask_and_one_layer_need_no_list(photo: Path, painting: Path, how: dict[str, Any]) -> None:
    alone = pixelgrad.stylize(photo, painting, masks=photo, style_layers="relu1_1", **how)
    assert alone == pixelgrad.stylize(photo, painting, masks=[photo], style_layers=["relu1_1"], **how)


def test_a_start_from_anywhere(photo: Path, painting: Path, how: dict[str, Any]) -> None:
    start = np.asarray(pixelgrad.read_image(painting))
    assert pixelgrad.stylize(photo, painting, init=start, **how) == pixelgrad.stylize(
        photo, painting, init=painting, **how
    )
    with pytest.raises(ImageError, match="nosie: no such file"):
        pixelgrad.stylize(photo, painting, init="nosie", **how)


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_processes_get_what_one_after_the_other_gets(
    photo: Path, how: dict[str, Any], style_artifact: Path, method: str
) -> None:
    """However they are started; an artifact goes along, and is opened anew where its sessions cannot be sent."""
    artifact = Artifact(style_artifact, device="cpu")
    expected = [losses(artifact, seed) for seed in range(3)]
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map_async(partial(styled, how, photo), range(3)).get(60) == [
            styled(how, photo, seed) for seed in range(3)
        ]
        assert pool.map_async(partial(losses, artifact), range(3)).get(60) == expected


def test_threads_share_an_artifact(style_artifact: Path) -> None:
    artifact = Artifact(style_artifact, device="cpu")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(partial(losses, artifact), range(8)))
    assert found == [losses(artifact, seed) for seed in range(8)]


def test_an_application_stops_a_run_by_closing_it(photo: Path, style_artifact: Path) -> None:
    """Nothing of the run is left but what the application holds."""
    picture = pixelgrad.read_image(photo)
    artifact = Artifact(style_artifact, device="cpu")
    events = run_style(artifact, picture, [picture], pixelgrad.StyleSettings(size=48, steps=9))
    assert next(events).step == 1
    events.close()  # type: ignore[attr-defined]
    assert list(events) == []
    gone = weakref.ref(artifact)
    del artifact, events
    gc.collect()
    assert gone() is None


def test_a_thread_of_asyncio(photo: Path, painting: Path, how: dict[str, Any]) -> None:
    """Two at once, of which one is called off by what its callback raises."""

    def stop(event: pixelgrad.StepEvent) -> None:
        if event.step == 2:
            raise asyncio.CancelledError

    async def both() -> Any:
        one = asyncio.to_thread(pixelgrad.stylize, photo, painting, on_step=stop, **how)
        other = asyncio.to_thread(pixelgrad.stylize, photo, painting, **how)
        return await asyncio.gather(one, other, return_exceptions=True)

    stopped, done = asyncio.run(both())
    assert isinstance(stopped, asyncio.CancelledError)
    assert done == pixelgrad.stylize(photo, painting, **how)


_APPLICATION = """
import logging, os, pathlib, sys, warnings
warnings.simplefilter("error")
logging.basicConfig(level=logging.DEBUG, filename=os.devnull)
import pixelgrad
photo, network, other = sys.argv[1:]
def move(event):
    os.chdir(other)
made = pixelgrad.stylize(photo, photo, model=network, size=48, steps=2, device="cpu", on_step=move)
print(made.size, ascii(pixelgrad.__version__))
"""


@pytest.mark.parametrize(
    "options", [["-O"], ["-OO"], ["-I"], ["-X", "utf8=0"], ["-W", "error"], ["-X", "dev", "-W", "error"]], ids=str
)
def test_interpreters(photo: Path, small_network: Path, tmp_path: Path, options: list[str]) -> None:
    """Without asserts and docstrings, cut off from its surroundings, in plain C; with relative paths, and elsewhere
    before it is done."""
    here = small_network.parent
    names = [os.path.relpath(photo, here), small_network.name, str(tmp_path)]
    command = [sys.executable, *options, "-c", _APPLICATION, *names]
    environment = {**os.environ, "LANG": "C", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("(48, 32)")
