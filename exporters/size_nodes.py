"""Telling nodes that compute sizes from those that compute with pixels, by name."""

from __future__ import annotations

import onnx_ir as ir

__all__ = ["PREFIX", "name_size_nodes"]

# ONNX Runtime keeps such nodes on the CPU on purpose, on every device; a runtime that lists what a device left to
# the CPU can tell them from the nodes that matter.
PREFIX = "shape/"


def name_size_nodes(model: ir.Model) -> None:
    """Put ``shape/`` before the name of every node whose outputs depend on sizes and constants alone, in place."""
    sizes: set[ir.Value] = set()
    for node in model.graph:
        inputs = [value for value in node.inputs if value is not None and not _is_constant(value)]
        if node.op_type in {"Shape", "Size"} or (inputs and all(value in sizes for value in inputs)):
            sizes.update(node.outputs)
            if not (node.name or "").startswith(PREFIX):
                node.name = f"{PREFIX}{node.name or node.outputs[0].name}"


def _is_constant(value: ir.Value) -> bool:
    return value.const_value is not None and not value.is_graph_input()
