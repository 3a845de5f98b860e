"""What lies beside weights in a repository of the Hugging Face hub, and tells what they do not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from pixelgrad.exporters.identity import HUB_DESCRIPTIONS, HUB_SUFFIXES
from pixelgrad.models import PREPROCESSINGS, Preprocessing

__all__ = ["Description", "described", "normalisation"]


class Description(NamedTuple):
    """preprocessing: how the input is normalised, and the file that says so, by name. class_names: in their order.
    gelu: ``gelu`` or ``quick_gelu``.
    """

    preprocessing: tuple[Preprocessing, str] | None = None
    class_names: tuple[str, ...] = ()
    gelu: str | None = None


def described(weights: Path) -> Description:
    """What transformers', timm's or OpenCLIP's own files beside ``weights`` say."""
    if weights.suffix.lower() not in HUB_SUFFIXES:
        return Description()
    preprocessor, config, open_clip = (_mapping(_parsed(weights.with_name(name))) for name in HUB_DESCRIPTIONS)
    if preprocessor.get("do_normalize") is False:
        chosen: Preprocessing | None = PREPROCESSINGS["rgb"]
    else:
        chosen = normalisation("hub", preprocessor.get("image_mean"), preprocessor.get("image_std"))
    name = HUB_DESCRIPTIONS[0]
    others = config.get("pretrained_cfg"), open_clip.get("preprocess_cfg")
    for file, numbers in zip(HUB_DESCRIPTIONS[1:], map(_mapping, others), strict=True):
        if chosen is None:
            name, chosen = file, normalisation("hub", numbers.get("mean"), numbers.get("std"))
    return Description(
        (chosen, name) if chosen is not None else None,
        _listed(_mapping(config.get("id2label"))),
        _gelu(config, _mapping(open_clip.get("model_cfg"))),
    )


def _gelu(config: Mapping[str, Any], open_clip: Mapping[str, Any]) -> str | None:
    """That of CLIP, by transformers' name; timm's and OpenCLIP's descriptions say when it is the quick one."""
    named = _mapping(config.get("vision_config", config)).get("hidden_act")
    if isinstance(named, str):
        return named
    architecture = config.get("architecture")
    if isinstance(architecture, str):
        return "quick_gelu" if "quickgelu" in architecture else "gelu"
    if open_clip:
        return "quick_gelu" if open_clip.get("quick_gelu") is True else "gelu"
    return None


def _listed(names: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of classes, if each has one: transformers calls those without LABEL_0, LABEL_1, ..."""
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


def _parsed(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
