"""What ``artifact.json`` says, believed only where it has the form that it must have."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from pixelgrad.errors import ArtifactError

__all__ = ["read_manifest"]

FORMAT = "pixelgrad-artifact"
FORMAT_VERSION = 1
# Far more than is ever said of a picture, and little enough to be allocated before it is found to be wrong.
_EDGE = 4096


class _Whole:
    """A whole number in a range; ``None`` too where it is ``optional``."""

    def __init__(self, least: int, most: int = 1 << 40, *, optional: bool = False) -> None:
        self.least, self.most, self.optional = least, most, optional

    def __call__(self, value: Any) -> bool:
        if value is None:
            return self.optional
        return isinstance(value, int) and not isinstance(value, bool) and self.least <= value <= self.most


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _number_or_none(value: Any) -> bool:
    return value is None or _number(value)


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _text_or_none(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _table(value: Any) -> bool:
    return isinstance(value, dict)


def _truth(value: Any) -> bool:
    return isinstance(value, bool)


def _size_or_none(value: Any) -> bool:
    edge = _Whole(1, _EDGE)
    return value is None or (isinstance(value, list) and len(value) == 2 and all(map(edge, value)))


def _positions(value: Any) -> bool:
    kinds: tuple[Callable[[Any], bool], ...] = (_Whole(1, _EDGE), _Whole(-_EDGE, _EDGE), _number)
    return isinstance(value, list) and len(value) == 3 and all(fits(x) for fits, x in zip(kinds, value, strict=True))


# A function says whether a value will do; a dictionary has these keys, or with "*" any keys to one form; a list has
# entries of one form.
_FORM: dict[str, Any] = {
    "network": {"name": _text, "sha256": _text, "pool": _text, "preprocessing": _table},
    "objective": {"kind": _text, "settings": _table},
    "image": {
        "batch": _Whole(1, _EDGE, optional=True),
        "minimum_size": _Whole(1, _EDGE),
        "fixed_size": _size_or_none,
        "alignment": _Whole(1, _EDGE),
    },
    "layers": {"*": {"stride": _number_or_none, "receptive_field": _number_or_none}},
    "terms": [
        {
            "name": _text,
            "kind": _text,
            "layer": _text_or_none,
            "weight": _number,
            "target": _text_or_none,
            "mask": _text_or_none,
            "given": _truth,
        }
    ],
    "profile": _text,
    "precision": _text,
    "gradient": _text,
    "files": {"*": {"sha256": _text, "bytes": _Whole(0)}},
    "self_check": {"height": _Whole(1, _EDGE), "width": _Whole(1, _EDGE), "image_seed": _Whole(0)},
}
_CHECKS: dict[str, dict[str, Any]] = {
    "objective": {
        "target_seed": _Whole(0),
        "loss": _number,
        "losses": {"*": _number},
        "gradient_norm": _number,
        "tolerance": {"loss": _number, "gradient_norm": _number},
    },
    "projection": {
        "cotangent_seed": _Whole(0),
        "maxima_norm": _number,
        "projection_norm": _number,
        "tolerance": {"maxima_norm": _number, "projection_norm": _number},
    },
}
_MEMORY = {"bytes_per_pixel": _Whole(1), "bytes_per_square": _number}
_TILES: dict[str, Any] = {
    "before": _Whole(1, _EDGE),
    "after": _Whole(1, _EDGE),
    "sizes": {"*": _positions},
    "bytes_per_pixel": _Whole(1),
}
_AXIS = {"stride": _number, "size": _number, "start": _number, "slack": _number}
_PROJECTION: dict[str, Any] = {"layer": _text, "rule": _text, "channels": _Whole(1), "watched": [_text]}


class _MisfitError(Exception):
    """Where the manifest has not the form that it must have, in words."""


def read_manifest(folder: Path) -> dict[str, Any]:
    """``artifact.json`` of an artifact folder.

    Raises :class:`ArtifactError` where the folder is missing or incomplete, or the manifest damaged, of a newer format,
    or not what an exporter would write: a file name that leads out of the folder, say.
    """
    where = str(folder)
    if not os.path.isdir(folder):  # noqa: PTH112 (pathlib raises for a name that is too long)
        raise ArtifactError(f"there is no artifact folder {where!r}; pixelgrad export makes one")
    try:
        manifest = json.loads((folder / "artifact.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtifactError(f"the folder {where!r} is no artifact: it holds no artifact.json") from None
    except (ValueError, OSError, RecursionError) as error:
        raise ArtifactError(f"artifact.json in {where!r} cannot be read: {error}; export the artifact again") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ArtifactError(f"artifact.json in {where!r} is not that of a pixelgrad artifact")
    version = manifest.get("format_version")
    if version != FORMAT_VERSION:
        raise ArtifactError(
            f"the artifact {where!r} has format version {version} and this pixelgrad reads version {FORMAT_VERSION}; "
            "update pixelgrad, or export the artifact again"
        )
    try:
        _check(manifest, _FORM, "")
        kind = "projection" if "projection" in manifest else "objective"
        if kind == "objective":
            _check(manifest["image"]["batch"], _Whole(1, _EDGE), "image.batch")
            _check(manifest.get("memory"), _MEMORY, "memory")
        _check(manifest["self_check"], _CHECKS[kind], "self_check")
        if manifest.get("tiles") is not None:
            _check(manifest["tiles"], _TILES, "tiles")
        if kind == "projection":
            _check(manifest["projection"], _PROJECTION, "projection")
            if manifest["projection"].get("fields") is not None:
                _check(manifest["projection"]["fields"], {"height": _AXIS, "width": _AXIS}, "projection.fields")
        for name in manifest["files"]:
            if name in ("", ".", "..") or {PurePosixPath(name).name, PureWindowsPath(name).name} != {name}:
                raise _MisfitError(f"names a file {name!r}, which is not in the folder")
    except _MisfitError as error:
        raise ArtifactError(f"artifact.json in {where!r} is damaged: it {error}; export the artifact again") from None
    missing = [name for name in manifest["files"] if not os.path.isfile(folder / name)]  # noqa: PTH113 (as above)
    if missing:
        raise ArtifactError(f"the artifact {where!r} lacks {', '.join(missing)}; export it again")
    return manifest


def _check(value: Any, form: Any, where: str) -> None:
    """Raise :class:`_MisfitError` where ``value`` has not that form."""
    if callable(form):
        if not form(value):
            raise _MisfitError(f"says {_short(value)} for {where}")
    elif isinstance(form, list):
        if not isinstance(value, list):
            raise _MisfitError(f"says {_short(value)} for {where}")
        for index, entry in enumerate(value):
            _check(entry, form[0], f"{where}[{index}]")
    else:
        if not isinstance(value, Mapping):
            raise _MisfitError(f"says {_short(value)} for {where}")
        for key in value if "*" in form else form:
            if key not in value:
                raise _MisfitError(f"lacks {key!r}{f' in {where}' if where else ''}")
            _check(value[key], form.get("*", form.get(key)), f"{where}.{key}" if where else key)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
