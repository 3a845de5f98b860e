"""What operators make of sizes: networks work out their own as numbers, often in floating point."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import onnx_ir as ir
from onnx_shape_inference import ShapeInferenceContext

from pixelgrad.exporters.opset18.shapes import constant, is_at_least

__all__ = ["VALUES", "Values", "scaled_size"]

#: Element by element; ``None`` where nothing is known of them.
Values = list[int | ir.SymbolicDim] | None
# Of numbers that are a shape.
_LONGEST = 16
_INTEGERS = {ir.DataType.INT64, ir.DataType.INT32}
_FLOATS = {ir.DataType.FLOAT, ir.DataType.DOUBLE}
# Of factors by which sizes are multiplied: halves, thirds, ... as fractions.
_LARGEST_DENOMINATOR = 64
# Up to which a formula for all sizes is compared with what is computed.
_LARGEST_SIZE = 1 << 14


def _filled(ctx: ShapeInferenceContext, node: ir.Node) -> Values:
    length = constant(node.inputs[0])
    filling = node.attributes.get("value")
    number = 0 if filling is None else filling.as_tensor().numpy().item()
    if length is None or length.size != 1 or length[0] > _LONGEST or not isinstance(number, int):
        return None
    return [number] * int(length[0])


def _compared(ctx: ShapeInferenceContext, node: ir.Node) -> Values:
    """1 and 0 for yes and no. A size is no negative number; of what else may be equal, nothing is known."""
    left, right = (ctx.get_symbolic_value(value) if value is not None else None for value in node.inputs)
    if left is None or right is None:
        return None
    length = max(len(left), len(right))
    left, right = (side * length if len(side) == 1 else side for side in (left, right))
    return [_equal(a, b, ctx) for a, b in zip(left, right, strict=True)] if len(left) == len(right) else None


def _equal(a: int | ir.SymbolicDim, b: int | ir.SymbolicDim, ctx: ShapeInferenceContext) -> int | ir.SymbolicDim:
    if isinstance(a, int) and isinstance(b, int):
        return int(a == b)
    if (isinstance(a, int) and a < 0) or (isinstance(b, int) and b < 0):
        return 0
    unknown: ir.SymbolicDim = ctx.new_symbolic_dim()
    return unknown


def _chosen(ctx: ShapeInferenceContext, node: ir.Node) -> Values:
    """PyTorch's ``expand(-1, ...)`` keeps the sizes that are not -1 in this way."""
    found = [ctx.get_symbolic_value(value) for value in node.inputs if value is not None]
    known = [values for values in found if values is not None]
    if len(known) != 3 or len({len(values) for values in known}) != 1:
        return None
    condition, yes, no = known
    if not all(isinstance(choice, int) for choice in condition):
        return None
    return [a if choice else b for choice, a, b in zip(condition, yes, no, strict=True)]


def _divided(ctx: ShapeInferenceContext, node: ir.Node) -> Values:
    """Quotients and remainders of sizes, as patches and padding to whole windows take them. No size is negative."""
    if node.outputs[0].dtype in _FLOATS:
        return _scaled(ctx, node)
    above, below = (ctx.get_symbolic_value(value) if value is not None else None for value in node.inputs)
    if above is None or below is None or len(below) != 1:
        return None
    (divisor,) = below
    if not isinstance(divisor, int) or divisor < 1:
        return None
    if node.op_type == "Div":
        return [_truncated(size, divisor) for size in above]
    return [
        size % divisor if isinstance(size, int) else _expression(f"Mod({size.value}, {divisor})", size)
        for size in above
    ]


def _truncated(size: int | ir.SymbolicDim, divisor: int) -> int | ir.SymbolicDim:
    """A quotient as ONNX Runtime has it, towards zero: what a size lacks of a number is negative at larger ones."""
    if isinstance(size, int):
        return size // divisor if size >= 0 else -(-size // divisor)
    if size.value is None or is_at_least(size, 0):
        return size // divisor
    return ir.SymbolicDim(f"floor(Max({size.value}, 0)/{divisor}) - floor(Max(-({size.value}), 0)/{divisor})")


def _scaled(ctx: ShapeInferenceContext, node: ir.Node) -> Values:
    """Sizes in floating point times, or by, a number: what is no whole number is only rounded afterwards."""
    if node.outputs[0].dtype not in _FLOATS:
        return None  # the library knows
    places = (0, 1) if node.op_type == "Mul" else (0,)
    for place in places:
        value, factor = node.inputs[place], constant(node.inputs[1 - place])
        sizes = ctx.get_symbolic_value(value) if value is not None else None
        if sizes is None or factor is None or factor.size != 1 or not float(factor.item()) > 0:
            continue
        exact = float(factor.item())
        times = Fraction(exact).limit_denominator(_LARGEST_DENOMINATOR)
        if float(times) != exact:
            return None
        if node.op_type == "Div":
            times = 1 / times
        found = [_times(size, times) for size in sizes]
        return None if None in found else [size for size in found if size is not None]
    return None


def _times(size: int | ir.SymbolicDim, factor: Fraction) -> int | ir.SymbolicDim | None:
    if isinstance(size, int):
        product = size * factor
        return int(product) if product.denominator == 1 else None
    return _expression(f"({size.value})*{factor.numerator}/{factor.denominator}", size)


def scaled_size(size: int | ir.SymbolicDim, scale: np.float32) -> int | ir.SymbolicDim:
    """floor(size * scale) with the product in float32; unknown where no short formula says so of all sizes."""
    if isinstance(size, int):
        return int(np.float32(size) * scale)
    factor = Fraction(float(scale)).limit_denominator(_LARGEST_DENOMINATOR)
    whole = np.arange(1, _LARGEST_SIZE)
    actual = (whole.astype(np.float32) * scale).astype(np.int64)
    if size.value is None or not np.array_equal(actual, whole * factor.numerator // factor.denominator):
        return ir.SymbolicDim(None)
    product = f"({size.value})*{factor.numerator}"
    return ir.SymbolicDim(product if factor.denominator == 1 else f"floor({product}/{factor.denominator})")


def _expression(text: str, size: ir.SymbolicDim) -> ir.SymbolicDim:
    return ir.SymbolicDim(None if size.value is None else text)


def _extreme(ctx: ShapeInferenceContext, node: ir.Node) -> Values:
    """The larger or the smaller, as TensorFlow's SAME padding has the larger of nothing and what lacks."""
    found = [ctx.get_symbolic_value(value) for value in node.inputs if value is not None]
    known = [values for values in found if values is not None]
    length = max(map(len, known), default=0)
    if len(known) < len(found) or any(len(values) not in (1, length) for values in known):
        return None
    rows = [values * length if len(values) == 1 else values for values in known]
    return [_extreme_of(node.op_type, column) for column in zip(*rows, strict=True)]


def _extreme_of(name: str, sizes: Sequence[int | ir.SymbolicDim]) -> int | ir.SymbolicDim:
    whole = [size for size in sizes if isinstance(size, int)]
    texts = [size.value for size in sizes if not isinstance(size, int)]
    if None in texts:
        return ir.SymbolicDim(None)
    if whole:
        number = max(whole) if name == "Max" else min(whole)
        if not texts:
            return number
        texts.append(str(number))
    return ir.SymbolicDim(f"{name}({', '.join(map(str, texts))})")


def _cast(ctx: ShapeInferenceContext, node: ir.Node) -> Values:
    """Into floating point and back, where what is behind the point is lost."""
    source, result = node.inputs[0], node.outputs[0]
    values: Values = ctx.get_symbolic_value(source) if source is not None else None
    if source is None or values is None or result.dtype not in _INTEGERS | _FLOATS:
        return None
    if source.dtype in _INTEGERS or result.dtype in _FLOATS:
        return values
    return [size if isinstance(size, int) else _expression(f"floor({size.value})", size) for size in values]


VALUES: dict[str, Callable[[ShapeInferenceContext, ir.Node], Values]] = {
    "Cast": _cast,
    "ConstantOfShape": _filled,
    "Div": _divided,
    "Equal": _compared,
    "Max": _extreme,
    "Min": _extreme,
    "Mod": _divided,
    "Mul": _scaled,
    "Where": _chosen,
}
