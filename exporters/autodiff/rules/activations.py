"""Activation functions. Masks multiply: ONNX Runtime's Where takes three times as long."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from pixelgrad.exporters.autodiff.emitter import Emitter
from pixelgrad.exporters.autodiff.registry import rule
from pixelgrad.exporters.opset18.attributes import integer, number, operand, optional

Cotangents = Sequence[ir.Value | None]


@rule("Relu")
def relu(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    return op.Mul(ct, op.positive(node.outputs[0]))


def _piecewise(op: Emitter, x: ir.Value, below: ir.Value | float) -> ir.Value:
    """1 where x > 0, ``below`` elsewhere."""
    positive = op.positive(x)
    if isinstance(below, float) and 0 <= below <= 1:
        return op.Max(positive, below)
    return op.Add(positive, op.Mul(op.Sub(1.0, positive), below))


@rule("LeakyRelu")
def leaky_relu(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    return op.Mul(ct, _piecewise(op, operand(node), number(node, "alpha", 0.01)))


@rule("PRelu", broadcasts=True)
def p_relu(op: Emitter, node: ir.Node, ct: ir.Value) -> Cotangents:
    x, slope = operand(node), operand(node, 1)
    return op.Mul(ct, _piecewise(op, x, slope)), op.Mul(ct, op.Min(x, 0.0))


@rule("ThresholdedRelu")
def thresholded_relu(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    return op.Mul(ct, op.mask(op.Greater(operand(node), number(node, "alpha", 1.0)), ct))


@rule("Elu")
def elu(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    y = node.outputs[0]
    return op.Mul(ct, _piecewise(op, y, op.Add(y, number(node, "alpha", 1.0))))


@rule("Selu")
def selu(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    alpha, gamma = (
        number(node, "alpha", 1.67326319217681884765625),
        number(node, "gamma", 1.05070102214813232421875),
    )
    below = op.Add(op.Mul(node.outputs[0], 1 / gamma), alpha)
    return op.Mul(op.Mul(ct, gamma), _piecewise(op, node.outputs[0], below))


@rule("Sigmoid")
def sigmoid(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    y = node.outputs[0]
    return op.Mul(ct, op.Sub(y, op.Mul(y, y)))


@rule("Tanh")
def tanh(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    y = node.outputs[0]
    return op.Sub(ct, op.Mul(ct, op.Mul(y, y)))


@rule("HardSigmoid")
def hard_sigmoid(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    y = node.outputs[0]
    inside = op.mask(op.And(op.Greater(y, 0.0), op.Less(y, 1.0)), ct)
    return op.Mul(op.Mul(ct, number(node, "alpha", 0.2)), inside)


@rule("HardSwish")
def hard_swish(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    """x * h with h = HardSigmoid(x, 1/6, 1/2): h + x h'."""
    x = operand(node)
    inside = op.mask(op.Less(op.Abs(x), 3.0), ct)
    return op.Mul(ct, op.Add(op.HardSigmoid(x, alpha=1 / 6, beta=0.5), op.Mul(op.Mul(x, 1 / 6), inside)))


@rule("Softplus")
def softplus(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    return op.Mul(ct, op.Sigmoid(operand(node)))


@rule("Softsign")
def softsign(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    denominator = op.Add(op.Abs(operand(node)), 1.0)
    return op.Div(ct, op.Mul(denominator, denominator))


@rule("Clip")
def clip(op: Emitter, node: ir.Node, ct: ir.Value) -> Cotangents:
    """Where clipping changed nothing the gradient passes, the bounds included, as in PyTorch."""
    x, low, high = operand(node), optional(node, 1), optional(node, 2)
    bounds = [
        op.ReduceSum(op.Mul(ct, op.mask(outside(x, bound), ct)), keepdims=0) if op.needs(bound) else None
        for bound, outside in ((low, op.Less), (high, op.Greater))
    ]
    return op.Mul(ct, op.mask(op.Equal(x, node.outputs[0]), ct)), *bounds


@rule("Softmax")
def softmax(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    y, axis = node.outputs[0], integer(node, "axis", -1)
    weighted = op.Mul(ct, y)
    return op.Sub(weighted, op.Mul(y, op.ReduceSum(weighted, [axis], keepdims=1)))


@rule("LogSoftmax")
def log_softmax(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    axis = integer(node, "axis", -1)
    return op.Sub(ct, op.Mul(op.Exp(node.outputs[0]), op.ReduceSum(ct, [axis], keepdims=1)))
