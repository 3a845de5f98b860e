"""What is known of a gradient beforehand, its closed form or that it is nothing: the steps are not differentiated."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from pixelgrad.exporters.autodiff.emitter import Emitter
from pixelgrad.exporters.autodiff.registry import Rule
from pixelgrad.exporters.opset18.attributes import operand

_DOMAIN, _CLOSED, _STOP = "pixelgrad", "ClosedForm", "StopGradient"
#: What :func:`stop_gradient` writes, as the tables of operators name it.
STOP = f"{_DOMAIN}.{_STOP}"


def closed_form(op: Emitter, value: ir.Value, x: ir.Value, gradient: ir.Value) -> ir.Value:
    """``value``, a scalar, as a function of ``x`` alone, with d value / d x = ``gradient`` in the shape of ``x``.

    The node that this writes is no ONNX operator: it lives until :func:`lower_closed_forms`, which ``finish`` calls.
    """
    return _mark(op, _CLOSED, value, x, gradient)


def stop_gradient(op: Emitter, value: ir.Value) -> ir.Value:
    """``value`` as if it were a constant: where what goes back through it is known to add up to nothing."""
    return _mark(op, _STOP, value)


def _mark(op: Emitter, name: str, value: ir.Value, *others: ir.Value) -> ir.Value:
    node = ir.node(name, [value, *others], domain=_DOMAIN, name=op.unique(f"{name}/{value.name}"))
    output = node.outputs[0]
    output.name, output.shape = op.unique(f"{value.name}/{name}"), value.shape
    output.dtype = value.dtype or ir.DataType.FLOAT
    op.graph.append(node)
    return output


def _known_gradient(op: Emitter, node: ir.Node, ct: ir.Value) -> Sequence[ir.Value | None]:
    return None, op.Mul(operand(node, 2), ct), None


#: The gradient rule, to be laid over the table of operators.
CLOSED_FORM = {f"{_DOMAIN}.{_CLOSED}": Rule(_known_gradient)}


def lower_closed_forms(graph: ir.Graph) -> None:
    """Leave of each, and of each stop, its value."""
    for node in graph:
        if node.domain == _DOMAIN and node.op_type in (_CLOSED, _STOP):
            node.op_type, node.domain = "Identity", ""
            node.resize_inputs(1)
