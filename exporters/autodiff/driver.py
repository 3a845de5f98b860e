"""Reverse accumulation over a graph: everything about a gradient that is not an operator's own mathematics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx_ir as ir

from pixelgrad.errors import UnsupportedOperatorError
from pixelgrad.exporters.autodiff.closed_form import STOP
from pixelgrad.exporters.autodiff.emitter import Emitter
from pixelgrad.exporters.autodiff.registry import (
    NON_DIFFERENTIABLE,
    RULES,
    Rule,
    as_tuple,
    operator_name,
)
from pixelgrad.exporters.opset18.shapes import dims, is_floating

# Their whole numbers stand for others. Without a rule, that is to be said: a gradient of zero would be no answer.
_QUANTISED = frozenset({"ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul", "QuantizeLinear"})


def append_gradient(
    graph: ir.Graph, seeds: Mapping[ir.Value, ir.Value], wrt: Sequence[ir.Value], rules: Mapping[str, Rule]
) -> list[ir.Value | None]:
    """Append the nodes that carry the cotangents ``seeds`` back to ``wrt``.

    graph: topologically sorted, opset 18, with inferred shapes.
    seeds: value -> its cotangent, of the same shape and type.
    Returns the cotangent of each value of ``wrt``, ``None`` where it has no influence on the seeds' values.
    Raises :class:`UnsupportedOperatorError` that names every operator without a rule on the way.
    """
    active = _influenced_by(graph, wrt)
    path = _path(graph, seeds, active)
    _check_rules(path, rules)

    op = Emitter(graph, active)
    contributions: dict[ir.Value, list[ir.Value]] = {value: [seed] for value, seed in seeds.items()}

    def collect(value: ir.Value) -> ir.Value | None:
        """The cotangent of ``value``, once all of its uses have been visited."""
        parts = contributions.get(value)
        if not parts:
            return None
        for part in parts:
            if part.shape is None:
                part.shape = value.shape
        with op.named(f"cotangent/{value.name}"):
            while len(parts) > 1:
                parts[:] = [op.Add(parts[0], parts[1]), *parts[2:]]
        return parts[0]

    for node in reversed(path):
        cotangents = [collect(output) for output in node.outputs]
        rule = rules[operator_name(node)]
        if all(c is None for c in cotangents) or (cotangents[0] is None and not rule.every_output):
            continue
        with op.named(f"gradient/{node.outputs[0].name}"):
            argument = tuple(cotangents) if rule.every_output else cotangents[0]
            results = as_tuple(rule.function(op, node, argument))
            if any(result is not None for result in results[len(node.inputs) :]):
                raise RuntimeError(
                    f"the gradient rule of {node.op_type} returned {len(results)} cotangents for "
                    f"{len(node.inputs)} inputs"
                )
            # Optional inputs may be missing at the end, and so may the cotangents of the last inputs.
            for value, cotangent in zip(node.inputs, results, strict=False):
                if value is None or cotangent is None or value not in active:
                    continue
                if rule.broadcasts:
                    cotangent = op.sum_to(cotangent, dims(node.outputs[0]), value)
                contributions.setdefault(value, []).append(cotangent)
    return [collect(value) for value in wrt]


def _influenced_by(graph: ir.Graph, wrt: Sequence[ir.Value]) -> set[ir.Value]:
    """Every value that a change of ``wrt`` may change smoothly."""
    active = set(wrt)
    for node in graph:
        if operator_name(node) in NON_DIFFERENTIABLE or operator_name(node) == STOP:
            continue
        if any(value in active for value in node.inputs) or _captures(node, active):
            active.update(out for out in node.outputs if is_floating(out) or operator_name(node) in _QUANTISED)
    return active


def _captures(node: ir.Node, active: set[ir.Value]) -> bool:
    """Whether a subgraph of ``node`` (If, Loop, Scan) uses an active value."""
    return any(
        value in active
        for attribute in node.attributes.values()
        if attribute.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)
        for inner in ir.traversal.RecursiveGraphIterator(
            attribute.as_graph() if attribute.type == ir.AttributeType.GRAPH else attribute.as_graphs()[0]
        )
        for value in inner.inputs
        if value is not None
    )


def _path(graph: ir.Graph, seeds: Mapping[ir.Value, ir.Value], active: set[ir.Value]) -> list[ir.Node]:
    """The nodes between ``wrt`` and the seeds, in order."""
    wanted = {value for value in seeds if value in active}
    path = []
    for node in reversed(graph):
        if any(output in wanted for output in node.outputs):
            path.append(node)
            wanted.update(value for value in node.inputs if value is not None and value in active)
    path.reverse()
    return path


def _check_rules(path: Sequence[ir.Node], rules: Mapping[str, Rule]) -> None:
    missing: dict[str, ir.Node] = {}
    for node in path:
        name = operator_name(node)
        if name not in rules:
            missing.setdefault(name, node)
    if not missing:
        return
    version = path[0].graph.opset_imports.get("", 18) if path[0].graph is not None else 18
    listed = ", ".join(
        f"{name} (at tensor {node.outputs[0].name!r}, opset {version})" for name, node in sorted(missing.items())
    )
    raise UnsupportedOperatorError(
        f"no gradient rule for {len(missing)} operator{'s' if len(missing) > 1 else ''} between the image and the "
        f"loss: {listed}. Supported: {', '.join(sorted(RULES))}. Choose an earlier layer, rewrite these nodes, or "
        "pass rules={'NAME': rule} (docs/operators.md shows how a rule is written)",
        sorted(missing),
    )
