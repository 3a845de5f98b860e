"""Old and new forms of operators, rewritten as opset 18 has them.

One function per operator whose form changed, applied to every node. What an operator lost or gained between
opsets is in ``onnx.defs``; operators not named here changed at most the types that they take.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.opset18.attributes import integer, integers, number, numbers, text
from pixelgrad.exporters.opset18.ranks import rank_of_output
from pixelgrad.exporters.opset18.weights import add_weight

Conversion = Callable[["Converter", ir.Node], None]
_CONVERSIONS: dict[str, tuple[int, Conversion]] = {}


def _before(opset: int, *operators: str) -> Callable[[Conversion], Conversion]:
    """The decorated function converts ``operators`` of models older than ``opset``."""

    def register(function: Conversion) -> Conversion:
        for operator in operators:
            _CONVERSIONS[operator] = (opset, function)
        return function

    return register


def convert_nodes(graph: ir.Graph, opset: int) -> None:
    """Rewrite every node of ``graph`` and its subgraphs from ``opset`` to 18, in place.

    Raises :class:`NetworkError` that names operator, tensor and opset where there is no opset 18 form.
    """
    converter = Converter(graph, opset)
    for node in list(graph):
        for attribute in node.attributes.values():
            if attribute.type == ir.AttributeType.GRAPH:
                convert_nodes(attribute.as_graph(), opset)
        if node.domain:
            continue
        known = rank_of_output(node, converter.ranks)
        converter.ranks.update({} if known is None else dict.fromkeys(node.outputs, known))
        converter.note_type(node)
        if opset < 6:
            node.attributes.pop("consumed_inputs", None)
        until, conversion = _CONVERSIONS.get(node.op_type, (0, None))
        if conversion is not None and opset < until:
            conversion(converter, node)
        elif opset > 18:
            _lower(node, opset)


class Converter:
    """The graph being rewritten, the opset it was written for, and the ranks known so far."""

    def __init__(self, graph: ir.Graph, opset: int) -> None:
        self.graph, self.opset = graph, opset
        self.ranks: dict[ir.Value, int] = {
            v: v.shape.rank() for v in [*graph.inputs, *graph.initializers.values()] if v.shape is not None
        }
        self._types = {v: v.dtype for v in [*graph.inputs, *graph.initializers.values()] if v.dtype is not None}
        self._count = 0
        self._names = {value.name for node in graph for value in node.outputs} | set(graph.initializers)
        self._uses: dict[str, int] = {}

    def const(self, array: Any) -> ir.Value:
        array = np.asarray(array)
        while f"opset18/constant_{self._count}" in self.graph.initializers:
            self._count += 1
        value = add_weight(self.graph, f"opset18/constant_{self._count}", array)
        self.ranks[value] = array.ndim
        return value

    def before(self, node: ir.Node, op_type: str, *inputs: ir.Value, **attributes: Any) -> ir.Value:
        """A new node in front of ``node``, by whose output it is named; its output."""
        new = ir.node(op_type, inputs, attributes=attributes)
        name = base = f"{node.outputs[0].name}/{op_type}"
        while name in self._names:
            self._uses[base] = self._uses.get(base, 1) + 1
            name = f"{base}_{self._uses[base]}"
        self._names.add(name)
        new.name = new.outputs[0].name = name
        node.prepend(new)
        return new.outputs[0]

    def become(self, node: ir.Node, op_type: str, inputs: Sequence[ir.Value | None], **attributes: Any) -> None:
        """Turn ``node`` into another operator; what used its first output goes on doing so."""
        node.op_type = op_type
        node.resize_inputs(len(inputs))
        for index, value in enumerate(inputs):
            node.replace_input_with(index, value)
        node.attributes.clear()
        for name, value in attributes.items():
            if value is not None:
                node.attributes[name] = ir.convenience.convert_attribute(name, value)

    def set_input(self, node: ir.Node, index: int, value: ir.Value) -> None:
        if len(node.inputs) <= index:
            node.resize_inputs(index + 1)
        node.replace_input_with(index, value)

    def attribute_to_input(self, node: ir.Node, name: str, index: int, default: Sequence[int] | None = None) -> None:
        values = integers(node, name, default)
        node.attributes.pop(name, None)
        if values is not None:
            self.set_input(node, index, self.const(np.asarray(values, dtype=np.int64)))

    def rank(self, value: ir.Value | None, node: ir.Node) -> int:
        if value is None or value not in self.ranks:
            raise self.error(node, "its input's rank is not known")
        return self.ranks[value]

    def error(self, node: ir.Node, why: str) -> NetworkError:
        return _error(node, self.opset, why)

    def number(self, value: float | np.ndarray[Any, Any], like: ir.Value | None) -> ir.Value:
        """A constant of the floating type of ``like``, which the operators that it is for want all of."""
        found = None if like is None else self._types.get(like, like.dtype)
        kind = found if found is not None and found.is_floating_point() else ir.DataType.FLOAT
        return self.const(np.asarray(value, dtype=kind.numpy()))

    def note_type(self, node: ir.Node) -> None:
        """Types, as far as the floating constants of the oldest models need them."""
        to = node.attributes.get("to")
        if to is not None:
            by_name = to.type == ir.AttributeType.STRING
            found: ir.DataType | None = ir.DataType[to.as_string()] if by_name else ir.DataType(to.as_int())
        else:
            known = (self._types.get(v, v.dtype) for v in node.inputs if v is not None)
            found = next((kind for kind in known if kind is not None and kind.is_floating_point()), None)
        if found is not None and node.outputs:
            self._types.update(dict.fromkeys(node.outputs, found))


def _error(node: ir.Node, opset: int, why: str) -> NetworkError:
    output = node.outputs[0].name if node.outputs else ""
    return NetworkError(f"{node.op_type} (at tensor {output!r}, opset {opset}) has no opset 18 form: {why}")


def _lower(node: ir.Node, opset: int) -> None:
    """A node of a newer opset: the same form where it uses nothing that opset 18 lacks."""
    try:
        schema = onnx.defs.get_schema(node.op_type, 18, "")
    except onnx.defs.SchemaError:
        return  # a newer operator: written out as a function, or reported where a gradient is asked for
    if node.op_type in {"Cast", "CastLike"}:
        node.attributes.pop("saturate", None)  # these concern 8-bit floats only
        node.attributes.pop("round_mode", None)
    if node.op_type == "AveragePool" and set(integers(node, "dilations") or [1]) == {1}:
        node.attributes.pop("dilations", None)
    if node.op_type == "GridSample":
        mode = text(node, "mode", "linear")
        node.attributes["mode"] = ir.AttrString("mode", {"linear": "bilinear", "cubic": "bicubic"}.get(mode, mode))
    if node.op_type == "GroupNormalization":
        return  # per-channel scale since 21: written out as a function
    for name in node.attributes:
        if name not in schema.attributes:
            raise _error(node, opset, f"attribute {name!r} is newer")
    if node.op_type == "Resize" and text(node, "coordinate_transformation_mode", "") == "half_pixel_symmetric":
        raise _error(node, opset, "coordinate mode 'half_pixel_symmetric' is newer")


@_before(7, "Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Xor", "Equal", "Greater", "Less")
def _old_broadcast(c: Converter, node: ir.Node) -> None:
    """Before opset 7 the second input was aligned at ``axis``, not at the end."""
    axis = node.attributes.pop("axis", None)
    if node.attributes.pop("broadcast", None) is None or axis is None:
        return
    first, second = node.inputs[0], node.inputs[1]
    assert second is not None
    ndim, own = c.rank(first, node), c.rank(second, node)
    start = axis.as_int() + ndim if axis.as_int() < 0 else axis.as_int()
    trailing = ndim - start - own
    if trailing > 0:
        axes = c.const(np.arange(own, own + trailing, dtype=np.int64))
        node.replace_input_with(1, c.before(node, "Unsqueeze", second, axes))


@_before(7, "PRelu")
def _prelu(c: Converter, node: ir.Node) -> None:
    """A slope per channel was a vector; now it must broadcast from the end."""
    slope, ndim = node.inputs[1], c.rank(node.inputs[0], node)
    assert slope is not None
    if c.rank(slope, node) == 1 and ndim > 2:
        axes = c.const(np.arange(1, ndim - 1, dtype=np.int64))
        node.replace_input_with(1, c.before(node, "Unsqueeze", slope, axes))


@_before(7, "Gemm")
def _gemm(c: Converter, node: ir.Node) -> None:
    node.attributes.pop("broadcast", None)
    node.attributes.pop("axis", None)


@_before(6, "Cast")
def _cast(c: Converter, node: ir.Node) -> None:
    c.become(node, "Cast", node.inputs, to=int(ir.DataType[text(node, "to", "FLOAT")]))


@_before(4, "Concat")
def _concat(c: Converter, node: ir.Node) -> None:
    c.become(node, "Concat", node.inputs, axis=integer(node, "axis", 1))


@_before(5, "Reshape")
def _reshape(c: Converter, node: ir.Node) -> None:
    c.attribute_to_input(node, "shape", 1)


@_before(100, "BatchNormalization")
def _batch_normalization(c: Converter, node: ir.Node) -> None:
    """As at inference, whatever the flag says: an image is optimised through a trained network."""
    if not integer(node, "spatial", 1):
        raise c.error(node, "spatial=0 normalises every position on its own")
    kept = {"epsilon": number(node, "epsilon", 1e-5), "momentum": number(node, "momentum", 0.9)}
    c.become(node, "BatchNormalization", node.inputs, **kept)
    if any(output.uses() or output.is_graph_output() for output in node.outputs[1:]):
        raise c.error(node, "its training outputs are used")
    node.resize_outputs(1)


@_before(100, "Dropout")
def _dropout(c: Converter, node: ir.Node) -> None:
    """As at inference: the identity."""
    c.become(node, "Dropout", [node.inputs[0]])


@_before(11, "Clip")
def _clip(c: Converter, node: ir.Node) -> None:
    inputs: list[ir.Value | None] = [node.inputs[0], None, None]
    for index, name in ((1, "min"), (2, "max")):
        if name in node.attributes:
            inputs[index] = c.number(number(node, name, 0.0), node.inputs[0])
    c.become(node, "Clip", inputs)


@_before(11, "Pad")
def _pad(c: Converter, node: ir.Node) -> None:
    pads = integers(node, "pads") or integers(node, "paddings") or []
    value = c.number(number(node, "value", 0.0), node.inputs[0])
    mode = text(node, "mode", "constant")
    c.become(node, "Pad", [node.inputs[0], c.const(np.asarray(pads, dtype=np.int64)), value], mode=mode)


@_before(10, "Slice")
def _slice(c: Converter, node: ir.Node) -> None:
    starts, ends = integers(node, "starts") or [], integers(node, "ends") or []
    axes = integers(node, "axes", range(len(starts))) or []
    c.become(node, "Slice", [node.inputs[0], *(c.const(np.asarray(v, np.int64)) for v in (starts, ends, axes))])


@_before(18, "Split")
def _split(c: Converter, node: ir.Node) -> None:
    if c.opset < 13:
        c.attribute_to_input(node, "split", 1)
    if len(node.inputs) < 2 or node.inputs[1] is None:
        node.attributes["num_outputs"] = ir.AttrInt64("num_outputs", len(node.outputs))


@_before(13, "Squeeze", "Unsqueeze", "ReduceSum")
@_before(18, "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin")
@_before(18, "ReduceProd", "ReduceSumSquare")
def _axes(c: Converter, node: ir.Node) -> None:
    c.attribute_to_input(node, "axes", 1)


@_before(13, "Softmax", "LogSoftmax", "Hardmax")
def _softmax(c: Converter, node: ir.Node) -> None:
    """Before opset 13 everything from ``axis`` on was one axis."""
    axis, source = integer(node, "axis", 1), node.inputs[0]
    assert source is not None
    ndim = c.ranks.get(source)
    if ndim is not None and axis in (ndim - 1, -1):
        node.attributes["axis"] = ir.AttrInt64("axis", -1)
        return
    shape = c.before(node, "Shape", source)
    flat = c.before(node, "Flatten", source, axis=axis)
    normalized = c.before(node, node.op_type, flat, axis=-1)
    c.become(node, "Reshape", [normalized, shape])


@_before(10, "TopK")
def _top_k(c: Converter, node: ir.Node) -> None:
    k = c.const(np.asarray([integer(node, "k", 1)], dtype=np.int64))
    c.become(node, "TopK", [node.inputs[0], k], axis=integer(node, "axis", -1))


@_before(2, "LpPool", "GlobalLpPool")
def _lp_pool(c: Converter, node: ir.Node) -> None:
    node.attributes["p"] = ir.AttrInt64("p", int(number(node, "p", 2.0)))


@_before(100, "Upsample")
def _upsample(c: Converter, node: ir.Node) -> None:
    """Upsample is Resize with asymmetric coordinates."""
    scales = numbers(node, "scales")
    if c.opset < 7:
        scales = [1.0, 1.0, number(node, "height_scale", 1.0), number(node, "width_scale", 1.0)]
    factor = node.inputs[1] if scales is None else c.const(np.asarray(scales, dtype=np.float32))
    mode = "nearest" if text(node, "mode", "nearest") == "nearest" else "linear"
    _asymmetric(c, node, factor, mode)


@_before(11, "Resize")
def _resize(c: Converter, node: ir.Node) -> None:
    _asymmetric(c, node, node.inputs[1], text(node, "mode", "nearest"))


def _asymmetric(c: Converter, node: ir.Node, scales: ir.Value | None, mode: str) -> None:
    c.become(
        node,
        "Resize",
        [node.inputs[0], None, scales],
        mode=mode,
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


@_before(11, "Scatter")
def _scatter(c: Converter, node: ir.Node) -> None:
    c.become(node, "ScatterElements", node.inputs, axis=integer(node, "axis", 0))


@_before(10, "ImageScaler")
def _image_scaler(c: Converter, node: ir.Node) -> None:
    """Experimental, in models that WinMLTools wrote: scale * x + bias per channel."""
    source, bias = node.inputs[0], numbers(node, "bias") or []
    assert source is not None
    scaled = c.before(node, "Mul", source, c.number(number(node, "scale", 1.0), source))
    c.become(node, "Add", [scaled, c.number(np.reshape(bias, (-1, 1, 1)), source)])


@_before(10, "Affine")
def _affine(c: Converter, node: ir.Node) -> None:
    source = node.inputs[0]
    assert source is not None
    scaled = c.before(node, "Mul", source, c.number(number(node, "alpha", 1.0), source))
    c.become(node, "Add", [scaled, c.number(number(node, "beta", 0.0), source)])


@_before(10, "Scale")
def _scale(c: Converter, node: ir.Node) -> None:
    c.become(node, "Mul", [node.inputs[0], c.number(number(node, "scale", 1.0), node.inputs[0])])
