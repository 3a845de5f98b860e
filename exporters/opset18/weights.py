"""Adding constants to a graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir


def add_weight(graph: ir.Graph, name: str, array: np.ndarray[Any, Any], *, overridable: bool = False) -> ir.Value:
    """A new initializer. ``overridable``: it is an input as well, with the array as its default value."""
    tensor = ir.tensor(np.ascontiguousarray(array).reshape(array.shape), name=name)
    value = ir.Value(name=name, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype), const_value=tensor)
    if overridable:
        graph.inputs.append(value)
    graph.register_initializer(value)
    return value
