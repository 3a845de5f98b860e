"""Tensors of integers, each as the tensor of the numbers that it stands for."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import onnx_ir as ir

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.networks.readers.quantised_graph import Rewriting
from pixelgrad.exporters.networks.readers.quantised_numbers import Array, Units, dequantise
from pixelgrad.exporters.networks.readers.quantised_operators import Place
from pixelgrad.exporters.opset18.attributes import integer, optional

INSTEAD = "use the network in float32 or float16 that it was made from"
_SIX, _EXACT = 6.0, 1e-4
_CONV = re.compile(r"^conv(?=[\d_])")


class Stored(NamedTuple):
    """The numbers that a tensor of integers stands for, and in which units the integers were."""

    value: ir.Value
    units: Units


class Clamp(NamedTuple):
    """A ReLU in the place of a range, where that ends, and what the stored tensor is called."""

    node: ir.Node
    highest: float
    name: str


class Tensors:
    """What is known of the tensors of integers in a graph.

    stored: such a tensor -> what it stands for.
    packed: how many of its weights are such.
    clamps: the ReLUs that came back.
    """

    def __init__(self, rewriting: Rewriting) -> None:
        self.new = rewriting
        self.stored: dict[ir.Value, Stored] = {}
        self.packed = 0
        self.clamps: list[Clamp] = []

    def units(self, node: ir.Node, scale: int | None, zero: int, axis: int, kind: ir.DataType | None = None) -> Units:
        """Those that a node has at its inputs ``scale`` and ``zero``; a scale of 1 where it has none by its form.

        kind: the type of the integers, where there is no zero point, which has it.
        """
        factor = self._numbers(node, scale, "scale") if scale is not None else np.ones((), np.float32)
        if factor is None:
            raise refusal(node, "its scale is missing")
        offset = self._numbers(node, zero, "zero point")
        given = optional(node, zero)
        if given is not None and given.dtype is not None:
            kind = given.dtype
        block = integer(node, "block_size", 0)
        return units_of(factor, 0 if offset is None else offset, kind or ir.DataType.UINT8, axis, block)

    def _numbers(self, node: ir.Node, place: int, what: str) -> Array | None:
        value = optional(node, place)
        if value is None:
            return None
        array = self.new.content(value)
        if array is None:
            raise refusal(node, f"its {what} is worked out as the network runs")
        array = array.astype(np.float32)
        if not array.size or not np.isfinite(array).all() or (what == "scale" and (array < 0).any()):
            raise refusal(node, f"its {what} is empty, infinite or negative")
        return array

    def take(self, node: ir.Node, place: Place, axis: int) -> Stored:
        """What stands at a place of a node, in the units that the node says."""
        tensor, scale, zero = place if len(place) == 3 else (place[0], None, -1)
        source = input_of(node, tensor)
        stored = self.stored.get(source)
        content = self.new.content(source) if stored is None else None
        if stored is None and content is None:
            raise refusal(node, f"its input {source.name!r} is worked out as integers")
        units = self.units(node, scale, zero, axis, source.dtype if stored is None else stored.units.kind)
        if stored is None:
            assert content is not None
            self.packed += 1
            return Stored(self.weight(node, source, content, units), units)
        if scale is None:
            units = replace(units, scale=stored.units.scale, axis=stored.units.axis)
        return Stored(self.converted(node, stored, units), units)

    def weight(self, node: ir.Node, source: ir.Value, content: Array, units: Units) -> ir.Value:
        """What constant integers stand for."""
        try:
            array = dequantise(content, units)
        except ValueError as error:
            raise refusal(node, str(error)) from error
        return self.new.weight(source.name, array)

    def converted(self, node: ir.Node, stored: Stored, units: Units) -> ir.Value:
        """The numbers that the same integers stand for in other units."""
        value, own = stored
        if own.same(units):
            return value
        if not (own.is_single and units.is_single) or not own.scale.item():
            raise refusal(node, "its scales are not those of what it takes")
        factor = units.scale / own.scale
        shift = (own.zero - units.zero) * units.scale
        for op_type, by, idle in (("Mul", factor, 1), ("Add", shift, 0)):
            if by.item() != idle:
                value = self.new.emit(node, op_type, [value, self.new.weight("units", by.reshape(()))])
        return value

    def store(self, node: ir.Node, value: ir.Value, units: Units, *, clamped: bool = True) -> None:
        """``value`` is what the integers that ``node`` gives stand for, but for a ReLU if their range does its work."""
        (output, *_) = node.outputs
        lowest, highest = units.ends
        if not clamped or lowest.any() or self.new.is_positive(value):
            self.new.call(value, output.name)
        else:
            before, value = value, self.new.emit(node, "Relu", [value])
            name = self.new.bare(output.name if self.new.is_made(before) else before.name)
            self.clamps.append(Clamp(producer_of(value), float(highest.max()), name))
            # conv4_1 and relu4_1, as such networks have it; else the name is that of what is stored.
            after = _CONV.sub("relu", name)
            self.new.call(value, after)
            if not before.is_graph_output():
                self.new.rename(before, name if after != name else f"{name}/before_relu")
        self.stored[output] = Stored(value, units)

    def settle_clamps(self) -> bool:
        """Where one range is [0, 6], all that begin at 0 and end no later are of a ReLU6; whether it is so.

        Where the ReLU is still in the file, as quantisers can be told, it is not done twice.
        """
        for clamp in list(self.clamps):
            (result,), before = clamp.node.outputs, input_of(clamp.node, 0)
            users = [use.node for use in result.uses()]
            if users and all(n.op_type in {"Relu", "Clip"} and self.new.is_positive(n.outputs[0]) for n in users):
                self.clamps.remove(clamp)
                if not before.is_graph_output():
                    self.new.rename(before, clamp.name)
                result.replace_all_uses_with(before)
                self.new.graph.remove(clamp.node, safe=True)
        if not any(abs(clamp.highest / _SIX - 1) < _EXACT for clamp in self.clamps):
            return False
        for clamp in self.clamps:
            if clamp.highest < _SIX * (1 + _EXACT):
                _become_relu6(self.new, clamp.node)
        return True


def _become_relu6(new: Rewriting, node: ir.Node) -> None:
    node.op_type = "Clip"
    if new.opset < 11:
        node.attributes["min"], node.attributes["max"] = ir.AttrFloat32("min", 0.0), ir.AttrFloat32("max", _SIX)
        return
    node.resize_inputs(3)
    for place, bound in ((1, 0.0), (2, _SIX)):
        node.replace_input_with(place, new.weight("relu6", np.asarray(bound, np.float32)))


def units_of(
    scale: float | Array, zero: float | Array, kind: ir.DataType = ir.DataType.UINT8, axis: int = 1, block: int = 0
) -> Units:
    return Units(np.asarray(scale, np.float32), np.asarray(zero, np.float32), kind, axis, block)


def input_of(node: ir.Node, place: int) -> ir.Value:
    """An input that a node cannot do without; :class:`NetworkError` where it does."""
    value = optional(node, place)
    if value is None:
        raise refusal(node, f"its input {place} is missing")
    return value


def producer_of(value: ir.Value) -> ir.Node:
    """The node that gives a value; not of inputs and weights."""
    node = value.producer()
    assert node is not None
    return node


def refusal(node: ir.Node, why: str) -> NetworkError:
    """To be raised for a node that cannot be read."""
    name = node.outputs[0].name if node.outputs else ""
    return NetworkError(f"{node.op_type} at tensor {name!r} is quantised in a way that is not read: {why}; {INSTEAD}")
