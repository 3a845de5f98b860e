"""What settings are told that they cannot be: whatever it is, one message of ours."""

from __future__ import annotations

import contextlib
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pixelgrad
from pixelgrad import runtime
from pixelgrad.errors import PixelgradError, SettingsError
from pixelgrad.runtime import DreamSettings, InversionSettings, StyleSettings, VisualizeSettings, ZoomSettings

CLASSES = [getattr(runtime, name) for name in runtime.__all__ if name.endswith("Settings")]
FIELDS = [(cls, field.name) for cls in CLASSES for field in fields(cls) if field.name != "dream"]
IDS = [f"{cls.__name__}.{name}" for cls, name in FIELDS]
#: What is no setting of any kind, but for ``None``, which leaves some to the task.
NEVER: list[Any] = ["7", b"x", {}, object(), 3 + 4j, [None], ["x"], (1, 2, 3), float("nan"), float("inf"), -(2.0**70)]


def check(cls: Any, **values: Any) -> None:
    cls(**values).check(*([1] if cls is StyleSettings else []))


@pytest.mark.parametrize(("cls", "name"), FIELDS, ids=IDS)
def test_what_no_setting_is(cls: Any, name: str) -> None:
    for value in NEVER:
        if name == "channels" and value in (b"x", (1, 2, 3)):  # a number is one, whatever holds it
            continue
        with pytest.raises(SettingsError):
            check(cls, **{name: value})


@pytest.mark.parametrize(("cls", "name"), FIELDS, ids=IDS)
def test_what_some_settings_are(cls: Any, name: str) -> None:
    """None, truth values, lists and numbers of any size are taken or refused in our own words."""
    for value in (None, True, 0, [], [1], (1, 2), 1.5, 1e-300, 1e300, 2**2000, -1):
        with contextlib.suppress(SettingsError):
            check(cls, **{name: value})


@pytest.mark.parametrize("number", [1e30, 1e300, 2**2000, True])
@pytest.mark.parametrize(
    ("cls", "name"),
    [
        (StyleSettings, "learning_rate"),
        (StyleSettings, "tv_weight"),
        (DreamSettings, "strength"),
        (InversionSettings, "alpha_weight"),
        (VisualizeSettings, "decay"),
        (VisualizeSettings, "noise"),
        (ZoomSettings, "contrast"),
    ],
)
def test_numbers_that_float32_does_not_hold(cls: Any, name: str, number: Any) -> None:
    with pytest.raises(SettingsError, match=rf"{name} is .*; it must be a number .*to \d"):
        check(cls, **{name: number})


def test_what_only_looks_like_yes_or_no() -> None:
    with pytest.raises(SettingsError, match="match_histogram is 'no'; it must be True or False"):
        check(StyleSettings, match_histogram="no")


@pytest.mark.parametrize("parameters", ["fourier", "maco", "pixels"])
@pytest.mark.parametrize(
    "extreme",
    [
        {"decay": 4.0},
        {"decay": 0.0, "cut": 1e-4},
        {"cut": 1e12},
        {"contrast": 1e12},
        {"contrast": 1e-300},
        {"learning_rate": 1e12},
        {"learning_rate": 1e-300},
        {"noise": 1.0},
        {"tv_weight": 1e12},
        {"rotate": 180.0},
        {"seed": 2**70},
    ],
    ids=str,
)
def test_the_ends_of_what_is_allowed_make_a_picture(
    small_network: Path, parameters: str, extreme: dict[str, Any]
) -> None:
    """And no warning of NumPy's, which is an error here."""
    how = {"size": 32, "coarsest": 16, "steps": 4, "parameters": parameters, "tv_weight": 1e-3, **extreme}
    try:
        made = pixelgrad.visualize(model=small_network, layer="relu3_1", channels=3, device="cpu", **how)
    except pixelgrad.DivergedError:
        return  # said, not saved
    except SettingsError as error:
        if f"and these are {parameters}" not in str(error):  # which have no such spectrum
            raise
        return
    assert np.isfinite(np.asarray(made.sheet)).all()


@pytest.mark.parametrize("blur", [1e-300, 1e-30])
def test_a_blur_of_no_pixel(small_network: Path, photo: Path, blur: float) -> None:
    how: dict[str, Any] = {"model": small_network, "layers": "relu2_1", "size": 48, "steps": 2, "octaves": 1}
    assert np.array_equal(pixelgrad.dream(photo, blur=blur, **how), pixelgrad.dream(photo, blur=0.0, **how))


WRONG: list[dict[str, Any]] = [
    {"device": None},
    {"device": b"cpu"},
    {"device": ["cpu"]},
    {"model": 3},
    {"content_layers": 3},
    {"content_layers": [3]},
    {"style_layers": [None]},
    {"style_layers": {"relu1_1": "much"}},
    {"style_layers": {"relu1_1": 2**2000}},
    {"loss": ["gram"]},
    {"loss": 3 + 4j},
    {"style_weights": 1},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_the_front_door(small_network: Path, photo: Path, painting: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(PixelgradError):
        pixelgrad.stylize(photo, painting, **{"model": small_network, "size": 48, "steps": 1, **wrong})


def test_channels_are_whole_numbers_of_any_make(small_network: Path, photo: Path) -> None:
    how: dict[str, Any] = {"model": small_network, "size": 48, "steps": 1}
    dreamed = pixelgrad.dream(photo, layers="relu2_1", channels=np.asarray([1, 2]), **how)
    assert dreamed == pixelgrad.dream(photo, layers="relu2_1", channels=[1, 2], **how)
    seen = pixelgrad.visualize(layer="relu2_1", channels=np.int64(1), classes=None, **how)  # type: ignore[arg-type]
    assert seen.sheet == pixelgrad.visualize(layer="relu2_1", channels=1, **how).sheet
    for wrong in ([1.5], "1", 1.5, [None]):
        with pytest.raises(SettingsError, match="must be a list of whole numbers, such as"):
            pixelgrad.dream(photo, layers="relu2_1", channels=wrong, **how)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"), [("alpha", 1e300), ("alpha", None), ("beta", "2"), ("beta", 31), ("beta", float("nan"))]
)
def test_exponents(small_network: Path, photo: Path, name: str, value: Any) -> None:
    with pytest.raises(SettingsError, match=rf"{name} is .*; it must be a number from [12] up to 30"):
        pixelgrad.invert(photo, model=small_network, layer="relu2_1", size=48, steps=1, **{name: value})
