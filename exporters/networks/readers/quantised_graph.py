"""A graph in which nodes over integers are replaced by others: new nodes and weights, and whose names they take."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx_ir as ir

from pixelgrad.exporters.networks.readers.quantised_operators import KEEP_POSITIVE, POSITIVE
from pixelgrad.exporters.opset18.attributes import number, optional
from pixelgrad.exporters.opset18.folding import known_content
from pixelgrad.exporters.opset18.weights import add_weight

# What ONNX Runtime's quantiser adds to a tensor's name.
_SUFFIX = re.compile(r"(_quantized|_(Quantize|Dequantize)Linear_(Input|Output)(/\w+)?)$")


class Rewriting:
    """The graph, and what is known of its values so far, from the first node on.

    opset: the version that it is written for, and that new nodes are written for.
    """

    def __init__(self, graph: ir.Graph, opset: int) -> None:
        self.graph, self.opset = graph, opset
        self._fixed: set[ir.Value] = set()
        self._contents: dict[ir.Value, np.ndarray[Any, Any] | None] = {}
        # The image is what it is: where it is stored in a range from zero, no ReLU was left out.
        self._positive: set[ir.Value] = set(graph.inputs)
        self._made: set[ir.Value] = set()
        self._names: dict[ir.Value, list[str]] = {}
        self._nodes: set[str] = set()
        # Names that no new weight may have: a DequantizeLinear goes, and its name is free for what it gave.
        left = [node for node in graph if node.op_type != "DequantizeLinear"]
        self._weights = {str(value.name) for value in (*graph.inputs, *graph.initializers.values())}
        self._weights.update(str(output.name) for node in left for output in node.outputs)

    # What is known ------------------------------------------------------------------------------------------

    def note(self, node: ir.Node) -> None:
        """Take note of what follows from ``node`` for what it gives. To be called for every node in turn."""
        inputs = [value for value in node.inputs if value is not None]
        if inputs and not node.domain and all(v.const_value is not None or v in self._fixed for v in inputs):
            self._fixed.update(node.outputs)
        places = KEEP_POSITIVE.get(node.op_type, ())
        taken = inputs if places is None else [v for place in places if (v := optional(node, place)) is not None]
        if node.op_type in POSITIVE or (taken and all(self.is_positive(value) for value in taken)):
            self._positive.update(node.outputs)
        elif node.op_type == "Clip":
            least = self.content(optional(node, 1))
            if number(node, "min", -1.0) >= 0 or (least is not None and least.size and least.min() >= 0):
                self._positive.update(node.outputs)

    def is_positive(self, value: ir.Value) -> bool:
        """Whether no number in it is below zero, as far as that is plain."""
        if value in self._positive:
            return True
        array = value.const_value.numpy() if value.const_value is not None and value.const_value.size == 1 else None
        return array is not None and array.item() >= 0

    def content(self, value: ir.Value | None) -> np.ndarray[Any, Any] | None:
        """What a value holds at every run; ``None`` where that depends on the image."""
        if value is None:
            return None
        if value.const_value is not None:
            return value.const_value.numpy()
        return known_content(value, self._contents) if value in self._fixed else None

    # What is new --------------------------------------------------------------------------------------------

    def emit(
        self,
        before: ir.Node,
        op_type: str,
        inputs: Iterable[ir.Value | None],
        attributes: Iterable[ir.Attr] = (),
        outputs: int = 1,
    ) -> ir.Value:
        """A new node over floating point in front of another, whose scope it takes; its first output."""
        new = ir.node(op_type, list(inputs), attributes={a.name: a for a in attributes}, num_outputs=outputs)
        new.metadata_props.update(before.metadata_props)
        for output in new.outputs:
            output.type = ir.TensorType(ir.DataType.FLOAT)
        before.prepend(new)
        if before.name and before.name not in self._nodes:  # the first for a node has its name, which says the module
            self._nodes.add(before.name)
            new.name = before.name
        self._made.update(new.outputs)
        self.note(new)
        return new.outputs[0]

    def weight(self, name: str | None, array: np.ndarray[Any, Any]) -> ir.Value:
        """A new weight with a name like ``name``."""
        bare = _SUFFIX.sub("", name or "") or "weight"
        while bare in self._weights:
            bare += "/float"
        self._weights.add(bare)
        return add_weight(self.graph, bare, array)

    def replace(self, old: ir.Value, new: ir.Value) -> None:
        """Have ``new`` used in the place of ``old``, under its name if it has none of its own from the file."""
        if old.is_graph_output():
            if new.producer() is None or new.is_graph_output():
                node = old.producer()
                assert node is not None
                new = self.emit(node, "Identity", [new])
            places = [place for place, value in enumerate(self.graph.outputs) if value is old]
            for place in places:
                self.graph.outputs[place] = new
            self._made.add(new)
        self.call(new, old.name)
        old.replace_all_uses_with(new)

    # What it is called --------------------------------------------------------------------------------------

    def bare(self, name: str | None) -> str:
        """A tensor's name without what a quantiser added to it."""
        return _SUFFIX.sub("", name or "")

    def is_made(self, value: ir.Value) -> bool:
        return value in self._made

    def call(self, value: ir.Value, name: str | None) -> None:
        """Let a value that is new be called so if that is free in the end; what was said last comes first."""
        if value in self._made and name:
            self._names.setdefault(value, []).insert(0, _SUFFIX.sub("", name))

    def rename(self, value: ir.Value, name: str) -> None:
        """Let a value, new or not, be called so in the end."""
        self._made.add(value)
        self._names[value] = [name]

    def settle_names(self) -> None:
        """Give what is new its names; what was there before keeps its own."""
        values = [output for node in self.graph for output in node.outputs]
        named = [value for value in values if value in self._names]
        fixed = (*self.graph.inputs, *self.graph.initializers.values(), *values)
        taken = {str(value.name) for value in fixed if value not in self._names}
        for value in named:
            wanted = self._names[value]
            free = next((name for name in wanted if name not in taken), None)
            count = 0
            while free is None or free in taken:
                count += 1
                free = f"{wanted[0]}/{count}"
            taken.add(free)
            value.name = free
