"""Conversions of network files, kept: what reading one costs is paid once.

Reading a file, rewriting it in opset 18 and working out its shapes as expressions of the image's size takes seconds
for a large network. The result is an ONNX file like any other; kept under a hash of all that it was made from, it
loads in the time that its bytes take.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError
from onnx_ir.passes.common import RemoveUnusedNodesPass

from pixelgrad.exporters.identity import fingerprint
from pixelgrad.exporters.networks.readers import Reading
from pixelgrad.exporters.opset18.shapes import constant
from pixelgrad.models import Preprocessing

__all__ = ["Converted", "convert_once"]

_FACTS = "pixelgrad.converted"
_MOST_BYTES = 4 << 30


@dataclass(frozen=True)
class Converted:
    """What a reader returned, in opset 18, its shapes in terms of the image's H and W, its image not normalised yet.

    declared_size: (height, width) that the file declares, if it declares any.
    """

    reading: Reading
    declared_size: tuple[int, int] | None


def convert_once(path: Path, folder: Path | None, convert: Callable[[Path], Converted]) -> Converted:
    """The conversion of ``path`` kept in ``folder``; where there is none, ``convert`` makes it and it is kept.

    A conversion that is damaged is made again, one that cannot be kept (a full or read-only disk, beyond protobuf's
    2 GiB) is not. Of all of them the last used 4 GiB stay.
    """
    if folder is None:
        return convert(path)
    place = folder / f"{fingerprint(path)}.onnx"
    kept = _load(place)
    if kept is not None:
        with contextlib.suppress(OSError):
            os.utime(place)
        return kept
    converted = convert(path)
    RemoveUnusedNodesPass()(converted.reading.model)
    _save(converted, place)
    return converted


def _load(place: Path) -> Converted | None:
    try:
        proto = onnx.ModelProto.FromString(place.read_bytes())
        facts = json.loads(next(entry.value for entry in proto.metadata_props if entry.key == _FACTS))
        model = ir.from_proto(proto)
        del model.metadata_props[_FACTS]
        size, wanted, numbers = (facts.pop(name) for name in ("declared_size", "preprocessing", "numbers"))
        for value in (output for node in model.graph for output in node.outputs if output.name in numbers):
            array = np.asarray(numbers[value.name], ir.DataType(value.dtype).numpy())
            value.const_value = ir.tensor(array, name=value.name)
        if wanted is not None:
            wanted = Preprocessing(**{**wanted, "mean": tuple(wanted["mean"]), "std": tuple(wanted["std"])})
        listed = {name: tuple(facts[name]) for name in ("notes", "class_names")}
        reading = Reading(**{**facts, **listed}, model=model, preprocessing=wanted)
    except (OSError, DecodeError, StopIteration, ValueError, KeyError, TypeError):
        return None
    return Converted(reading, (size[0], size[1]) if size is not None else None)


def _save(converted: Converted, place: Path) -> None:
    reading, model = converted.reading, converted.reading.model
    facts = {field.name: getattr(reading, field.name) for field in fields(reading) if field.name != "model"}
    outputs = [output for node in model.graph for output in node.outputs]
    numbers = {str(output.name): array.tolist() for output in outputs if (array := constant(output)) is not None}
    facts |= {"declared_size": converted.declared_size, "aliases": dict(reading.aliases), "numbers": numbers}
    if reading.preprocessing is not None:
        facts["preprocessing"] = asdict(reading.preprocessing)
    model.metadata_props[_FACTS] = json.dumps(facts, sort_keys=True)
    # Of this thread's own: several may read one network at the same time.
    beside = place.with_name(f".{place.name}.{secrets.token_hex(8)}")
    try:
        content = ir.to_proto(model).SerializeToString()
        place.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(content)
        beside.replace(place)
        _prune(place.parent)
    except (OSError, ValueError):
        return
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        del model.metadata_props[_FACTS]


def _prune(folder: Path) -> None:
    room = _MOST_BYTES
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.stat().st_mtime, reverse=True):
        room -= entry.stat().st_size
        if room < 0:
            entry.unlink(missing_ok=True)
