"""Networks in half or double precision, turned to single: gradient steps are in float32."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from onnx import TensorProto, numpy_helper

_OTHER = {TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE}


def to_float32(model: onnx.ModelProto) -> list[str]:
    """Every weight, input and conversion of another floating-point type becomes float32, in place. Notes on it."""
    found: set[int] = set()
    for tensor in _tensors(model):
        if tensor.data_type in _OTHER:
            found.add(tensor.data_type)
            array = np.asarray(numpy_helper.to_array(tensor), dtype=np.float32)
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(array, name))
    for graph in _graphs(model):
        for value in (*graph.input, *graph.output, *graph.value_info):
            kind = value.type.tensor_type
            if kind.elem_type in _OTHER:
                found.add(kind.elem_type)
                kind.elem_type = TensorProto.FLOAT
    for node in _nodes(model):
        for attribute in node.attribute:
            converts = attribute.name in {"to", "dtype"} and attribute.type == onnx.AttributeProto.INT
            if converts and attribute.i in _OTHER:
                attribute.i = TensorProto.FLOAT
            elif attribute.name == "to" and attribute.s in {b"FLOAT16", b"DOUBLE"}:
                attribute.s = b"FLOAT"
    names = sorted(TensorProto.DataType.Name(kind).lower() for kind in found)
    return [f"its file is in {' and '.join(names)}"] if names else []


def drop_conversions(graph: ir.Graph) -> None:
    """Take out the conversions of weights that :func:`to_float32` has made idle: behind one, nothing that looks for a
    layer's weights finds them.
    """
    for node in list(graph):
        source = node.inputs[0] if node.op_type == "Cast" and not node.domain else None
        if source is None or source.const_value is None or source in graph.inputs:
            continue
        (result,) = node.outputs
        wanted = node.attributes["to"].as_int() if "to" in node.attributes else None
        if wanted == source.const_value.dtype == ir.DataType.FLOAT and result not in graph.outputs:
            result.replace_all_uses_with(source)
            graph.remove(node, safe=True)


def _graphs(model: onnx.ModelProto) -> Iterator[Any]:
    yield model.graph
    for node in _nodes(model):
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield attribute.g
            yield from attribute.graphs


def _nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    waiting: list[Any] = [model.graph, *model.functions]
    while waiting:
        owner = waiting.pop()
        for node in owner.node:
            yield node
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    waiting.append(attribute.g)
                waiting.extend(attribute.graphs)


def _tensors(model: onnx.ModelProto) -> Iterator[TensorProto]:
    for graph in _graphs(model):
        yield from graph.initializer
    for node in _nodes(model):
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
