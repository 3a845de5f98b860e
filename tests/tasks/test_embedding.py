"""The front door as applications use it: their threads, their arrays, their numbers."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pixelgrad
from pixelgrad.errors import ImageError, SettingsError


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
