"""Whether a manifest is what ``artifact.schema.json`` says; no JSON Schema library: by the keywords in it."""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from importlib import resources
from typing import Any

__all__ = ["misfit"]

_TYPES: dict[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    # JSON has no other, whatever Python would write.
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}
_LIMITS: dict[str, Callable[[Any, Any], bool]] = {
    "const": lambda value, wanted: type(value) is type(wanted) and bool(value == wanted),
    "enum": lambda value, wanted: value in wanted,
    "minimum": lambda value, wanted: value is None or value >= wanted,
    "maximum": lambda value, wanted: value is None or value <= wanted,
    "exclusiveMinimum": lambda value, wanted: value > wanted,
    "minLength": lambda value, wanted: len(value) >= wanted,
    "pattern": lambda value, wanted: re.search(wanted, value) is not None,
    "minItems": lambda value, wanted: len(value) >= wanted,
    "maxItems": lambda value, wanted: len(value) <= wanted,
    "uniqueItems": lambda value, _: len(set(value)) == len(value),
}


@functools.cache
def _schema() -> dict[str, Any]:
    text = (resources.files(__package__) / "artifact.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def misfit(manifest: Mapping[str, Any]) -> str | None:
    """The first that is not as the schema has it, in words; ``None`` where all is."""
    return next(_misfits(json.loads(json.dumps(manifest)), _schema(), ""), None)


def _misfits(value: Any, schema: Mapping[str, Any], where: str) -> Iterator[str]:
    if "$ref" in schema:
        yield from _misfits(value, _schema()["$defs"][schema["$ref"].rpartition("/")[2]], where)
    if "oneOf" in schema:
        found = [list(_misfits(value, one, where)) for one in schema["oneOf"]]
        if all(found):
            yield from found[-1]  # the others are null
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_TYPES[kind](value) for kind in kinds):
        yield f"{where} is {value!r}, no {' or '.join(kinds)}"
        return
    for keyword, fits in _LIMITS.items():
        if keyword in schema and not fits(value, schema[keyword]):
            yield f"{where} is {value!r}, against {keyword} {schema[keyword]}"
    if isinstance(value, list):
        for number, entry in enumerate(value):
            yield from _misfits(entry, schema.get("items", {}), f"{where}[{number}]")
    elif isinstance(value, dict):
        yield from _members(value, schema, where)


def _members(value: dict[str, Any], schema: Mapping[str, Any], where: str) -> Iterator[str]:
    yield from (f"{where or 'it'} lacks {key!r}" for key in schema.get("required", ()) if key not in value)
    known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    for key, entry in value.items():
        place = f"{where}.{key}" if where else key
        if key not in known and others is False:
            yield f"{place} has no meaning"
        else:
            yield from _misfits(entry, known.get(key, others if isinstance(others, dict) else {}), place)
    if "if" in schema:
        holds = not any(_misfits(value, schema["if"], where))
        yield from _misfits(value, schema["then" if holds else "else"], where)
