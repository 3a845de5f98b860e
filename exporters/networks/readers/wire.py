"""Telling protobuf files apart, which bear no signature, by the fields at their top level."""

from __future__ import annotations

from mmap import mmap

_MOST = 100_000
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def top_fields(content: bytes | mmap) -> set[tuple[int, int]]:
    """The (field number, wire type) pairs at the top level of a message, up to where it makes no sense any more."""
    found: set[tuple[int, int]] = set()
    position = 0
    for _ in range(_MOST):
        if position >= len(content):
            break
        tag, position = _varint(content, position)
        number, kind = tag >> 3, tag & 7
        if not 0 < number < 1 << 29 or kind not in (_VARINT, _FIXED64, _BYTES, _FIXED32):
            break
        if kind == _VARINT:
            value, position = _varint(content, position)
            if value < 0:
                break
        elif kind == _BYTES:
            length, position = _varint(content, position)
            if length < 0:
                break
            position += length
        else:
            position += 8 if kind == _FIXED64 else 4
        found.add((number, kind))
    return found


def _varint(content: bytes | mmap, position: int) -> tuple[int, int]:
    """The number at ``position`` and where it ends; -1 where there is none."""
    result = 0
    for index, byte in enumerate(content[position : position + 10]):
        result |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return result, position + index + 1
    return -1, len(content)


def is_onnx(fields: set[tuple[int, int]]) -> bool:
    """``ModelProto``: its graph is field 7, its IR version field 1."""
    return (7, _BYTES) in fields and (1, _BYTES) not in fields


def is_caffe(fields: set[tuple[int, int]]) -> bool:
    """``NetParameter``: layers are field 100, or field 2 in the old format."""
    return (1, _VARINT) not in fields and (
        (100, _BYTES) in fields or ((2, _BYTES) in fields and (4, _BYTES) not in fields)
    )


def is_tensorflow(fields: set[tuple[int, int]]) -> bool:
    """``GraphDef``: nodes are field 1, versions field 4; or ``SavedModel``: a version and graphs."""
    graph = (1, _BYTES) in fields and fields <= {(1, _BYTES), (2, _BYTES), (3, _VARINT), (4, _BYTES)}
    return graph or fields == {(1, _VARINT), (2, _BYTES)}
