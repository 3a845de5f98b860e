"""Sizes known as formulas of the inputs' sizes, computed from those inputs' shapes.

Asking a feature map for its shape would do as well, but ONNX Runtime keeps feature maps in a blocked layout on the
CPU and would first copy the whole map out of it: 5 times 5 to 20 ms in a VGG-19 step at 512 x 512.
"""

from __future__ import annotations

import ast
from collections.abc import Callable

import onnx_ir as ir

from pixelgrad.exporters.opset18.shapes import trials

# A rational number: an int64 [1] value or a known integer, over a known denominator.
_Rational = tuple[ir.Value | int, int]
_Emit = Callable[..., ir.Value]
# Of which formulas are tried.
_SIZES = (16, 33, 1001)


class UnknownSizeError(Exception):
    """The formula uses something that no input's shape tells."""


class Sizes:
    """Turns symbolic dimensions into int64 [1] values."""

    def __init__(self, graph: ir.Graph, emit: _Emit) -> None:
        """``emit(op_type, *inputs, **attributes)`` appends a node to ``graph``."""
        self._emit = emit
        self._symbols: dict[str, tuple[ir.Value, int]] = {}
        self._known: dict[str, ir.Value] = {}
        for value in graph.inputs:
            for axis, dim in enumerate(value.shape or ()):
                if isinstance(dim, ir.SymbolicDim) and dim.value is not None and dim.value.isidentifier():
                    self._symbols.setdefault(dim.value, (value, axis))

    def __call__(self, dim: ir.SymbolicDim) -> ir.Value:
        """The size as int64 [1]; raises :class:`UnknownSizeError`."""
        if dim.value is None:
            raise UnknownSizeError
        if dim.value not in self._known:
            number, denominator = self._evaluate(ast.parse(dim.value, mode="eval").body)
            if denominator != 1 or isinstance(number, int):
                raise UnknownSizeError
            self._known[dim.value] = number
        return self._known[dim.value]

    def _evaluate(self, node: ast.expr) -> _Rational:
        match node:
            case ast.Constant(value=int() as number):
                return number, 1
            case ast.Name(id=name) if name in self._symbols:
                return self._symbol(name), 1
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                value, denominator = self._evaluate(operand)
                return self._times(value, -1), denominator
            case ast.Call(func=ast.Name(id="floor"), args=[argument]):
                return self._floor(argument), 1
            case ast.BinOp(left=left, op=operation, right=right):
                return self._binary(self._evaluate(left), operation, self._evaluate(right))
        raise UnknownSizeError

    def _floor(self, argument: ast.expr) -> ir.Value | int:
        number, denominator = self._evaluate(argument)
        if isinstance(number, int):
            return number // denominator
        if denominator == 1:
            return number
        below = self._below_zero(argument)
        if not any(below):
            return self._emit("Div", number, denominator)
        # Div cuts off what is behind the point, which is no floor of a negative number; ceilings are written as such.
        if all(below):
            up = self._plus(self._times(number, -1), denominator - 1)
            return self._times(self._emit("Div", up, denominator), -1)
        return self._emit("Div", self._emit("Sub", number, self._emit("Mod", number, denominator)), denominator)

    def _below_zero(self, formula: ast.expr) -> list[bool]:
        """Whether it is negative, for several sizes of the image."""
        names = {node.id for node in ast.walk(formula) if isinstance(node, ast.Name)} & self._symbols.keys()
        dim = ir.SymbolicDim(f"floor({ast.unparse(formula)})")
        values = [dim.evaluate(sizes) for sizes in trials(names, _SIZES)]
        return [isinstance(value, int) and value < 0 for value in values]

    def _binary(self, left: _Rational, operation: ast.operator, right: _Rational) -> _Rational:
        (a, over_a), (b, over_b) = left, right
        match operation:
            case ast.Add():
                return self._plus(self._times(a, over_b), self._times(b, over_a)), over_a * over_b
            case ast.Sub():
                return self._plus(self._times(a, over_b), self._times(b, -over_a)), over_a * over_b
            case ast.Mult():
                return self._times(a, b), over_a * over_b
            case ast.Div() if isinstance(b, int) and b > 0:
                return self._times(a, over_b), over_a * b
        raise UnknownSizeError

    def _times(self, a: ir.Value | int, b: ir.Value | int) -> ir.Value | int:
        if isinstance(a, int) and isinstance(b, int):
            return a * b
        if a == 1 or b == 1:
            return b if a == 1 else a
        return self._emit("Mul", *((a, b) if isinstance(a, ir.Value) else (b, a)))

    def _plus(self, a: ir.Value | int, b: ir.Value | int) -> ir.Value | int:
        if isinstance(a, int) and isinstance(b, int):
            return a + b
        if a == 0 or b == 0:
            return b if a == 0 else a
        return self._emit("Add", *((a, b) if isinstance(a, ir.Value) else (b, a)))

    def _symbol(self, name: str) -> ir.Value:
        if name not in self._known:
            value, axis = self._symbols[name]
            self._known[name] = self._emit("Shape", value, start=axis, end=axis + 1)
        return self._known[name]
