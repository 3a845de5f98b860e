"""Quantised networks, read as the float32 networks that they approximate.

A tensor of integers stands for numbers, (q - zero point) * scale. In its place comes the tensor of these numbers, not
rounded: a pair of QuantizeLinear and DequantizeLinear is the identity, QLinearConv is Conv, the pad value of an integer
Pad is what it stands for. Taking the gradient as if nothing had been rounded is the straight-through estimator (Bengio,
Léonard, Courville 2013, arXiv:1308.3432); here the values are not rounded either, so that value and gradient belong
together, as line searches need it. Weights are rounded in the file, and stay so.

What is stored is also clamped to a range. Its upper end, and a lower end below zero, are what calibration happened to
see; a network driven beyond that, as a dream does, should go on. A range that begins at zero is different: quantisers
leave out a ReLU before it, as the clamp does the same, and a Clip to [0, 6] before a range that ends at 6. These come
back, unless what is stored is never negative anyway.

Where scales are worked out as the network runs (DynamicQuantizeLinear), 1 will do: all that is done with them is
undone later.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import InlinePass, LiftConstantsToInitializersPass, RemoveUnusedNodesPass

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.networks.readers.quantised_graph import Rewriting
from pixelgrad.exporters.networks.readers.quantised_numbers import Units, dequantise, quantise, unpack_bits
from pixelgrad.exporters.networks.readers.quantised_operators import (
    ASKING,
    CARRIED,
    DOMAINS,
    FORMS,
    IN_PLACE,
    PREFIXES,
    Form,
)
from pixelgrad.exporters.networks.readers.quantised_tensors import (
    INSTEAD,
    Stored,
    Tensors,
    input_of,
    producer_of,
    refusal,
    units_of,
)
from pixelgrad.exporters.opset18.attributes import integer, number, optional, text

_FLOAT, _INT32 = ir.DataType.FLOAT, ir.DataType.INT32
_BYTES = {ir.DataType.INT8, ir.DataType.UINT8}
_TO_FIRST, _TO_LAST = [0, 3, 1, 2], [0, 2, 3, 1]


def to_floating_point(model: ir.Model) -> list[str]:
    """Turn every quantised tensor of a model into what it stands for, in place. Notes on it.

    Raises :class:`NetworkError` for operators over such tensors that have no form in floating point here, and for
    scales and zero points that are missing, do not fit or are not known before the network runs.
    """
    if any(_is_quantised(node) for function in model.functions.values() for node in function):
        InlinePass()(model)
    graph = model.graph
    nodes = list(ir.traversal.RecursiveGraphIterator(graph))
    if not any(_is_quantised(node) for node in nodes):
        return []
    known = {*FORMS, *_CONVERT}
    others = {n.op_type for n in nodes if _is_quantised(n) and (n.op_type not in known or n.graph is not graph)}
    if others:
        raise NetworkError(
            f"the network is quantised, and {', '.join(sorted(others))} cannot be read as floating point; {INSTEAD}"
        )
    for value in [v for v in graph.inputs if v.const_value is not None]:
        graph.inputs.remove(value)
        graph.register_initializer(value)
    LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    RemoveUnusedNodesPass()(model)
    graph.sort()
    return _Reader(Rewriting(graph, graph.opset_imports.get("", graph.opset_imports.get("ai.onnx", 0)))).read()


def _is_quantised(node: ir.Node) -> bool:
    return node.domain in DOMAINS and node.op_type.startswith(PREFIXES)


class _Reader(Tensors):
    def __init__(self, rewriting: Rewriting) -> None:
        super().__init__(rewriting)
        self.graph = rewriting.graph
        # Products of integers -> the node, whose weights take the factors that follow.
        self.products: dict[ir.Value, ir.Node] = {}

    def read(self) -> list[str]:
        notes = []
        for value in self.graph.inputs:
            if value.dtype in _BYTES:  # an image in bytes: the numbers themselves
                numbers = self.new.emit(self.graph[0], "Identity", [value])
                self.stored[value] = Stored(numbers, units_of(1, 0, ir.DataType(value.dtype)))
                value.type = ir.TensorType(_FLOAT)
                notes.append("it takes images of 8-bit integers; here of the same numbers in floating point")
        for node in list(self.graph):
            self._read(node)
            if node.graph is self.graph:
                self.new.note(node)
        for value in list(self.graph.outputs):
            if value in self.stored:
                self.new.replace(value, self.stored[value].value)
        self._remove_the_rest()
        six = self.settle_clamps()
        self.new.settle_names()
        bits = {stored.units.kind.bitwidth for stored in self.stored.values()} - {32}
        if not bits:
            return [*notes, f"{self.packed} of its weights are kept in 8 bits or fewer, and unpacked"]
        width = " and ".join(str(bit) for bit in sorted(bits))
        note = f"its file is quantised to {width} bits: read as float32, without rounding"
        if self.clamps:
            note += f"; {len(self.clamps)} ranges that begin at 0 are taken for {'ReLU6' if six else 'ReLU'}s"
        return [*notes, note]

    def _read(self, node: ir.Node) -> None:
        if _is_quantised(node):
            if node.op_type in FORMS:
                self._form(node, FORMS[node.op_type])
            else:
                _CONVERT[node.op_type](self, node)
        elif not any(value in self.stored for value in node.inputs):
            self._factor(node)
        elif node.domain:
            raise refusal(node, f"{node.domain}.{node.op_type} over integers")
        elif node.op_type == "Cast":
            self._cast(node)
        elif node.op_type in ASKING:
            for place, value in enumerate(node.inputs):
                if value in self.stored:
                    node.replace_input_with(place, self.stored[value].value)
        elif node.op_type in CARRIED:
            self._carry(node)
        else:
            raise refusal(node, f"{node.op_type} over integers")

    def _remove_the_rest(self) -> None:
        """Take out what nothing uses any more: nodes over integers, and their weights."""
        for node in reversed(list(self.graph)):
            idle = not any(output.uses() or output.is_graph_output() for output in node.outputs)
            if idle:
                self.graph.remove(node, safe=True)
            elif _is_quantised(node):
                users = {use.node.op_type for output in node.outputs for use in output.uses()}
                raise refusal(node, f"{', '.join(sorted(users))} takes integers from it")
        for name, value in list(self.graph.initializers.items()):
            if not value.uses() and not value.is_graph_output():
                del self.graph.initializers[name]

    # Operators ----------------------------------------------------------------------------------------------

    def _form(self, node: ir.Node, form: Form) -> None:
        places, axes = form.operands, form.axes
        if form.repeated:
            first = places[0][0]
            places = tuple((place, place + 1, place + 2) for place in range(first, len(node.inputs), 3))
            axes = axes * len(places)
        if form.op_type == "Gemm":
            axes = tuple(-3 - axis if integer(node, name, 0) else axis
                         for axis, name in zip(axes, ("transA", "transB"), strict=True))  # fmt: skip
        taken = [
            Stored(input_of(node, place[0]), _PLAIN) if len(place) == 1 else self.take(node, place, axis)
            for place, axis in zip(places, axes, strict=True)
        ]
        values: list[ir.Value | None] = [stored.value for stored in taken]
        product = [stored.units.scale for stored in taken]
        bias = optional(node, form.bias) if form.bias is not None else None
        if bias is not None and form.op_type != "MatMul":
            content = self.new.content(bias)
            if content is None:
                raise refusal(node, "its bias is worked out as the network runs")
            both = product[0] * product[1].reshape(-1) * number(node, "alpha", 1.0)
            values.append(self.weight(node, bias, content, units_of(both, 0, _INT32, -1)))
        value = self._compute(node, form, values)
        if bias is not None and form.op_type == "MatMul":
            value = self.new.emit(node, "Add", [value, bias])
        if form.result is not None and (form.op_type != "Gemm" or optional(node, form.result[0]) is not None):
            self.store(node, value, self.units(node, *form.result, 1, taken[-1].units.kind))
        elif all(len(place) == 3 and place[1] is None for place in places):
            units = units_of(product[0] * product[1], 0, _INT32)
            self.products[value] = producer_of(value)
            self.store(node, value, units, clamped=False)
        else:
            self.new.replace(node.outputs[0], value)

    def _compute(self, node: ir.Node, form: Form, values: list[ir.Value | None]) -> ir.Value:
        """The floating-point operator on what its inputs stand for."""
        attributes = {name: a for name, a in node.attributes.items() if name not in {"channels_last", "opset"}}
        is_last = bool(integer(node, "channels_last", 0))
        if is_last:
            values[0] = self.new.emit(node, "Transpose", values[:1], [ir.AttrInt64s("perm", _TO_FIRST)])
        if form.op_type == "Softmax":
            return self._softmax(node, values)
        if form.op_type == "ReduceMean" and self.new.opset >= 18:
            axes = np.asarray(attributes.pop("axes").as_ints() if "axes" in attributes else [], np.int64)
            values.append(self.new.weight("axes", axes))
        value = self.new.emit(node, form.op_type, values, attributes.values())
        return self.new.emit(node, "Transpose", [value], [ir.AttrInt64s("perm", _TO_LAST)]) if is_last else value

    def _softmax(self, node: ir.Node, values: list[ir.Value | None]) -> ir.Value:
        """Of one axis, or of all from it on, as the standard has it before opset 13, by the node's own account."""
        version = integer(node, "opset", self.new.opset)
        axis = ir.AttrInt64("axis", integer(node, "axis", 1 if version < 13 else -1))
        if version >= 13:
            if self.new.opset < 13 and axis.as_int() != -1:
                raise refusal(node, f"its axis is {axis.as_int()} by opset {version}")
            return self.new.emit(node, "Softmax", values, [axis])
        shape = self.new.emit(node, "Shape", values)
        shape.type = ir.TensorType(ir.DataType.INT64)
        flat = self.new.emit(node, "Flatten", values, [axis])
        flat = self.new.emit(node, "Softmax", [flat], [ir.AttrInt64("axis", -1)])
        return self.new.emit(node, "Reshape", [flat, shape])

    def _carry(self, node: ir.Node) -> None:
        """An operator of the standard that gives integers as it takes them: the same of what they stand for."""
        op_type, values = node.op_type, list(node.inputs)
        (units, *_) = (self.stored[value].units for value in values if value in self.stored)
        if not units.is_single and op_type not in IN_PLACE:
            raise refusal(node, "its input has scales per channel")
        zero = dequantise(np.zeros((), np.float32), units) if units.is_single else np.zeros((), np.float32)
        places = CARRIED[op_type]
        for place in range(len(values)) if places is None else places:
            value = values[place] if place < len(values) else None
            content = self.new.content(value)
            if value in self.stored:
                values[place] = self.converted(node, self.stored[value], units)
            elif content is not None and value is not None:
                values[place] = self.weight(node, value, content, units)
            elif value is not None:
                raise refusal(node, f"its input {value.name!r} is worked out as integers")
        if any(value in self.stored for value in values):
            raise refusal(node, "it takes quantised numbers for places")
        if op_type == "Pad" and text(node, "mode", "constant") == "constant" and optional(node, 2) is None:
            values[2:3] = [self.new.weight("padding", zero)]
        elif op_type == "Relu" and zero:
            op_type, values = "Max", [*values, self.new.weight("zero", zero)]
        attributes = dict(node.attributes)
        if "extrapolation_value" in attributes:
            outside = dequantise(np.asarray(attributes["extrapolation_value"].as_float()), units)
            attributes["extrapolation_value"] = ir.AttrFloat32("extrapolation_value", float(outside))
        first = self.new.emit(node, op_type, values, attributes.values(), len(node.outputs))
        for place, (old, new) in enumerate(zip(node.outputs, producer_of(first).outputs, strict=True)):
            if place and op_type != "Split":  # which was the largest, or what was kept
                new.type = old.type
                self.new.replace(old, new)
            else:
                self.new.call(new, old.name)
                self.stored[old] = Stored(new, units)

    def _cast(self, node: ir.Node) -> None:
        """Integers of another type stand for the same; as floating point they are numbers of their own."""
        (stored,) = (self.stored[value] for value in node.inputs if value is not None)
        to = ir.DataType(integer(node, "to", int(_FLOAT)))
        if to.is_floating_point():
            self.new.replace(node.outputs[0], self.converted(node, stored, units_of(1, 0)))
        else:
            self.stored[node.outputs[0]] = stored

    def _factor(self, node: ir.Node) -> None:
        """Where a product of integers is multiplied by its scales, and a bias is added: make them its own."""
        if node.op_type not in {"Mul", "Add"} or len(node.inputs) != 2:
            return
        for value, other in (node.inputs, reversed(node.inputs)):
            product = self.products.get(value) if value is not None else None
            content = self.new.content(other)
            if value is None or product is None or content is None or len(value.uses()) > 1 or value.is_graph_output():
                continue
            weights = self.new.content(product.inputs[1])
            is_conv, is_bias = product.op_type == "Conv", node.op_type == "Add"
            if weights is None or weights.ndim < 2 or (is_bias and (not is_conv or len(product.inputs) > 2)):
                continue
            channels = weights.shape[0 if is_conv else -1]
            shape = (1, channels, *[1] * (weights.ndim - 2)) if is_conv else (*[1] * (weights.ndim - 1), channels)
            padded = (*[1] * (weights.ndim - content.ndim), *content.shape)
            if padded not in (shape, (1,) * weights.ndim):
                continue
            each = content.reshape(-1).astype(np.float32)
            name = input_of(product, 1).name
            if is_bias:
                product.resize_inputs(3)
                product.replace_input_with(2, self.new.weight(_name(other), np.broadcast_to(each, channels).copy()))
            else:
                each = each.reshape(-1, *[1] * (weights.ndim - 1)) if is_conv else each
                product.replace_input_with(1, self.new.weight(name, weights * each))
            self.new.replace(node.outputs[0], value)
            self.graph.remove(node, safe=True)
            return

    def _quantize(self, node: ir.Node) -> None:
        source = input_of(node, 0)
        kind = ir.DataType(integer(node, "output_dtype", 0) or int(ir.DataType.UINT8))
        units = self.units(node, 1, 2, integer(node, "axis", 1), kind)
        content = self.new.content(source) if source not in self.stored else None
        if content is not None:  # a weight: as it is rounded in the file
            try:
                self.new.replace(node.outputs[0], self.new.weight(node.outputs[0].name, quantise(content, units)))
            except ValueError as error:
                raise refusal(node, str(error)) from error
            return
        if source in self.stored:
            source = self.converted(node, self.stored[source], units_of(1, 0))
        self.store(node, source, units)

    def _dequantize(self, node: ir.Node) -> None:
        taken = self.take(node, (0, 1, 2), integer(node, "axis", 1))
        self.new.replace(node.outputs[0], taken.value)

    def _dynamic_quantize(self, node: ir.Node) -> None:
        self.store(node, input_of(node, 0), units_of(1, 0), clamped=False)
        for output, one in zip(node.outputs[1:], (np.float32(1), np.uint8(0)), strict=False):
            self.new.replace(output, self.new.weight("units", np.asarray(one)))

    def _packed_product(self, node: ir.Node) -> None:
        """MatMulNBits: a row of weights for each output, in blocks of 8 bits and fewer."""
        rows, columns = integer(node, "N", 0), integer(node, "K", 0)
        bits, block = integer(node, "bits", 4), integer(node, "block_size", 0)
        packed, scale, zero, places = (self.new.content(optional(node, place)) for place in (1, 2, 3, 4))
        if packed is None or scale is None or min(rows, columns, block) < 1 or input_of(node, 0) in self.stored:
            raise refusal(node, "its weights are worked out as the network runs, or have no size")
        blocks = -(-columns // block)
        try:
            q = unpack_bits(packed.reshape(rows, blocks, -1), bits, block).reshape(rows, -1)[:, :columns]
            if zero is None:
                zero = np.full((rows, blocks), 1 << (bits - 1), np.uint8)
            elif zero.dtype == np.uint8:
                zero = unpack_bits(zero.reshape(rows, -1), bits, blocks)
            scale, zero = scale.reshape(rows, blocks), zero.reshape(rows, blocks)
            if places is not None:
                scale, zero, block = scale[:, places], zero[:, places], 0
            weight = dequantise(q, Units(scale, zero, ir.DataType.UINT8, 1, block)).T
        except (ValueError, IndexError) as error:
            raise refusal(node, str(error)) from error
        self.packed += 1
        value = self.new.emit(node, "MatMul", [node.inputs[0], self.new.weight(input_of(node, 1).name, weight)])
        if optional(node, 5) is not None:
            value = self.new.emit(node, "Add", [value, node.inputs[5]])
        self.new.replace(node.outputs[0], value)


# What makes integers, numbers of integers, or unpacks weights -> what it does.
_CONVERT = {
    "QuantizeLinear": _Reader._quantize,
    "DequantizeLinear": _Reader._dequantize,
    "DynamicQuantizeLinear": _Reader._dynamic_quantize,
    "MatMulNBits": _Reader._packed_product,
}
# Of what is in floating point already.
_PLAIN = units_of(1, 0)


def _name(value: ir.Value | None) -> str | None:
    return None if value is None else value.name
