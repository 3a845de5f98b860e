"""Shapes as symbolic expressions of the input's free sizes, by the onnx-shape-inference library."""

from __future__ import annotations

import logging
import re

import onnx_ir as ir
from onnx_shape_inference import ShapeInferenceError, infer_symbolic_shapes

from pixelgrad.errors import NetworkError

logging.getLogger("onnx_shape_inference").setLevel(logging.ERROR)


def infer_shapes(model: ir.Model) -> None:
    """Fill in the type and shape of every value of ``model``, in place.

    Free dimensions of inputs that have no name get one first, so that what is computed from them can be compared.
    Raises :class:`NetworkError` where the graph contradicts itself.
    """
    for value in model.graph.inputs:
        if value.shape is None:
            continue
        for axis, dim in enumerate(value.shape):
            if isinstance(dim, ir.SymbolicDim) and dim.value is None:
                value.shape[axis] = re.sub(r"\W", "_", f"size_{value.name}_{axis}")
    try:
        infer_symbolic_shapes(model, warn_on_missing=False)
    except (ShapeInferenceError, ValueError) as error:
        raise NetworkError(f"the shapes in the network do not fit together: {error}") from error
