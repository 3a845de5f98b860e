"""What a layer sees, made stronger: the terms of DeepDream and of feature visualisation."""

from __future__ import annotations

import onnx_ir as ir

from pixelgrad.exporters.autodiff import Emitter
from pixelgrad.exporters.objectives.terms import Term, scalar
from pixelgrad.exporters.opset18.shapes import dims, rank

# How much of the softmax's normaliser is held against a class: less than all of it, so that it never saturates.
RIVALS_WEIGHT = 0.9


class Activation(Term):
    """Minus the mean over positions of direction . features, for a given direction over the channels.

    The direction, ``target.<name>`` [N, C], is the caller's: one-hot for a channel (Erhan et al. 2009) or, at the
    logits, a class (Simonyan, Vedaldi & Zisserman 2014, equation 1), anything else for a mixture. So one artifact
    serves every channel of a layer.
    """

    def given(self, features: ir.Value) -> ir.Shape:
        return ir.Shape(dims(features)[:2])

    def loss(self, op: Emitter, features: ir.Value, target: ir.Value | None) -> ir.Value:
        assert target is not None
        spatial = list(range(2, rank(features)))
        means = op.ReduceMean(features, op.value(spatial), keepdims=0) if spatial else features
        return scalar(op, op.Neg(op.ReduceSum(op.Mul(means, target), keepdims=1)))


class Rivals(Term):
    """log sum exp of the scores: what a softmax would hold against a score, summed over the images."""

    def loss(self, op: Emitter, features: ir.Value, target: ir.Value | None) -> ir.Value:
        scores = op.Reshape(features, [0, -1])
        scores.shape = ir.Shape(dims(features)[:2])
        return op.ReduceSum(op.ReduceLogSumExp(scores, [1], keepdims=0), keepdims=0)
