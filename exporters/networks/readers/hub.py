"""What lies beside weights in a repository of the Hugging Face hub: how a network wants its input, and its classes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pixelgrad.exporters.identity import HUB_DESCRIPTIONS, HUB_SUFFIXES
from pixelgrad.models import PREPROCESSINGS, Preprocessing

__all__ = ["class_names", "normalisation", "stated"]

# transformers' own description, then timm's: where in the file, and what it calls mean and deviation.
_KEYS: tuple[tuple[tuple[str, ...], tuple[str, str]], ...] = (
    ((), ("image_mean", "image_std")),
    (("pretrained_cfg",), ("mean", "std")),
)


def stated(weights: Path) -> tuple[Preprocessing, str] | None:
    """How the input is normalised, and the name of the file beside ``weights`` that says so, if one does."""
    if weights.suffix.lower() not in HUB_SUFFIXES:
        return None
    for name, (path, keys) in zip(HUB_DESCRIPTIONS, _KEYS, strict=True):
        found = _described(weights.with_name(name))
        for key in path:
            found = found.get(key) if isinstance(found, Mapping) else None
        if not isinstance(found, Mapping):
            continue
        if found.get("do_normalize") is False:
            return PREPROCESSINGS["rgb"], name
        chosen = normalisation("hub", *(found.get(key) for key in keys))
        if chosen is not None:
            return chosen, name
    return None


def class_names(weights: Path) -> tuple[str, ...]:
    """What the classes are called, in their order, if the ``config.json`` beside ``weights`` says so.

    transformers numbers classes that nobody named: LABEL_0, LABEL_1, ...
    """
    if weights.suffix.lower() not in HUB_SUFFIXES:
        return ()
    found = _described(weights.with_name("config.json"))
    names = found.get("id2label") if isinstance(found, Mapping) else None
    if not isinstance(names, Mapping):
        return ()
    listed = [name for index in range(len(names)) if isinstance(name := names.get(str(index)), str)]
    unnamed = [f"LABEL_{index}" for index in range(len(names))]
    if len(listed) < len(names) or listed == unnamed:
        return ()
    # A list of labels has one in each line, and no lines that begin with a #.
    return tuple(" ".join(name.split()).lstrip("#") or f"class {index}" for index, name in enumerate(listed))


def normalisation(name: str, mean: Any, std: Any) -> Preprocessing | None:
    """(image - mean) / std for an image in [0, 1], if they are three numbers each; a known one by its own name."""
    means, deviations = _three(mean), _three(std)
    if means is None or deviations is None or not all(deviations):
        return None
    if means == deviations == (0.5, 0.5, 0.5):
        return PREPROCESSINGS["tf"]
    wanted = Preprocessing(name, mean=means, std=deviations)
    known = (row for row in PREPROCESSINGS.values() if replace(wanted, name=row.name, note=row.note) == row)
    return next(known, wanted)


def _three(value: Any) -> tuple[float, float, float] | None:
    if not isinstance(value, tuple | list) or [type(part) in (int, float) for part in value] != [True] * 3:
        return None
    return float(value[0]), float(value[1]), float(value[2])


def _described(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
