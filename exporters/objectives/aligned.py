"""A direction among the channels of a layer, followed: what a position of a picture says, not one channel of it."""

from __future__ import annotations

import onnx_ir as ir

from pixelgrad.exporters.autodiff import Emitter
from pixelgrad.exporters.objectives.activations import Activation
from pixelgrad.exporters.objectives.terms import TINY, scalar
from pixelgrad.exporters.objectives.waking import at_centre, before_rectifiers
from pixelgrad.exporters.opset18.shapes import dims, rank

# Below this cosine a direction is followed all the same: at nought it would have no gradient.
_LEAST = 0.1


class Aligned(Activation):
    """Minus (d . f) cos(d, f)^2 for the features f at the centre position and a direction d, taken at length one.

    (h . v)^(n+1) / (|h| |v|)^n with n = 2 (Carter et al. 2019, "Activation Atlas"). The dot product alone is raised by
    whatever excites the strongest channels of a direction, the cosine alone by next to nothing. Where nothing of it
    responds, features are as before the rectifier, as in :class:`WakingUnit`.
    """

    def loss(self, op: Emitter, features: ir.Value, target: ir.Value | None) -> ir.Value:
        assert target is not None
        unit = op.Div(target, _length(op, target))
        unit.shape = target.shape
        before, features = before_rectifiers(op, features), _vectors(op, features, target)
        product = _product(op, features, unit)
        cosine = op.Clip(op.Div(product, _length(op, features)), _LEAST)
        followed = op.Mul(product, op.Mul(cosine, cosine))
        if before is not None:
            asleep = op.Sub(1.0, op.mask(op.Greater(product, 0.0), product))
            followed = op.Add(followed, op.Mul(_product(op, _vectors(op, before, target), unit), asleep))
        return scalar(op, op.Neg(op.ReduceSum(followed, keepdims=1)))


def _vectors(op: Emitter, features: ir.Value, like: ir.Value) -> ir.Value:
    """[N, C]: those at the centre, where there are positions."""
    if rank(features) == 2:
        return features
    vectors = op.Reshape(at_centre(op, features), [0, -1])
    vectors.shape = like.shape
    return vectors


def _product(op: Emitter, vectors: ir.Value, unit: ir.Value) -> ir.Value:
    """[N, 1]."""
    product = op.ReduceSum(op.Mul(vectors, unit), [1], keepdims=1)
    product.shape = ir.Shape([dims(unit)[0], 1])
    return product


def _length(op: Emitter, vectors: ir.Value) -> ir.Value:
    """[N, C] -> [N, 1]. No ReduceL2, which CoreML lacks."""
    squares = op.ReduceSum(op.Mul(vectors, vectors), [1], keepdims=1)
    return op.Sqrt(op.Add(squares, TINY))
