"""Arithmetic, element by element, with broadcasting."""

from __future__ import annotations

import math
from collections.abc import Sequence

import onnx_ir as ir

from pixelgrad.exporters.autodiff.emitter import Emitter
from pixelgrad.exporters.autodiff.registry import rule
from pixelgrad.exporters.opset18.attributes import operand
from pixelgrad.exporters.opset18.shapes import constant

Cotangents = Sequence[ir.Value | None]


@rule("Add", broadcasts=True)
def add(op: Emitter, node: ir.Node, ct: ir.Value) -> Cotangents:
    return ct, ct


@rule("Sub", broadcasts=True)
def sub(op: Emitter, node: ir.Node, ct: ir.Value) -> Cotangents:
    return ct, op.Neg(ct) if op.needs(operand(node, 1)) else None


@rule("Mul", broadcasts=True)
def mul(op: Emitter, node: ir.Node, ct: ir.Value) -> Cotangents:
    a, b = operand(node), operand(node, 1)
    if a is b:
        return (op.Mul(op.Mul(ct, 2.0), a),)
    return tuple(op.Mul(ct, other) if op.needs(value) else None for value, other in ((a, b), (b, a)))


@rule("Div", broadcasts=True)
def div(op: Emitter, node: ir.Node, ct: ir.Value) -> Cotangents:
    b = operand(node, 1)
    quotient = op.Div(ct, b)
    return quotient, op.Neg(op.Mul(quotient, node.outputs[0])) if op.needs(b) else None


@rule("Pow", broadcasts=True)
def power(op: Emitter, node: ir.Node, ct: ir.Value) -> Cotangents:
    x, exponent = operand(node), operand(node, 1)
    fixed = constant(exponent)
    if fixed is not None and fixed.size == 1:
        known = float(fixed.reshape(()))
        if known == 0:
            return (None,)
        raised = x if known == 2 else op.Pow(x, known - 1)
        return (op.Mul(op.Mul(ct, known), raised) if known != 1 else ct,)
    p = exponent if exponent.dtype == x.dtype else op.Cast(exponent, to=int(x.dtype or ir.DataType.FLOAT))
    to_exponent = None
    if op.needs(exponent):
        # d x^p / dp = x^p log x, which tends to 0 where x does; elsewhere a negative base has no such gradient.
        base = op.Where(op.Greater(x, 0.0), x, 1.0)
        to_exponent = op.Mul(ct, op.Mul(node.outputs[0], op.Log(base)))
    # Where p is 0 the power stays 0: p x^(p - 1) would be 0 times infinity at the origin.
    lowered = op.Sub(p, op.mask(op.Not(op.Equal(p, 0.0)), p))
    return op.Mul(op.Mul(ct, p), op.Pow(x, lowered)), to_exponent


@rule("Mod", broadcasts=True)
def mod(op: Emitter, node: ir.Node, ct: ir.Value) -> Cotangents:
    """a - b q, of whole numbers q."""
    a, b = operand(node), operand(node, 1)
    if not op.needs(b):
        return (ct,)
    whole = op.Round(op.Div(op.Sub(a, node.outputs[0]), b))
    return ct, op.Neg(op.Mul(ct, whole))


@rule("Max", "Min", broadcasts=True)
def extremum(op: Emitter, node: ir.Node, ct: ir.Value) -> Cotangents:
    """Shared evenly where several inputs are extreme, as PyTorch does."""
    if len(node.inputs) == 1:
        return (ct,)
    masks = [op.mask(op.Equal(x, node.outputs[0]), ct) for x in node.inputs]
    count = masks[0]
    for other in masks[1:]:
        count = op.Add(count, other)
    share = op.Div(ct, count)
    return tuple(op.Mul(share, mask) for mask in masks)


@rule("Sum", broadcasts=True)
def sum_(op: Emitter, node: ir.Node, ct: ir.Value) -> Cotangents:
    return (ct,) * len(node.inputs)


@rule("Mean", broadcasts=True)
def mean(op: Emitter, node: ir.Node, ct: ir.Value) -> Cotangents:
    return (op.Mul(ct, 1 / len(node.inputs)),) * len(node.inputs)


@rule("Where", broadcasts=True)
def where(op: Emitter, node: ir.Node, ct: ir.Value) -> Cotangents:
    condition, a, b = (operand(node, index) for index in range(3))
    return (
        None,
        op.Where(condition, ct, 0.0) if op.needs(a) else None,
        op.Where(condition, op.Mul(ct, 0.0), ct) if op.needs(b) else None,
    )


@rule("Neg")
def neg(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    return op.Neg(ct)


@rule("Abs")
def abs_(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    return op.Mul(ct, op.sign(operand(node)))


@rule("Exp")
def exp(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    return op.Mul(ct, node.outputs[0])


@rule("Log")
def log(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    return op.Div(ct, operand(node))


@rule("Sqrt")
def sqrt(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    return op.Div(op.Mul(ct, 0.5), node.outputs[0])


@rule("Reciprocal")
def reciprocal(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    y = node.outputs[0]
    return op.Neg(op.Mul(ct, op.Mul(y, y)))


@rule("Erf")
def erf(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    x = operand(node)
    return op.Mul(op.Mul(ct, 2 / math.sqrt(math.pi)), op.Exp(op.Neg(op.Mul(x, x))))


@rule("Sin")
def sin(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    return op.Mul(ct, op.Cos(operand(node)))


@rule("Cos")
def cos(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    return op.Neg(op.Mul(ct, op.Sin(operand(node))))


@rule("Tan")
def tan(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    y = node.outputs[0]
    return op.Mul(ct, op.Add(op.Mul(y, y), 1.0))


@rule("Asin")
def asin(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    x = operand(node)
    return op.Div(ct, op.Sqrt(op.Sub(1.0, op.Mul(x, x))))


@rule("Acos")
def acos(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    return op.Neg(asin(op, node, ct))


@rule("Atan")
def atan(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    x = operand(node)
    return op.Div(ct, op.Add(op.Mul(x, x), 1.0))


@rule("Sinh")
def sinh(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    return op.Mul(ct, op.Cosh(operand(node)))


@rule("Cosh")
def cosh(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    return op.Mul(ct, op.Sinh(operand(node)))


@rule("Asinh")
def asinh(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    x = operand(node)
    return op.Div(ct, op.Sqrt(op.Add(op.Mul(x, x), 1.0)))


@rule("Acosh")
def acosh(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    x = operand(node)
    return op.Div(ct, op.Sqrt(op.Sub(op.Mul(x, x), 1.0)))


@rule("Atanh")
def atanh(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    x = operand(node)
    return op.Div(ct, op.Sub(1.0, op.Mul(x, x)))
