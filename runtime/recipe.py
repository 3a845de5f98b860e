"""What a picture was made from: settings and hashes, never paths."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from pixelgrad.runtime.artifact import Artifact
from pixelgrad.runtime.images import Picture
from pixelgrad.version import __version__

__all__ = ["make_recipe", "picture_hash"]


def make_recipe(
    task: str,
    artifact: Artifact,
    settings: Any,
    size: tuple[int, int],
    pictures: Mapping[str, Any],
) -> dict[str, Any]:
    """All that it takes to make the picture again.

    settings: a dataclass; a :class:`Picture` in one of its fields is put down as ``picture`` and, under
        ``<field>_picture``, its hash. size: (width, height). pictures: by role, a picture, a list of them or ``None``.
    """
    given = {name: getattr(settings, name) for name in settings.__dataclass_fields__}
    inside = {name: value for name, value in given.items() if isinstance(value, Picture)}
    network = artifact.manifest["network"]
    return {
        "task": task,
        "pixelgrad": __version__,
        "width": size[0],
        "height": size[1],
        **{role: _hashed(value) for role, value in pictures.items()},
        **{f"{name}_picture": picture_hash(value) for name, value in inside.items()},
        "settings": asdict(replace(settings, **dict.fromkeys(inside, "picture"))),
        "network": {key: network[key] for key in ("name", "sha256", "pool", "preprocessing")},
        "objective": artifact.manifest["objective"],
        "precision": artifact.precision,
        "device": artifact.choice.name,
    }


def _hashed(value: Any) -> Any:
    if isinstance(value, Picture):
        return picture_hash(value)
    return None if value is None else [picture_hash(picture) for picture in value]


def picture_hash(picture: Picture) -> str:
    """SHA-256 of the pixels as float32, and alpha, so that a copy in another format of the same pixels agrees."""
    digest = hashlib.sha256(repr(picture.size).encode())
    digest.update(picture.pixels.tobytes())
    if picture.alpha is not None:
        digest.update(picture.alpha.tobytes())
    return digest.hexdigest()
