"""What exporters leave to be worked out at every run though nothing in it ever changes: sizes, paddings, axes."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import numpy as np
import onnx.reference
import onnx_ir as ir

from pixelgrad.exporters.opset18.attributes import integer
from pixelgrad.exporters.opset18.shapes import constant
from pixelgrad.exporters.opset18.weights import add_weight

__all__ = ["drop_zeros", "fold_numbers", "forget_counts", "keep_numbers", "known_content"]

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
        result = _computed(node, {})
        if result is None:
            continue
        first.const_value, first.shape = ir.tensor(result, name=first.name), ir.Shape(result.shape)
        found = True
    return found


def keep_numbers(graph: ir.Graph) -> None:
    """Put what is known of such lists in the place of the nodes that worked it out.

    What follows from how many images there are stays to be worked out: later there may be more than one.
    """
    counted = _counts(graph)
    for node in list(graph):
        (first, *others) = node.outputs
        array = constant(first)
        if others or array is None or first in counted or first.is_graph_output():
            continue
        known = add_weight(graph, f"{first.name}/known", array)
        first.replace_all_uses_with(known)
        graph.remove(node, safe=True)


def drop_zeros(graph: ir.Graph) -> None:
    """Take out sums with what is worked out to be zero: the mask of an attention that hides nothing from anybody."""
    known: dict[ir.Value, np.ndarray[Any, Any] | None] = {}
    for node in list(graph):
        (result, *_) = node.outputs
        if node.op_type != "Add" or result.is_graph_output():
            continue
        for value, other in (node.inputs, reversed(node.inputs)):
            if value is None or other is None or value.producer() is None or result.shape != other.shape:
                continue
            array = known_content(value, known)
            if array is not None and not array.any():
                result.replace_all_uses_with(other)
                graph.remove(node, safe=True)
                break


def forget_counts(graph: ir.Graph) -> None:
    """Forget what was known of numbers that follow from how many images there are."""
    for value in _counts(graph):
        value.const_value = None


def _counts(graph: ir.Graph) -> set[ir.Value]:
    counted: set[ir.Value] = set()
    for node in graph:
        if _counts_images(node, counted):
            counted.update(node.outputs)
    return counted


def _counts_images(node: ir.Node, counted: Container[ir.Value | None]) -> bool:
    """Whether a number that ``node`` gives may be that of the images, the first of each shape, or follow from it."""
    if node.op_type in {"Shape", "Size"}:
        return constant(node.inputs[0]) is None and integer(node, "start", 0) == 0
    if not any(value in counted for value in node.inputs):
        return False
    source = node.inputs[0]
    shape = source.producer() if source is not None else None
    if shape is None or shape.op_type != "Shape" or shape.inputs[0] is None or shape.inputs[0].shape is None:
        return any(output.dtype in _INTEGERS for output in node.outputs)
    places = constant(node.inputs[1]) if len(node.inputs) > 1 else None
    if places is None or not (node.op_type == "Gather" or (node.op_type == "Slice" and len(node.inputs) < 5)):
        return True
    rank = shape.inputs[0].shape.rank()
    return not bool(((places % rank != 0) & (abs(places) < rank)).all())


def _is_short(value: ir.Value) -> bool:
    array = constant(value)
    return array is not None and array.size <= _MOST


def known_content(
    value: ir.Value, known: dict[ir.Value, np.ndarray[Any, Any] | None] | None = None
) -> np.ndarray[Any, Any] | None:
    """What a value holds at every run, by computing what it is made of; ``None`` where that is not known before.

    known: what was asked for before.
    """
    known = {} if known is None else known
    if value not in known:
        array, node = constant(value), value.producer()
        worked_out = array is None and node is not None and value is node.outputs[0]
        known[value] = _computed(node, known) if worked_out and node is not None else array
    return known[value]


def _computed(node: ir.Node, known: dict[ir.Value, np.ndarray[Any, Any] | None]) -> np.ndarray[Any, Any] | None:
    """The first output of a node of known inputs."""
    if node.domain or not node.inputs or node.op_type in _RANDOM:
        return None
    if any(attribute.type == ir.AttributeType.GRAPH for attribute in node.attributes.values()):
        return None
    feeds: dict[str, np.ndarray[Any, Any]] = {}
    for value in node.inputs:
        if value is not None:
            array = known_content(value, known)
            if array is None:
                return None
            feeds[str(value.name)] = array
    if node.op_type == "CumSum" and node.inputs[1] is not None:
        # PyTorch writes the axis as a list of one, which ONNX Runtime takes too.
        feeds[str(node.inputs[1].name)] = feeds[str(node.inputs[1].name)].reshape(())
    evaluator = onnx.reference.ReferenceEvaluator(ir.to_proto(node), opsets={"": 18})
    results: list[Any] = list(evaluator.run(None, feeds))
    return np.asarray(results[0])
