"""What each execution provider runs, as data, and a graph held to it.

The data are in ``providers.json``, each provider's with its source. They say what is documented, or what was tried;
``pixelgrad doctor`` tries the real thing.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import onnx
from onnx import defs, helper

from pixelgrad.exporters.size_nodes import PREFIX

__all__ = ["Gap", "Provider", "providers", "unsupported"]


@dataclass(frozen=True)
class Provider:
    """source: where the rows are from. operators: constraints by operator type; ``None`` where every one is there.
    gaps: operators that graphs of the portable profile have and that it is known to leave to the CPU.
    """

    name: str
    source: str
    operators: Mapping[str, Mapping[str, Any]] | None
    gaps: tuple[str, ...]


@dataclass(frozen=True)
class Gap:
    """A node that a provider does not run, and why."""

    node: str
    operator: str
    reason: str


@functools.cache
def providers() -> dict[str, Provider]:
    """By the name that ONNX Runtime gives them, and ``browser`` for WebGPU in ONNX Runtime Web."""
    text = (resources.files("pixelgrad.exporters.profiles") / "providers.json").read_text(encoding="utf-8")
    return {
        name: Provider(name, row["source"], None if row["operators"] == "all" else row["operators"], tuple(row["gaps"]))
        for name, row in json.loads(text)["providers"].items()
    }


def unsupported(model: onnx.ModelProto, provider: str) -> list[Gap]:
    """The nodes of ``model`` that ``provider`` would leave to the CPU; those that only compute sizes do not count."""
    operators = providers()[provider].operators
    if operators is None:
        return []
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    inputs = {value.name for value in model.graph.input}
    constants = {tensor.name for tensor in model.graph.initializer} - inputs
    ranks = {
        value.name: len(value.type.tensor_type.shape.dim)
        for value in [*model.graph.input, *model.graph.value_info, *model.graph.output]
        if value.type.tensor_type.HasField("shape")
    }
    gaps = []
    for node in model.graph.node:
        if all(name in constants for name in node.input):  # folded when the session loads
            constants.update(node.output)
        elif not node.name.startswith(PREFIX):
            reason = _against(node, operators.get(node.op_type), opset, constants, ranks)
            if reason:
                gaps.append(Gap(node.name, node.op_type, reason))
    return gaps


def _against(
    node: onnx.NodeProto,
    row: Mapping[str, Any] | None,
    opset: int,
    constants: set[str],
    ranks: Mapping[str, int],
) -> str:
    if row is None:
        return "it has no such operator"
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    since = defs.get_schema(node.op_type, opset).since_version
    if not row.get("since", since) <= since <= row.get("until", row.get("since", since)):
        return f"its kernel is registered for opset {row['since']} and opset {opset} has version {since}"
    for index in row.get("constant_inputs", []):
        if index < len(node.input) and node.input[index] and node.input[index] not in constants:
            return f"input {index} must be a constant"
    for name in row.get("attributes", []):
        if name not in attributes:
            return f"attribute {name} must be there"
    for name in row.get("no_attributes", []):
        value = attributes.get(name, 0)
        if any(value if isinstance(value, list) else [value]):
            return f"attribute {name} must be absent"
    for name in row.get("nonzero", []):
        if attributes.get(name, 1) == 0:
            return f"attribute {name} must not be 0"
    pads = list(attributes.get("pads", []))
    if row.get("symmetric_pads") and pads[: len(pads) // 2] != pads[len(pads) // 2 :]:
        return f"pads {pads} differ in front and behind"
    if row.get("symmetric_pads") and attributes.get("auto_pad", b"NOTSET").startswith(b"SAME"):
        return "pads that follow from auto_pad may differ in front and behind"
    if ranks.get(node.input[0], 0) > row.get("max_rank", 99):
        return f"it takes at most {row['max_rank']} dimensions"
    if ranks.get(node.output[0], 99) < row.get("min_rank", 0):
        return "it makes no scalars"
    if len([name for name in node.output if name]) > row.get("outputs", 99):
        return f"it has {row['outputs']} output only"
    return ""
