"""The nodes of an ONNX file in an order in which they can be computed, from what is in it."""

from __future__ import annotations

from collections.abc import Iterator, Set

import onnx

from pixelgrad.errors import NetworkError

__all__ = ["put_in_order"]


def put_in_order(graph: onnx.GraphProto, around: Set[str] = frozenset()) -> None:
    """Sort the nodes, where they are not yet, so that each comes after those that it uses.

    around: what the graphs provide that this one is a part of.
    Raises :class:`NetworkError` where a node uses what nothing provides, or what comes of itself.
    """
    known = set(around) | {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer} | {""}
    known |= {tensor.values.name for tensor in graph.sparse_initializer}
    nodes = list(graph.node)
    waiting = nodes
    made = {name for node in waiting for name in node.output}
    for node in waiting:
        for name in node.input:
            if name not in known and name not in made:
                raise NetworkError(f"node {_name(node)!r} uses {name!r}, which nothing in the file provides")
    ordered: list[onnx.NodeProto] = []
    while waiting:
        left = []
        for node in waiting:  # all, where they are in order, as they should be
            if all(name in known for name in node.input):
                known |= set(node.output)
                ordered.append(node)
            else:
                left.append(node)
        if len(left) == len(waiting):
            raise NetworkError(f"node {_name(left[0])!r} uses what is computed from its own output; export it again")
        waiting = left
    if any(one is not other for one, other in zip(ordered, nodes, strict=True)):
        copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in ordered]
        del graph.node[:]
        graph.node.extend(copies)
    for node in graph.node:
        for inner in _graphs(node):
            put_in_order(inner, known)


def _graphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield attribute.g
        elif attribute.type == onnx.AttributeProto.GRAPHS:
            yield from attribute.graphs


def _name(node: onnx.NodeProto) -> str:
    return node.name or (node.output[0] if node.output else node.op_type)
