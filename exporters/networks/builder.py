"""Writing a forward graph node by node, as readers and architectures do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from pixelgrad.exporters.networks.layers import mark_step
from pixelgrad.exporters.opset18 import IR_VERSION, OPSET
from pixelgrad.exporters.opset18.weights import add_weight

Array = np.ndarray[Any, Any]


class GraphBuilder:
    """A graph of opset 18 with one image input, float32 [1, channels, height, width]; ``None`` leaves a size free."""

    def __init__(self, name: str, *, image: str = "data", shape: Sequence[int | None] = (1, 3, None, None)) -> None:
        self.graph = ir.Graph([], [], nodes=[], opset_imports={"": OPSET}, name=name)
        self._taken = {image}
        self.image = self.input(image, shape)

    def input(self, name: str, shape: Sequence[int | None]) -> ir.Value:
        free = ["N", "C", "H", "W"]
        sizes = [free[axis] if size is None else size for axis, size in enumerate(shape)]
        value = ir.Value(name=name, shape=ir.Shape(sizes), type=ir.TensorType(ir.DataType.FLOAT))
        self.graph.inputs.append(value)
        return value

    def weight(self, name: str, array: Array, dtype: Any = np.float32) -> ir.Value:
        """A constant; a name that is taken gets a number."""
        return add_weight(self.graph, self._free(name), np.asarray(array, dtype=dtype))

    def op(self, op_type: str, *inputs: ir.Value | None, name: str, step: bool = False, **attributes: Any) -> ir.Value:
        """A node whose output is called ``name``; attributes that are ``None`` are left out. Its output.

        step: it is a step within a layer, and no layer that one would choose.
        """
        (output,) = self.ops(op_type, *inputs, names=[name], **attributes)
        if step:
            mark_step(output)
        return output

    def ops(
        self, op_type: str, *inputs: ir.Value | None, names: Sequence[str], **attributes: Any
    ) -> Sequence[ir.Value]:
        """As :meth:`op`, for a node with several outputs."""
        given = {key: value for key, value in attributes.items() if value is not None}
        node = ir.node(op_type, inputs, attributes=given, num_outputs=len(names))
        for output, name in zip(node.outputs, names, strict=True):
            output.name = self._free(name)
            output.type = ir.TensorType(ir.DataType.FLOAT)
        node.name = str(node.outputs[0].name)
        self.graph.append(node)
        return node.outputs

    def model(self, *outputs: ir.Value) -> ir.Model:
        self.graph.outputs.extend(outputs)
        return ir.Model(self.graph, ir_version=IR_VERSION, producer_name="pixelgrad")

    def _free(self, name: str) -> str:
        chosen, count = name, 1
        while chosen in self._taken:
            count += 1
            chosen = f"{name}_{count}"
        self._taken.add(chosen)
        return chosen
