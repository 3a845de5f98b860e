"""Reading a node's operands, and its attributes with their types and defaults."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from pixelgrad.errors import NetworkError


def operand(node: ir.Node, index: int = 0) -> ir.Value:
    """An input that the operator cannot do without."""
    value = node.inputs[index]
    if value is None:
        raise NetworkError(f"{node.op_type} at {node.outputs[0].name!r} lacks its input {index}")
    return value


def optional(node: ir.Node, index: int) -> ir.Value | None:
    """An input that may be left out."""
    return node.inputs[index] if len(node.inputs) > index else None


def integer(node: ir.Node, name: str, default: int) -> int:
    found = node.attributes.get(name)
    return default if found is None else found.as_int()


def number(node: ir.Node, name: str, default: float) -> float:
    found = node.attributes.get(name)
    return default if found is None else found.as_float()


def text(node: ir.Node, name: str, default: str) -> str:
    found = node.attributes.get(name)
    return default if found is None else found.as_string()


def integers(node: ir.Node, name: str, default: Sequence[int] | None = None) -> list[int] | None:
    found = node.attributes.get(name)
    if found is None:
        return None if default is None else list(default)
    return list(found.as_ints())


def numbers(node: ir.Node, name: str, default: Sequence[float] | None = None) -> list[float] | None:
    found = node.attributes.get(name)
    if found is None:
        return None if default is None else list(default)
    return list(found.as_floats())
