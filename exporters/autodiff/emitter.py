"""Writing nodes: ``op.Mul(a, 2.0)`` appends a node and returns its output.

Numbers become scalar constants of the other operand's type, lists of integers become int64 constants, equal
constants are shared. Only opset 18 operators of the default domain may be written (see ``docs/operators.md`` for
why each form was chosen).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx_ir as ir

from pixelgrad.exporters.autodiff.sizes import Sizes, UnknownSizeError
from pixelgrad.exporters.opset18.shapes import (
    Dim,
    constant,
    dims,
    normalize_axis,
    rank,
    same_dim,
    same_shape,
    static_shape,
)
from pixelgrad.exporters.opset18.weights import add_weight

Operand = ir.Value | float | int | Sequence[int] | np.ndarray | None

_SHORT = frozenset({ir.DataType.FLOAT16, ir.DataType.BFLOAT16})
_BOOLEAN = frozenset({"Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Not", "And", "Or"})
_SHAPE_KEEPING = frozenset(
    {
        "Add",
        "Sub",
        "Mul",
        "Div",
        "Pow",
        "Cast",
        "Neg",
        "Abs",
        "Clip",
        "Sign",
        "Exp",
        "HardSigmoid",
        "Greater",
        "GreaterOrEqual",
    }
    | {
        "Less",
        "LessOrEqual",
        "Equal",
        "Not",
        "And",
        "Or",
        "Sqrt",
        "Reciprocal",
        "Sigmoid",
        "Tanh",
        "Sin",
        "Cos",
    }
)


class Emitter:
    """Appends opset 18 nodes to a graph."""

    def __init__(self, graph: ir.Graph, active: Container[ir.Value] = ()) -> None:
        self.graph = graph
        self._active = active
        self._prefix = "gradient"
        self._names = {value.name for node in graph for value in node.outputs}
        self._names |= {value.name for value in graph.inputs} | set(graph.initializers) | {node.name for node in graph}
        self._written: set[ir.Value] = set()
        self._constants: dict[tuple[str, tuple[int, ...], bytes], ir.Value] = {}
        self._expanded: dict[ir.Value, tuple[ir.Value, ir.Value]] = {}
        self._shapes: dict[tuple[ir.Value, ...], ir.Value] = {}
        self._sizes = Sizes(graph, lambda op_type, *inputs, **attributes: self.emit(op_type, inputs, attributes)[0])

    # Operators -----------------------------------------------------------------------------------------------

    def __getattr__(self, op_type: str) -> Callable[..., ir.Value]:
        if not op_type[0].isupper():
            raise AttributeError(op_type)
        return lambda *inputs, **attributes: self.emit(op_type, inputs, attributes)[0]

    def emit(
        self,
        op_type: str,
        inputs: Sequence[Operand],
        attributes: dict[str, Any] | None = None,
        count: int = 1,
    ) -> tuple[ir.Value, ...]:
        """Append one node with ``count`` outputs; attributes that are ``None`` are left out."""
        kinds = (x.dtype for x in inputs if isinstance(x, ir.Value))
        kind = next((dtype for dtype in kinds if dtype != ir.DataType.BOOL), None)
        values = [self._operand(x, kind) for x in inputs]
        while values and values[-1] is None:
            values.pop()
        node = ir.node(
            op_type,
            values,
            attributes={k: v for k, v in (attributes or {}).items() if v is not None},
            num_outputs=count,
            name=self.unique(f"{self._prefix}/{op_type}"),
        )
        for index, output in enumerate(node.outputs):
            output.name = self.unique(f"{node.name}_output_{index}")
            dtype = self._output_dtype(op_type, values, attributes or {})
            if dtype is not None:
                output.dtype = dtype
        if op_type in _SHAPE_KEEPING:
            node.outputs[0].shape = _common_shape(values)
        self.graph.append(node)
        self._written.update(node.outputs)
        return tuple(node.outputs)

    def Mul(self, a: Operand, b: Operand) -> ir.Value:  # noqa: N802  (an operator, like all that __getattr__ makes)
        """``a * b``, without first filling a tensor with a value that the product broadcasts anyway."""
        for expanded, other in ((a, b), (b, a)):
            if isinstance(expanded, ir.Value) and expanded in self._expanded and _is_scalar(other):
                source, like = self._expanded[expanded]
                return self.expand_like(self.Mul(source, other), like)
        return self._unfilled("Mul", a, b)

    def Add(self, a: Operand, b: Operand) -> ir.Value:  # noqa: N802
        """``a + b``, likewise."""
        return self._unfilled("Add", a, b)

    def _unfilled(self, op_type: str, a: Operand, b: Operand) -> ir.Value:
        """A symmetric operator; of an operand that was expanded to the shape of the other, what it was before."""
        for expanded, other in ((a, b), (b, a)):
            if not isinstance(expanded, ir.Value) or expanded not in self._expanded:
                continue
            if isinstance(other, ir.Value) and same_shape(expanded, other):
                result = self.emit(op_type, [other, self._expanded[expanded][0]])[0]
                result.shape = other.shape
                return result
        return self.emit(op_type, [a, b])[0]

    # Constants -----------------------------------------------------------------------------------------------

    def const(self, array: np.ndarray[Any, Any]) -> ir.Value:
        """A constant; equal ones are one tensor."""
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            name = self.unique(f"constant/{len(self._constants)}")
            self._constants[key] = add_weight(self.graph, name, array)
        return self._constants[key]

    def value(self, operand: Operand) -> ir.Value:
        """``operand`` as a value: a list of integers becomes an int64 constant."""
        value = self._operand(operand, None)
        assert value is not None
        return value

    def _operand(self, operand: Operand, kind: ir.DataType | None) -> ir.Value | None:
        if operand is None or isinstance(operand, ir.Value):
            return operand
        if isinstance(operand, np.ndarray):
            return self.const(operand)
        if isinstance(operand, int | float):
            return self.const(np.asarray(operand, dtype=(kind or ir.DataType.FLOAT).numpy()))
        return self.const(np.asarray(operand, dtype=np.int64))

    # Shapes --------------------------------------------------------------------------------------------------

    def shape(self, value: ir.Value, start: int | None = None, end: int | None = None) -> ir.Value:
        """The shape of ``value`` (from axis ``start`` to before ``end``) as int64 [n]: a constant where known."""
        wanted = dims(value)[slice(start, end)]
        if all(isinstance(dim, int) for dim in wanted):
            return self.const(np.asarray(wanted, dtype=np.int64))
        with self.named("sizes"):
            try:
                parts = [self.value([dim]) if isinstance(dim, int) else self._sizes(dim) for dim in wanted]
            except UnknownSizeError:
                return self.emit("Shape", [value], {"start": start, "end": end})[0]
            if len(parts) == 1:
                return parts[0]
            key = tuple(parts)
            if key not in self._shapes:
                self._shapes[key] = self.emit("Concat", parts, {"axis": 0})[0]
            return self._shapes[key]

    def dim(self, value: ir.Value, axis: int) -> ir.Value:
        """The size of one axis as int64 [1]."""
        axis = normalize_axis(axis, rank(value))
        return self.shape(value, axis, axis + 1)

    def int64(self, value: ir.Value) -> ir.Value:
        """Whole numbers as int64, which is what constants written beside them are: many operators want one type."""
        if value.dtype in (None, ir.DataType.INT64):
            return value
        known = constant(value)
        return self.Cast(value, to=int(ir.DataType.INT64)) if known is None else self.const(known.astype(np.int64))

    def expand_like(self, value: ir.Value, like: ir.Value) -> ir.Value:
        """Broadcast ``value`` to the shape of ``like``."""
        expanded = self.emit("Expand", [value, self.shape(like)])[0]
        expanded.shape = like.shape
        self._expanded[expanded] = (value, like)
        return expanded

    def reshape_like(self, value: ir.Value, like: ir.Value) -> ir.Value:
        """``value`` in the shape of ``like``, which has as many elements."""
        reshaped = self.emit("Reshape", [value, self.shape(like)])[0]
        reshaped.shape = like.shape
        return reshaped

    def shared(self, value: ir.Value, large: ir.Value, small: ir.Value) -> ir.Value:
        """``value`` divided by how many elements of ``large`` there are to one of ``small``."""
        a, b = static_shape(large), static_shape(small)
        # A float16 ends at 65504, and there are more elements than that in many a feature map.
        wide = self.single(value)
        if a is not None and b is not None:
            return self.narrowed(self.Div(wide, math.prod(a) / max(1, math.prod(b))), value)
        dtype = int(wide.dtype or ir.DataType.FLOAT)
        # Not Size, which neither WebGPU nor OpenVINO has.
        count, few = (
            self.emit("ReduceProd", [self.emit("Cast", [self.shape(v)], {"to": dtype})[0]], {"keepdims": 0})[0]
            if known is None
            else float(max(1, math.prod(known)))
            for v, known in ((large, a), (small, b))
        )
        return self.narrowed(self.Div(wide, count if few == 1 else self.emit("Div", [count, few])[0]), value)

    def single(self, value: ir.Value) -> ir.Value:
        """``value`` in float32 where its type is a shorter one, to compute with what that cannot hold."""
        return self.Cast(value, to=int(ir.DataType.FLOAT)) if value.dtype in _SHORT else value

    def narrowed(self, value: ir.Value, like: ir.Value) -> ir.Value:
        """The way back from :meth:`single`: ``value`` in the type of ``like``."""
        return self.Cast(value, to=int(like.dtype)) if like.dtype in _SHORT and value.dtype != like.dtype else value

    def sum_to(self, value: ir.Value, broadcast: Sequence[Dim], target: ir.Value) -> ir.Value:
        """Undo broadcasting: sum ``value``, which has the dimensions ``broadcast``, to the shape of ``target``."""
        extra = len(broadcast) - rank(target)
        summed = list(range(extra))
        unknown: list[int] = []
        for axis, (large, small) in enumerate(zip(broadcast[extra:], dims(target), strict=True), start=extra):
            if not same_dim(large, small):
                (summed if small == 1 else unknown).append(axis)
        if not summed and not unknown:
            return value
        if summed:
            value = self.emit("ReduceSum", [value, summed], {"keepdims": 1})[0]
        if unknown:
            # Whether these axes were broadcast shows only at run time: sum those whose size is then 1.
            sizes = self.emit("Gather", [self.shape(target), [axis - extra for axis in unknown]])[0]
            axes = self.emit("Compress", [self.const(np.asarray(unknown)), self.emit("Equal", [sizes, 1])[0]])[0]
            value = self.emit("ReduceSum", [value, axes], {"keepdims": 1, "noop_with_empty_axes": 1})[0]
        if extra:
            value = self.reshape_like(value, target)
        value.shape = target.shape
        return value

    def mask(self, condition: ir.Value, like: ir.Value) -> ir.Value:
        """A truth value as 0 and 1 of the type of ``like``."""
        return self.Cast(condition, to=int(like.dtype or ir.DataType.FLOAT))

    def positive(self, value: ir.Value) -> ir.Value:
        """1 where ``value`` > 0, else 0, in one pass over memory where the type allows it.

        HardSigmoid(1e30 x) is that mask for every float32 above 1e-30; ONNX Runtime runs it faster than Greater and
        Cast (1.13 s against 1.19 s for a VGG-19 step at 512 x 512). Its beta is not zero, because OpenVINO (seen in
        1.24.1) then takes the operator's default instead, and half the gradient would pass where a ReLU is shut.
        """
        if value.dtype == ir.DataType.FLOAT:
            return self.HardSigmoid(value, alpha=1e30, beta=-1e-30)
        return self.mask(self.Greater(value, 0), value)

    def sign(self, value: ir.Value) -> ir.Value:
        """-1, 0 or 1. Only the CPU and CUDA have Sign, so float32 is scaled up and clipped, exact above 1e-30."""
        if value.dtype == ir.DataType.FLOAT:
            return self.Clip(self.Mul(value, 1e30), -1.0, 1.0)
        return self.Sign(value)

    # Bookkeeping ---------------------------------------------------------------------------------------------

    def wrote(self, value: ir.Value) -> bool:
        """Whether a node of this emitter makes the value."""
        return value in self._written

    def needs(self, value: ir.Value | None) -> bool:
        """Whether anybody asks for the cotangent of ``value``."""
        return value is not None and value in self._active

    @contextmanager
    def named(self, prefix: str) -> Iterator[None]:
        """Name the nodes written inside after ``prefix``."""
        before, self._prefix = self._prefix, prefix
        try:
            yield
        finally:
            self._prefix = before

    def unique(self, name: str) -> str:
        """``name``, with a number behind it if the graph has it already."""
        candidate, count = name, 1
        while candidate in self._names:
            count += 1
            candidate = f"{name}_{count}"
        self._names.add(candidate)
        return candidate

    def _output_dtype(
        self, op_type: str, values: Sequence[ir.Value | None], attributes: dict[str, Any]
    ) -> ir.DataType | None:
        if op_type in _BOOLEAN:
            return ir.DataType.BOOL
        if op_type in {"Shape", "Size", "ArgMax", "NonZero"}:
            return ir.DataType.INT64
        if op_type == "Cast":
            return ir.DataType(attributes["to"])
        source = next((v for v in values[1:] if v is not None), None) if op_type == "Where" else values[0]
        return None if source is None else source.dtype


def _is_scalar(operand: Operand) -> bool:
    if isinstance(operand, ir.Value):
        shape = static_shape(operand)
        return shape is not None and len(shape) <= 1 and math.prod(shape) == 1
    return isinstance(operand, int | float)


def _common_shape(values: Sequence[ir.Value | None]) -> ir.Shape | None:
    large = [v for v in values if v is not None and not _is_scalar(v)]
    if not large or any(not same_shape(large[0], v) for v in large[1:]):
        return None
    return large[0].shape
