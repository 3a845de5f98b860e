"""Masks, which are of the image, at the positions of a layer."""

from __future__ import annotations

import onnx_ir as ir

from pixelgrad.exporters.autodiff import Emitter
from pixelgrad.exporters.networks import Span
from pixelgrad.exporters.objectives.assembly import FLOAT
from pixelgrad.exporters.objectives.terms import TINY, counted, length_of

__all__ = ["position_weights"]


def position_weights(
    op: Emitter, name: str, features: ir.Value, image: ir.Value, spans: tuple[Span, Span] | None
) -> ir.Value:
    """The mask input ``name``, of any size, fitted to the layer: [1, 1, positions], of mean 1.

    Each position takes the mask where the middle of its field is in the image, interpolated linearly between the
    middles of pixels. spans: where that is; ``None`` for a layer whose positions divide the image evenly.
    """
    graph = op.graph
    mask = next((value for value in graph.inputs if value.name == name), None)
    if mask is None:
        mask = ir.Value(name=name, shape=ir.Shape([1, 1, f"{name}.height", f"{name}.width"]), type=FLOAT)
        graph.inputs.append(mask)
    if spans is None or all(span.middle == span.stride / 2 for span in spans):
        sizes = op.Concat(op.value([1, 1]), op.Shape(features, start=2), axis=0)
        fitted = op.Resize(mask, None, None, sizes, mode="linear")
    else:
        rows, columns = (_sampled(op, mask, features, image, axis, span) for axis, span in enumerate(spans, 2))
        fitted = op.MatMul(op.MatMul(rows, mask), op.Transpose(columns, perm=[1, 0]))
    fitted = op.Reshape(fitted, [1, 1, -1])
    weights = op.Div(fitted, op.Clip(op.ReduceMean(fitted, keepdims=0), TINY))
    weights.shape = ir.Shape([1, 1, None])
    return weights


def _sampled(op: Emitter, mask: ir.Value, features: ir.Value, image: ir.Value, axis: int, span: Span) -> ir.Value:
    """[positions, pixels of the mask] along an axis: what share each pixel has in each position."""
    length = length_of(op, mask, axis)
    pixels, across = (op.Cast(n, to=ir.DataType.FLOAT) for n in (length, length_of(op, image, axis)))
    middles = op.Add(op.Mul(counted(op, length_of(op, features, axis)), float(span.stride)), float(span.middle))
    places = op.Sub(op.Mul(middles, op.Div(pixels, across)), 0.5)
    places = op.Min(op.Relu(places), op.Sub(pixels, 1.0))
    away = op.Abs(op.Sub(op.Reshape(places, [-1, 1]), op.Reshape(counted(op, length), [1, -1])))
    return op.Relu(op.Sub(1.0, away))
