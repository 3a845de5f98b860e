"""Shapes as symbolic expressions of the input's free sizes, by the onnx-shape-inference library."""

from __future__ import annotations

import ast
import logging
import math
import re
from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import sympy
from onnx_ir import _symbolic_shapes as ir_shapes
from onnx_shape_inference import (
    ShapeInferenceContext,
    ShapeInferenceError,
    _symbolic_shapes,
    infer_symbolic_shapes,
    registry,
)

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.opset18.attributes import integer, integers, optional, text
from pixelgrad.exporters.opset18.equations import parse
from pixelgrad.exporters.opset18.folding import fold_numbers
from pixelgrad.exporters.opset18.resizes import name_sizes_of_resizes
from pixelgrad.exporters.opset18.shapes import SIZES, constant, elements, is_at_least, shorter
from pixelgrad.exporters.opset18.size_values import VALUES, Values, scaled_size

# Both libraries write ceilings, of poolings in ceil_mode and of SAME padding, and neither reads them back.
for _functions in (_symbolic_shapes.ALLOWED_FUNCTIONS, ir_shapes._ALLOWED_FUNCTIONS):
    _functions["ceiling"] = sympy.ceiling

logging.getLogger("onnx_shape_inference").setLevel(logging.ERROR)
registry.collect()

_Step = Callable[[ShapeInferenceContext, ir.Node], None]


def infer_shapes(model: ir.Model) -> None:
    """Fill in the type and shape of every value of ``model``, in place.

    Free dimensions of inputs that have no name get one first, so that what is computed from them can be compared.
    Raises :class:`NetworkError` where the graph contradicts itself.
    """
    for value in model.graph.inputs:
        if value.shape is None:
            continue
        for axis, dim in enumerate(value.shape):
            if isinstance(dim, ir.SymbolicDim) and dim.value is None:
                value.shape[axis] = re.sub(r"\W", "_", f"size_{value.name}_{axis}")
    try:
        _infer(model)
        while fold_numbers(model.graph):
            _infer(model)
        name_sizes_of_resizes(model.graph)
    except (ShapeInferenceError, ValueError) as error:
        raise NetworkError(f"the shapes in the network do not fit together: {error}") from error


def _infer(model: ir.Model) -> None:
    # Names that a file gives to sizes on the way are of no use, and to adopt them the library compares all products on
    # both sides of all reshapes by computer algebra: seven minutes in place of five seconds for a Swin transformer.
    infer_symbolic_shapes(model, warn_on_missing=False, adopt_declared_symbols=False)


def name_sizes(model: ir.Model) -> None:
    """Give each free size of an input or output whose name is no expression one that is, in place.

    ONNX lets such a name be any string ("image height", "?", "p2o.DynamicDimension.0"); here it is computed with.
    """
    names: dict[str, str] = {}
    for value in (*model.graph.inputs, *model.graph.outputs):
        named: list[int | str | ir.SymbolicDim | None] = list(value.shape or ())
        for axis, dim in enumerate(named):
            if (isinstance(dim, int) and dim < 0) or (isinstance(dim, ir.SymbolicDim) and dim.value == ""):
                named[axis] = None  # as some exporters write any size; two such are not of one
            elif isinstance(dim, ir.SymbolicDim) and dim.value is not None and not _is_expression(dim.value):
                named[axis] = names.setdefault(dim.value, f"size_{len(names)}_" + re.sub(r"\W", "_", dim.value))
        if value.shape is not None:
            value.shape = ir.Shape(named)


def _is_expression(name: str) -> bool:
    try:
        ir_shapes.parse_symbolic_expression(name)
        tree = ast.parse(name, mode="eval")
    except (SyntaxError, ValueError):
        return False
    return not any(isinstance(node, ast.Attribute) for node in ast.walk(tree))


def _afterwards(*op_types: str) -> Callable[[_Step], _Step]:
    """Have a function mend, or add to, what the library infers of a node of ``op_types``."""

    def register(step: _Step) -> _Step:
        for op_type in op_types:
            _follow(op_type, step)
        return step

    return register


def _follow(op_type: str, step: _Step) -> None:
    infer = registry.get("", op_type, version=18)
    assert infer is not None

    def inferred(ctx: ShapeInferenceContext, node: ir.Node) -> None:
        infer(ctx, node)
        step(ctx, node)

    registry.register("", op_type, since_version=18)(inferred)


@_afterwards("MaxPool", "AveragePool", "LpPool")
def _correct_ceil_mode(ctx: ShapeInferenceContext, node: ir.Node) -> None:
    """Teach the library that no pooling window starts beyond the input and its front padding.

    With ceil_mode the last window may reach over the end, but one that would start there is dropped (the ONNX
    specification since opset 22, ONNX Runtime and PyTorch in every version).
    """
    x, y = node.inputs[0], node.outputs[0]
    if not integer(node, "ceil_mode", 0) or x is None or x.shape is None or y.shape is None:
        return
    kernel = integers(node, "kernel_shape") or []
    n = len(kernel)
    strides = integers(node, "strides", [1] * n) or []
    dilations = integers(node, "dilations", [1] * n) or []
    pads = integers(node, "pads", [0] * 2 * n) or []
    dims = list(y.shape)
    for axis in range(n):
        size, count = x.shape[2 + axis], dims[2 + axis]
        extent = (kernel[axis] - 1) * dilations[axis] + 1
        if isinstance(size, int) and isinstance(count, int):
            dims[2 + axis] = count - int((count - 1) * strides[axis] >= size + pads[axis])
        elif pads[n + axis] - extent + strides[axis] - 1 >= 0:
            dims[2 + axis] = ir.SymbolicDim(None)  # whether the last one is dropped depends on the size
    y.shape = ir.Shape(dims)


@_afterwards("Conv", "MaxPool", "AveragePool")
def _shorten_maps(ctx: ShapeInferenceContext, node: ir.Node) -> None:
    """Write sizes of maps that have become long as short as they can be: what is padded as TensorFlow's SAME says it,
    which depends on the size in three places, would grow by as much with every stride.
    """
    shape = node.outputs[0].shape
    if shape is not None:
        node.outputs[0].shape = ir.Shape([d if isinstance(d, int) else shorter(d) for d in shape])


def _follow_values(op_type: str, values: Callable[[ShapeInferenceContext, ir.Node], Values]) -> None:
    """Teach the library what numbers ``op_type`` makes of sizes."""

    @_afterwards(op_type)
    def with_values(ctx: ShapeInferenceContext, node: ir.Node) -> None:
        found = values(ctx, node)
        if found is not None:
            ctx.set_symbolic_value(node.outputs[0], found)


@_afterwards("ConstantOfShape")
def _fill_shapes(ctx: ShapeInferenceContext, node: ir.Node) -> None:
    """Teach the library that sizes which it knows as formulas are a shape as well: masks and zeros are so large."""
    sizes = ctx.get_symbolic_value(node.inputs[0]) if node.inputs[0] is not None else None
    if node.outputs[0].shape is None and sizes is not None:
        node.outputs[0].shape = ir.Shape(sizes)


@_afterwards("Resize")
def _round_as_float32(ctx: ShapeInferenceContext, node: ir.Node) -> None:
    """Teach the library that sizes are multiplied in float32, as ONNX Runtime does it: 10 times 0.7 is 7, although the
    0.7 of a file is a little less.
    """
    x, y = node.inputs[0], node.outputs[0]
    scales = constant(optional(node, 2))
    if x is None or x.shape is None or y.shape is None or scales is None or not scales.size:
        return
    dims = list(y.shape)
    axes = [axis % len(dims) for axis in integers(node, "axes", range(len(dims))) or []]
    for axis, scale in zip(axes, scales.astype(np.float32), strict=True):
        dims[axis] = scaled_size(x.shape[axis], scale)
    y.shape = ir.Shape(dims)


@_afterwards("Pad")
def _follow_paddings(ctx: ShapeInferenceContext, node: ir.Node) -> None:
    """Teach the library what a padding makes of a map where it is worked out from the map's size."""
    x, pads = node.inputs[0], node.inputs[1]
    values = ctx.get_symbolic_value(pads) if pads is not None else None
    if x is None or x.shape is None or values is None or constant(pads) is not None or len(node.inputs) > 3:
        return
    if len(values) == 2 * (rank := len(x.shape)):
        node.outputs[0].shape = ir.Shape([x.shape[k] + values[k] + values[rank + k] for k in range(rank)])


@_afterwards("Slice")
def _follow_slices(ctx: ShapeInferenceContext, node: ir.Node) -> None:
    """Teach the library that a slice leaves the axes alone that it is not along, wherever it begins, and that one of
    an axis of free size ends where that does.
    """
    x, y = node.inputs[0], node.outputs[0]
    bounds = [constant(optional(node, place)) for place in (1, 2)]
    along = constant(optional(node, 3))
    if along is None and len(node.inputs) < 4 and bounds[0] is not None:
        along = np.arange(bounds[0].size)
    if x is None or x.shape is None or y.shape is None or along is None:
        return
    rank = len(x.shape)
    axes = [int(axis) % rank for axis in along]
    shape = [y.shape[axis] if axis in axes else x.shape[axis] for axis in range(rank)]
    starts, ends = bounds
    if starts is not None and ends is not None:
        for axis, start, end in zip(axes, starts.tolist(), ends.tolist(), strict=True):
            size, length = x.shape[axis], shape[axis]
            # One element of an axis is taken to be there: a class token, say.
            if isinstance(size, ir.SymbolicDim) and isinstance(length, int) and end - start > 1:
                shape[axis] = length if is_at_least(size, end) else ctx.new_symbolic_dim()
    y.shape = ir.Shape(shape)


@_afterwards("Expand", "Tile", "Unsqueeze")
def _keep_ranks(ctx: ShapeInferenceContext, node: ir.Node) -> None:
    """Teach the library what rank there is where a shape, repeats or new axes are known at run time only."""
    x, second, y = node.inputs[0], node.inputs[1], node.outputs[0]
    if y.shape is not None or x is None or x.shape is None or second is None or second.shape is None:
        return
    rank, count = len(x.shape), second.shape[0] if second.shape else 1
    if isinstance(count, int):
        found = {"Expand": max(rank, count), "Tile": rank, "Unsqueeze": rank + count}[node.op_type]
        y.shape = ir.Shape([ctx.new_symbolic_dim() for _ in range(found)])


@_afterwards("Split")
def _forget_even_splits(ctx: ShapeInferenceContext, node: ir.Node) -> None:
    """Teach the library that a split whose sizes are known at run time only need not be even."""
    sizes = optional(node, 1)
    if sizes is None or constant(sizes) is not None:
        return
    known = ctx.get_symbolic_value(sizes)
    axis = integer(node, "axis", 0)
    for index, output in enumerate(node.outputs):
        if output.shape is not None:
            dims = list(output.shape)
            dims[axis] = known[index] if known and len(known) == len(node.outputs) else ctx.new_symbolic_dim()
            output.shape = ir.Shape(dims)


def _infer_einsum(ctx: ShapeInferenceContext, node: ir.Node) -> None:
    """In the library's place, which wants as many axes of every ellipsis."""
    values = [value for value in node.inputs if value is not None]
    shapes = [value.shape for value in values if value.shape is not None]
    if len(shapes) < len(node.inputs):
        return
    sizes: dict[str, int | ir.SymbolicDim] = {}
    try:
        operands, output = parse(text(node, "equation", ""), [len(shape) for shape in shapes])
    except ValueError as error:
        raise ShapeInferenceError(node_name=node.name, op_type="Einsum", domain="", message=str(error)) from error
    for labels, shape in zip(operands, shapes, strict=True):
        for label, size in zip(labels, shape, strict=True):
            if sizes.get(label, 1) == 1:
                sizes[label] = size
    ctx.set_shape_and_dtype(node.outputs[0], ir.Shape([sizes[label] for label in output]), values[0].dtype)


@_afterwards("Reshape")
def _divide_reshapes(ctx: ShapeInferenceContext, node: ir.Node) -> None:
    """Teach the library to cancel what a reshape keeps: the -1 of [1, T, 96] as [1, T, -1, 32] is 3 whatever T is.

    It divides one product by the other, and finds that 96 T / 32 T is 3 for a plain T only.
    """
    x, y = node.inputs[0], node.outputs[0]
    target = ctx.get_symbolic_value(node.inputs[1]) if node.inputs[1] is not None else None
    if x is None or x.shape is None or y.shape is None or not target or target.count(-1) != 1:
        return
    place = target.index(-1)
    others = [dim for axis, dim in enumerate(y.shape) if axis != place]
    size = _quotient(list(x.shape), others)
    if size is not None:
        y.shape = ir.Shape([*others[:place], size, *others[place:]])


def _quotient(above: list[int | ir.SymbolicDim], below: list[int | ir.SymbolicDim]) -> int | ir.SymbolicDim | None:
    """One product over another, where that is known to be a whole number or what is left when both have cancelled."""
    left, rest = [dim for dim in above if isinstance(dim, ir.SymbolicDim)], []
    for dim in below:
        if isinstance(dim, ir.SymbolicDim) and dim in left:
            left.remove(dim)
        elif isinstance(dim, ir.SymbolicDim):
            rest.append(dim)
    numbers = [math.prod(dim for dim in dims if isinstance(dim, int)) for dims in (above, below)]
    if not numbers[1]:
        return None
    if not rest and numbers[0] % numbers[1] == 0:
        size: int | ir.SymbolicDim = math.prod(left, start=numbers[0] // numbers[1])
        return size
    # That it is the same number for images of many sizes is no proof, but it is no chance either.
    found = set()
    for size in SIZES:
        sizes = {"H": size, "W": size + 17}  # a little wider than it is high
        a, b = elements([*left, numbers[0]], sizes), elements([*rest, numbers[1]], sizes)
        if a is None or not b or a % b:
            return None
        found.add(a // b)
    return found.pop() if len(found) == 1 else None


registry.register("", "Einsum", since_version=12)(_infer_einsum)
for _operator, _values in VALUES.items():
    _follow_values(_operator, _values)
