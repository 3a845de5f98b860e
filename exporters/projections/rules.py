"""Ways to carry an activation down to the pixels, as rules laid over the table of gradients.

All of them take the adjoint of every linear layer (the transposed filters of a convolution, the parts of a Concat)
and send a max pooling's signal to its switches; they differ at the rectifiers:

============  ==================================  ==============================================
rule          at a ReLU                           from
============  ==================================  ==============================================
deconvnet     the signal's positive part          Zeiler & Fergus 2013, section 2.1
gradient      where the ReLU was open             Simonyan, Vedaldi & Zisserman 2014, section 3
guided        the positive part, where it was     Springenberg et al. 2015, figure 1
============  ==================================  ==============================================

``deconvnet`` passes local response normalisation (LRN, or the same written out) as if it were not there: the paper
inverts filtering, rectifying and pooling, and has no inverse for contrast normalisation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx_ir as ir

from pixelgrad.exporters.autodiff import RULES, Emitter
from pixelgrad.exporters.autodiff.registry import Rule, RuleFunction, as_tuple
from pixelgrad.exporters.autodiff.rules.pooling import global_max_pool_by_switches, max_pool_by_switches
from pixelgrad.exporters.opset18.attributes import operand
from pixelgrad.exporters.opset18.shapes import constant

__all__ = ["PROJECTION_RULES"]

# What counts as a ReLU: it passes what is above zero and holds back, more or less, what is below.
_RECTIFIERS = ("Relu", "LeakyRelu", "PRelu", "ThresholdedRelu", "Elu", "Selu", "Clip")
_SWITCHES: dict[str, RuleFunction | Rule] = {
    "MaxPool": max_pool_by_switches,
    "GlobalMaxPool": global_max_pool_by_switches,
}


def _is_rectifier(node: ir.Node) -> bool:
    """Clip is one from 0 up (ReLU6), not between other bounds."""
    if node.op_type != "Clip":
        return True
    low = constant(node.inputs[1]) if len(node.inputs) > 1 else None
    return low is not None and float(low) == 0.0


def _deconvnet(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value | None:
    if not _is_rectifier(node):
        return _first(RULES[node.op_type], op, node, ct)
    return _positive(op, ct)


def _guided(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value | None:
    return _first(RULES[node.op_type], op, node, _positive(op, ct) if _is_rectifier(node) else ct)


def _first(rule: Rule, op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value | None:
    """The built-in rule's cotangent of the first input."""
    return as_tuple(rule.function(op, node, ct))[0]


def _positive(op: Emitter, ct: ir.Value) -> ir.Value:
    positive = op.Relu(ct)
    positive.shape = ct.shape
    return positive


def _pass(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    return ct


def _mul(op: Emitter, node: ir.Node, ct: ir.Value) -> Sequence[ir.Value | None]:
    """Past a normalisation that is written out, x * (1 + alpha mean(x^2))^-beta, as past LRN."""
    a, b = (operand(node, index) for index in (0, 1))
    for contrast, passed in ((b, (ct, None)), (a, (None, ct))):
        if _is_contrast(contrast, a if contrast is b else b):
            return passed
    return as_tuple(RULES[node.op_type].function(op, node, ct))


def _div(op: Emitter, node: ir.Node, ct: ir.Value) -> Sequence[ir.Value | None]:
    if _is_contrast(operand(node, 1), operand(node)):
        return ct, None
    return as_tuple(RULES[node.op_type].function(op, node, ct))


_ON_THE_WAY = {"Pow", "Sqrt", "Reciprocal", "Add", "Mul", "Div", "Pad", "Unsqueeze", "Squeeze", "Reshape", "Transpose"}
_MEANS = {"AveragePool", "ReduceMean", "ReduceSum"}


def _is_contrast(value: ir.Value | None, x: ir.Value) -> bool:
    """Whether ``value`` is the contrast around ``x``: a power of the mean of its squares over a neighbourhood."""
    averaged = False
    while value is not None and (node := value.producer()) is not None:
        inputs = [v for v in node.inputs if v is not None]
        if _is_square(node, x):
            return averaged
        averaged |= node.op_type in _MEANS
        if node.op_type not in _ON_THE_WAY | _MEANS:
            return False
        # The other operand of a sum or a product is a constant: alpha, k, beta.
        value = next((v for v in inputs if v.const_value is None), None)
    return False


def _is_square(node: ir.Node, x: ir.Value) -> bool:
    if node.op_type == "Mul":
        return all(v is x for v in node.inputs)
    exponent = constant(node.inputs[1]) if node.op_type == "Pow" else None
    return exponent is not None and node.inputs[0] is x and float(exponent.reshape(-1)[0]) == 2.0


PROJECTION_RULES: Mapping[str, Mapping[str, RuleFunction | Rule]] = {
    "deconvnet": {
        **_SWITCHES,
        **dict.fromkeys(_RECTIFIERS, _deconvnet),
        "LRN": _pass,
        "Mul": Rule(_mul, broadcasts=True),
        "Div": Rule(_div, broadcasts=True),
    },
    "gradient": _SWITCHES,
    "guided": {**_SWITCHES, **dict.fromkeys(_RECTIFIERS, _guided)},
}
