"""Sparse tensors of a model, written out: few networks have any, and nothing behind this reads them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import numpy_helper

__all__ = ["without_sparse"]


def without_sparse(model: onnx.ModelProto) -> onnx.ModelProto:
    """``model`` itself where it has no sparse tensors, else a copy with dense ones in their place."""
    graphs = [model.graph, *(function for function in model.functions)]
    constants = [attribute for graph in graphs for attribute in _sparse_values(graph)]
    if not constants and not model.graph.sparse_initializer:
        return model
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for graph in (copy.graph, *copy.functions):
        for attribute in list(_sparse_values(graph)):
            dense = _dense(attribute.sparse_tensor)
            attribute.CopyFrom(onnx.helper.make_attribute("value", dense))
    copy.graph.initializer.extend(map(_dense, copy.graph.sparse_initializer))
    del copy.graph.sparse_initializer[:]
    return copy


def _sparse_values(graph: onnx.GraphProto | onnx.FunctionProto) -> Iterator[onnx.AttributeProto]:
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name == "sparse_value":
                yield attribute
            elif attribute.type == onnx.AttributeProto.GRAPH:
                yield from _sparse_values(attribute.g)


def _dense(sparse: onnx.SparseTensorProto) -> onnx.TensorProto:
    """Indices count the elements, or name one along each axis."""
    values, indices = numpy_helper.to_array(sparse.values), numpy_helper.to_array(sparse.indices)
    dense = np.zeros(tuple(sparse.dims), dtype=values.dtype)
    if indices.ndim == 1:
        dense.reshape(-1)[indices] = values
    else:
        dense[tuple(indices.T)] = values
    return numpy_helper.from_array(dense, sparse.values.name)
