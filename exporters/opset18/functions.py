"""Operators that ONNX defines as functions of simpler ones (Gelu, Mish, GroupNormalization, ...), written out."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any

import onnx
import onnx_ir as ir
from onnx_ir.passes.common import InlinePass

from pixelgrad.exporters.opset18.affine_grid import affine_grid
from pixelgrad.exporters.opset18.inference import infer_shapes
from pixelgrad.exporters.opset18.shapes import is_floating

_TARGET = 18


def expand_functions(model: ir.Model, opset: int, primitives: Container[str]) -> None:
    """Replace each node that is no primitive but has a standard function body by that body, in place.

    ``opset`` is the version that the nodes were written for; bodies are taken at the oldest version that serves.
    """
    for _ in range(4):  # a body may use another function
        nodes = ir.traversal.RecursiveGraphIterator(model.graph)
        waiting = [n for n in nodes if n.domain == "" and not _stays(n, primitives) and _has_body(n, opset)]
        if not waiting:
            return
        model.graph.opset_imports[""] = max(opset, _TARGET)
        infer_shapes(model)  # bodies may depend on the types of their inputs
        for node in waiting:
            if _stays(node, primitives):  # as its type says
                continue
            function = _body(node, opset)
            if function is None:
                continue
            overload = f"expand{len(model.functions)}"
            node.domain, node.overload = "pixelgrad.expand", overload
            model.functions[(node.domain, node.op_type, overload)] = ir.Function(
                node.domain,
                node.op_type,
                overload,
                graph=function.graph,
                attributes=list(function.attributes.values()),
            )
        for expanded in model.functions.values():
            expanded.opset_imports[""] = max(opset, _TARGET)
        model.graph.opset_imports.pop("pixelgrad.expand", None)
        InlinePass(lambda f: f.domain == "pixelgrad.expand")(model)
        opset = max(opset, _TARGET)


def _stays(node: ir.Node, primitives: Container[str]) -> bool:
    """Whether it is a primitive of which only the first output is used: of LayerNormalization's others, only the body
    knows a gradient. So is a range of whole numbers, which has none, and whose body is a loop.
    """
    if node.op_type == "Range" and not is_floating(node.outputs[0]):
        return True
    others = node.outputs[1:] if node.op_type == "LayerNormalization" else ()
    return node.op_type in primitives and not any(value.uses() or value.is_graph_output() for value in others)


def _schema(node: ir.Node, opset: int) -> Any:
    """The operator's ``onnx.defs.OpSchema`` (whose stubs lack its function bodies), ``None`` if there is none."""
    try:
        return onnx.defs.get_schema(node.op_type, opset, "")
    except onnx.defs.SchemaError:
        return None


def _has_body(node: ir.Node, opset: int) -> bool:
    schema = _schema(node, opset)
    return schema is not None and bool(schema.has_function or schema.has_context_dependent_function)


def _body(node: ir.Node, opset: int) -> ir.Function | None:
    schema = _schema(node, max(opset, _TARGET)) or _schema(node, opset)
    assert schema is not None
    for name, default in schema.attributes.items():
        if name not in node.attributes and default.default_value.type != onnx.AttributeProto.UNDEFINED:
            node.attributes[name] = ir.serde.deserialize_attribute(default.default_value)
    if node.op_type == "AffineGrid" and (written := affine_grid(node, max(opset, _TARGET))) is not None:
        return written
    if schema.has_function:
        text = schema.get_function_with_opset_version(_nearest(schema.function_opset_versions))
        proto = onnx.FunctionProto.FromString(text)
    else:
        types = []
        for value in node.inputs:
            kind = onnx.TypeProto()
            if value is not None and value.dtype is not None:
                kind.tensor_type.elem_type = int(value.dtype)
            types.append(kind.SerializeToString())
        version = _nearest(schema.context_dependent_function_opset_versions)
        text = schema.get_context_dependent_function_with_opset_version(
            version, ir.to_proto(node).SerializeToString(), types
        )
        if not text:
            return None
        proto = onnx.FunctionProto.FromString(text)
    del proto.output[len(node.outputs) :]  # optional ones that nobody asked for, which the body may not compute
    made = {*proto.input, *(name for inner in proto.node for name in inner.output)}
    for index, name in enumerate(proto.output):
        if not name or name not in made:  # likewise, with others behind it
            proto.output[index] = name or f"unasked_{index}"
            node.outputs[index].name = node.outputs[index].name or f"{node.outputs[0].name}/unasked_{index}"
            proto.node.append(onnx.helper.make_node("Constant", [], [proto.output[index]], value_int=0))
    function = ir.from_proto(proto)
    assert isinstance(function, ir.Function)
    return function


def _nearest(versions: Iterable[int]) -> int:
    """The version of a body that is written for opset 18, or for the oldest one after it."""
    known = sorted(versions)
    return max((v for v in known if v <= _TARGET), default=known[0])
