"""Reverse mode over ONNX graphs, in standard operators only.

>>> gradient_model = value_and_gradient(onnx.load("loss.onnx"), loss="loss", wrt="image")

Both functions take and return :class:`onnx.ModelProto`; any opset from 3 on is read, opset 18, IR 8, default
domain is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from pixelgrad.errors import NetworkError, SettingsError
from pixelgrad.exporters.autodiff import rules as _rules  # noqa: F401  (fills the table)
from pixelgrad.exporters.autodiff.closed_form import CLOSED_FORM, closed_form, lower_closed_forms, stop_gradient
from pixelgrad.exporters.autodiff.driver import append_gradient
from pixelgrad.exporters.autodiff.emitter import Emitter
from pixelgrad.exporters.autodiff.lowering import drop_identities, keep_dimensions, write_kernel_shapes
from pixelgrad.exporters.autodiff.registry import NON_DIFFERENTIABLE, RULES, Rule, RuleFunction, overlay, rule
from pixelgrad.exporters.handlers import handlers_heard
from pixelgrad.exporters.opset18 import from_opset18, to_opset18
from pixelgrad.exporters.opset18.shapes import is_floating, static_shape

__all__ = [
    "NON_DIFFERENTIABLE",
    "RULES",
    "Emitter",
    "Rule",
    "append_value_and_gradient",
    "closed_form",
    "rule",
    "stop_gradient",
    "value_and_gradient",
    "vjp",
]

Rules = Mapping[str, RuleFunction | Rule]


@handlers_heard()
def vjp(
    model: onnx.ModelProto,
    outputs: Sequence[str] | None = None,
    wrt: Sequence[str] | None = None,
    *,
    rules: Rules | None = None,
) -> onnx.ModelProto:
    """The vector-Jacobian product of ``model``.

    outputs: the outputs to pull back from; all floating-point outputs by default.
    wrt: the inputs to pull back to; all floating-point inputs by default.
    rules: gradient rules laid over the built-in table, by operator.

    Returns a model with the inputs and outputs of ``model`` plus an input ``cotangent_<output>`` for each of
    ``outputs`` and an output ``gradient_<input>`` for each of ``wrt``, the sum over outputs of
    cotangent . d output / d input, in the shape of the input; zero where there is no influence. Where the model
    has such a name already, being a gradient itself, ``_2`` is appended.

    Raises :class:`UnsupportedOperatorError` (every missing rule at once), :class:`NetworkError` for a graph that
    cannot be read, :class:`SettingsError` for a name that is not there.
    """
    table = overlay(rules)
    graph_model = to_opset18(model, primitives=table.keys() | NON_DIFFERENTIABLE)
    graph = graph_model.graph
    sources = _select(graph.outputs, outputs, "output")
    targets = _select(graph.inputs, wrt, "input")
    seeds: dict[ir.Value, ir.Value] = {}
    op = Emitter(graph)
    for source in sources:
        name = op.unique(f"cotangent_{source.name}")
        seeds[source] = ir.Value(name=name, shape=source.shape, type=ir.TensorType(_floating_dtype(source)))
        graph.inputs.append(seeds[source])
    gradients = append_gradient(graph, seeds, targets, table)
    _publish(graph, targets, gradients)
    return finish(graph_model)


@handlers_heard()
def value_and_gradient(
    model: onnx.ModelProto,
    loss: str | None = None,
    wrt: str | Sequence[str] | None = None,
    *,
    rules: Rules | None = None,
) -> onnx.ModelProto:
    """The value of a scalar and its gradient.

    loss: a tensor of ``model`` with one element; its only output by default. It becomes an output if it is none.
    wrt: one or more inputs; all floating-point inputs by default.
    rules: gradient rules laid over the built-in table, by operator.

    Returns a model with the inputs and outputs of ``model`` plus an output ``gradient_<input>`` for each of
    ``wrt``. Raises as :func:`vjp` does, and :class:`SettingsError` where ``loss`` is not a scalar.
    """
    graph_model = to_opset18(model, primitives=overlay(rules).keys() | NON_DIFFERENTIABLE)
    graph = graph_model.graph
    if loss is None:
        if len(graph.outputs) != 1:
            names = ", ".join(str(v.name) for v in graph.outputs)
            raise SettingsError(f"the model has several outputs ({names}); name the scalar to differentiate: loss=...")
        value = graph.outputs[0]
    else:
        named = {v.name: v for v in [*graph.inputs, *(o for node in graph for o in node.outputs)]}
        if loss not in named:
            raise SettingsError(f"the model has no tensor {loss!r} to take as the loss")
        value = named[loss]
    targets = _select(graph.inputs, [wrt] if isinstance(wrt, str) else wrt, "input")
    append_value_and_gradient(graph, value, targets, rules=rules)
    return finish(graph_model)


def append_value_and_gradient(
    graph: ir.Graph,
    loss: ir.Value,
    wrt: Sequence[ir.Value],
    *,
    rules: Rules | None = None,
    seed: ir.Value | None = None,
) -> list[ir.Value]:
    """:func:`value_and_gradient` in place, on an opset 18 graph with inferred shapes; returns the gradients.

    seed: what to multiply the gradients by, of the shape and type of ``loss``; one by default.
    """
    shape = static_shape(loss)
    if not is_floating(loss):
        raise SettingsError(f"the loss {loss.name!r} holds {loss.dtype}; a gradient needs floating point")
    if shape is None or int(np.prod(shape)) != 1:
        raise SettingsError(f"the loss {loss.name!r} has shape {loss.shape}; only a scalar has a gradient (use vjp)")
    if loss not in graph.outputs:
        graph.outputs.append(loss)
    one = Emitter(graph).const(np.ones(shape, dtype=_floating_dtype(loss).numpy()))
    gradients = append_gradient(graph, {loss: seed or one}, wrt, overlay({**CLOSED_FORM, **(rules or {})}))
    return _publish(graph, wrt, gradients)


def finish(model: ir.Model) -> onnx.ModelProto:
    """Drop what nothing needs and serialise; the result passes ``onnx.checker``."""
    lower_closed_forms(model.graph)
    drop_identities(model.graph)
    keep_dimensions(model.graph)
    write_kernel_shapes(model.graph)
    RemoveUnusedNodesPass()(model)
    return from_opset18(model)


def _select(values: Sequence[ir.Value], names: Sequence[str] | None, kind: str) -> list[ir.Value]:
    if names is None:
        return [value for value in values if is_floating(value)]
    by_name = {value.name: value for value in values}
    for name in names:
        if name not in by_name:
            raise SettingsError(f"the model has no {kind} {name!r}; it has {', '.join(map(repr, by_name))}")
        if not is_floating(by_name[name]):
            raise SettingsError(f"{kind} {name!r} holds {by_name[name].dtype}; a gradient needs floating point")
    return [by_name[name] for name in names]


def _floating_dtype(value: ir.Value) -> ir.DataType:
    if value.dtype is None:
        raise NetworkError(f"the type of tensor {value.name!r} is not known before the network runs")
    return value.dtype


def _publish(graph: ir.Graph, wrt: Sequence[ir.Value], gradients: Sequence[ir.Value | None]) -> list[ir.Value]:
    """Make each gradient a graph output named after its input."""
    op = Emitter(graph)
    published = []
    for value, gradient in zip(wrt, gradients, strict=True):
        if gradient is None:
            zero = op.const(np.zeros((), dtype=_floating_dtype(value).numpy()))
            output = op.expand_like(zero, value)
        else:
            # A node of its own, so that a name never has to move off a tensor that something else uses.
            output = op.Identity(gradient)
            output.shape = value.shape
        output.name = op.unique(f"gradient_{value.name}")
        output.dtype = _floating_dtype(value)
        graph.outputs.append(output)
        published.append(output)
    return published
