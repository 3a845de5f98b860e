"""Matrices times vectors, written as matrices times matrices of one column.

ONNX Runtime 1.32 multiplies Transpose(x) of three dimensions by a vector of one dimension wrongly, and says nothing,
where it fuses the two; its own run without optimisations agrees with the standard. A column it multiplies as it should.
"""

from __future__ import annotations

import numpy as np

from pixelgrad.exporters.opset18.convert import Converter
from pixelgrad.exporters.opset18.shapes import dims

__all__ = ["columns_for_vectors"]


def columns_for_vectors(converter: Converter) -> bool:
    """Rewrite each such product, in place; whether there was one. Shapes must have been inferred."""
    is_changed = False
    for node in list(converter.graph):
        if node.op_type != "MatMul" or node.domain:
            continue
        matrix, vector = node.inputs
        if matrix is None or vector is None or matrix.shape is None or vector.shape is None:
            continue
        if len(dims(vector)) != 1 or len(dims(matrix)) < 2:
            continue
        axes = [converter.const(np.asarray([axis], np.int64)) for axis in (1, -1)]
        column = converter.before(node, "Unsqueeze", vector, axes[0])
        converter.become(node, "Squeeze", [converter.before(node, "MatMul", matrix, column), axes[1]])
        is_changed = True
    return is_changed
