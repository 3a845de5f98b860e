"""What exporters leave to be worked out at every run though nothing in it ever changes: sizes, paddings, axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx.reference
import onnx_ir as ir

from pixelgrad.exporters.opset18.shapes import constant
from pixelgrad.exporters.opset18.weights import add_weight

__all__ = ["fold_numbers", "keep_numbers"]

# Of lists of sizes; weights are no concern of this.
_MOST = 256
_INTEGERS = {ir.DataType.INT64, ir.DataType.INT32, ir.DataType.BOOL}
_RANDOM = {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli", "Multinomial"}


def fold_numbers(graph: ir.Graph) -> bool:
    """Note the content of every short list of whole numbers that follows from known ones; whether any was new.

    PyTorch's older exporter turns the paddings of a layer round by Reshape, Slice and Transpose.
    """
    found = False
    for node in graph:
        (first, *others) = node.outputs
        if others or node.domain or first.const_value is not None or first.dtype not in _INTEGERS:
            continue
        if node.op_type in _RANDOM or any(value is not None and not _is_short(value) for value in node.inputs):
            continue
        feeds = {str(value.name): constant(value) for value in node.inputs if value is not None}
        if not feeds or any(attribute.type == ir.AttributeType.GRAPH for attribute in node.attributes.values()):
            continue
        evaluator = onnx.reference.ReferenceEvaluator(ir.to_proto(node), opsets={"": 18})
        results: list[Any] = list(evaluator.run(None, feeds))
        result = np.asarray(results[0])
        first.const_value, first.shape = ir.tensor(result, name=first.name), ir.Shape(result.shape)
        found = True
    return found


def keep_numbers(graph: ir.Graph) -> None:
    """Put what is known of such lists in the place of the nodes that worked it out."""
    for node in list(graph):
        (first, *others) = node.outputs
        array = constant(first)
        if others or array is None or first.is_graph_output():
            continue
        known = add_weight(graph, f"{first.name}/known", array)
        first.replace_all_uses_with(known)
        graph.remove(node, safe=True)


def _is_short(value: ir.Value) -> bool:
    array = constant(value)
    return array is not None and array.size <= _MOST
