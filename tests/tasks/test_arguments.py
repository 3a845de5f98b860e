"""What an argument of a task cannot be is said by its name, before any work is done."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pixelgrad
from pixelgrad import ImageError, NetworkError, PixelgradError, SettingsError, UnknownLayerError, runtime
from pixelgrad.models import class_name

GREY = np.full((48, 48, 3), 0.5, np.float32)
BYTES = GREY * 255
stylize = partial(pixelgrad.stylize, GREY)
dream = partial(pixelgrad.dream, GREY)
zoom = partial(pixelgrad.zoom, GREY)
deconv = partial(pixelgrad.deconv, layer="relu1_1")
mistakes = pixelgrad.mistakes
evolve = partial(pixelgrad.evolve, images="photos", layer="relu1_1")
compare = partial(pixelgrad.compare, images=[GREY, GREY], size=48, channels=0)

WRONG: dict[str, tuple[Callable[[], Any], type[PixelgradError], str]] = {
    "no path": (lambda: deconv(None), SettingsError, "images must be a path, not NoneType"),
    "a list": (lambda: deconv(["a.png"]), SettingsError, "images must be a path, not list"),
    "an index": (lambda: deconv("photos", index=3), SettingsError, "index must be a path, not int"),
    "labels": (lambda: mistakes(labels=3), SettingsError, "labels must be a path, not int"),
    "mistakes": (lambda: mistakes(3), SettingsError, "images must be a path, not int"),
    "an output": (lambda: zoom(None), SettingsError, "output must be a path, not NoneType"),
    "no networks": (lambda: compare(None), SettingsError, "name at least one network"),
    "a number": (lambda: compare(3), SettingsError, "a network is a file or a name.*this is int"),
    "one image": (lambda: compare("pebble", images=3), ImageError, "image 1: cannot read a picture from int"),
    "few images": (lambda: compare("pebble", images=[]), SettingsError, "pictures: 0; .* give two or more"),
    "layers": (lambda: compare("pebble", layers=3), UnknownLayerError, "the network has no layer 3"),
    "checkpoints": (lambda: evolve(3), SettingsError, "a network is a file or a name.*this is int"),
    "a text": (lambda: evolve("abc"), NetworkError, "no network 'abc'"),
    "a depth": (lambda: pixelgrad.invert_depth(GREY, "relu9"), UnknownLayerError, "no layer 'relu9'"),
    "no layers": (lambda: dream(layers=[]), SettingsError, "layers is empty; name one or more"),
    "a flag": (lambda: dream(channels=[True]), SettingsError, r"channels is \[True\]; it must be a list of whole"),
    "on_step": (lambda: stylize("none.png", on_step=0), SettingsError, "on_step is 0; it must be a function"),
    "on_frame": (lambda: zoom("frames", on_frame=0), SettingsError, "on_frame is 0; it must be a function"),
    "on_event": (lambda: compare("pebble", on_event=0), SettingsError, "on_event is 0; it must be a function"),
    "believe": (lambda: mistakes("x", believe="yes"), SettingsError, "believe is 'yes'; it must be a function"),
    "content": (lambda: pixelgrad.stylize(BYTES, GREY), ImageError, "^content holds values from"),
    "a style": (lambda: stylize([GREY, BYTES]), ImageError, "^style image 2 holds values from"),
    "a mask": (lambda: stylize(GREY, masks=BYTES), ImageError, "^mask 1 holds values from"),
    "a start": (lambda: stylize(GREY, init=BYTES), ImageError, "^init holds values from"),
    "a guide": (lambda: dream(guide=BYTES), ImageError, "^guide holds values from"),
    "a format": (lambda: pixelgrad.read_image(GREY).to_bytes(5), SettingsError, "unknown format 5"),  # type: ignore[arg-type]
    "a class": (lambda: class_name("imagenet", 5000), SettingsError, "no class 5000 in imagenet: .* 0 to 999"),
    "a word": (lambda: class_name("imagenet", "x"), SettingsError, "no class 'x' in imagenet"),  # type: ignore[arg-type]
    "a file": (lambda: pixelgrad.vjp("net.onnx"), SettingsError, "onnx.load reads one.*, not str"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize(("call", "error", "message"), WRONG.values(), ids=WRONG)
def test_what_it_cannot_be(
    call: Callable[[], Any], error: type[PixelgradError], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        call()


def test_an_array_is_no_picture_yet(style_artifact: Path) -> None:
    with pytest.raises(ImageError, match="the photo is ndarray, not a Picture; read_image makes one"):
        runtime.style(runtime.Artifact(style_artifact), GREY, [GREY])  # type: ignore[arg-type]
