"""Convolution and transposed convolution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.autodiff.emitter import Emitter
from pixelgrad.exporters.autodiff.registry import rule
from pixelgrad.exporters.autodiff.rules.window import END, Window, crop, flip, window
from pixelgrad.exporters.opset18.attributes import integer, integers, operand, optional, text
from pixelgrad.exporters.opset18.shapes import constant, dims, static_shape

Cotangents = Sequence[ir.Value | None]
# The key under which a kernel turned around (input and output channels changed places, all of it reversed in space)
# keeps what it was made from, among what onnx-ir lets a value carry: for passes that want to fold both at once.
TURNED = "pixelgrad.turned"


def _kernel(node: ir.Node) -> list[int]:
    weight = operand(node, 1)
    given = integers(node, "kernel_shape")
    sizes = given or [size for size in dims(weight)[2:] if isinstance(size, int)]
    if len(sizes) < len(dims(weight)) - 2:
        raise NetworkError(f"{node.op_type} at {node.outputs[0].name!r}: the kernel's size must be known")
    return sizes


@rule("Conv")
def conv(op: Emitter, node: ir.Node, ct: ir.Value) -> Cotangents:
    x, weight, bias = operand(node), operand(node, 1), optional(node, 2)
    group = integer(node, "group", 1)
    w = window(op, node, _kernel(node))
    return (
        _to_input(op, x, weight, ct, w, group) if op.needs(x) else None,
        _to_weight(op, x, ct, w, group, weight) if op.needs(weight) else None,
        op.ReduceSum(ct, [0, *w.axes], keepdims=0) if op.needs(bias) else None,
    )


def _to_input(op: Emitter, x: ir.Value, weight: ir.Value, ct: ir.Value, w: Window, group: int) -> ir.Value:
    if set(w.strides) == {1} and not isinstance(w.pads_begin, ir.Value) and not isinstance(w.pads_end, ir.Value):
        # A convolution with the kernel turned around, which the CPU runs in its blocked kernels: 6 ms against
        # 11 ms as ConvTranspose. Windows that lie wholly in the padding have no part in it.
        begin = [e - 1 - p for e, p in zip(w.extent, w.pads_begin, strict=True)]
        end = [e - 1 - p for e, p in zip(w.extent, w.pads_end, strict=True)]
        if min(*begin, *end, 0) < 0:
            starts = [max(-p, 0) for p in begin]
            ends = [min(p, 0) or END for p in end]
            ct = op.Slice(ct, starts, ends, w.axes)
        pads = [max(p, 0) for p in (*begin, *end)]
        result = op.Conv(ct, _turned(op, weight, w, group), pads=pads, dilations=list(w.dilations), group=group)
        result.shape = x.shape
        return result
    # Zero pads and a cut afterwards: CUDA leaves one with asymmetric pads to the CPU, CoreML takes no output_shape.
    full = op.ConvTranspose(ct, weight, strides=list(w.strides), dilations=list(w.dilations), group=group)
    if w.unpadded and set(w.kernel) == {1} and set(w.strides) == {1}:
        return full
    return crop(op, full, w.pads_begin, x, _uncovered(x, w))


def _uncovered(x: ir.Value, w: Window) -> list[int]:
    """How far past the last window the input may reach, per axis: exact where sizes are known, else a bound."""
    sizes = static_shape(x)
    result = []
    for axis, (stride, extent) in enumerate(zip(w.strides, w.extent, strict=True)):
        if isinstance(w.pads_begin, ir.Value) or isinstance(w.pads_end, ir.Value):
            result.append(max(stride - extent, 0))  # SAME: the last window reaches the end unless it is shorter
            continue
        behind = w.pads_end[axis]
        if sizes is None:
            result.append(max(stride - 1 - behind, 0))
        else:
            left = (sizes[2 + axis] + w.pads_begin[axis] + behind - extent) % stride
            result.append(max(left - behind, 0))
    return result


def _turned(op: Emitter, weight: ir.Value, w: Window, group: int) -> ir.Value:
    """[O, I/g, ...] -> [I, O/g, ...], turned around in space; folded into a constant when a session loads."""
    outputs, inputs = dims(weight)[:2]
    stored = weight
    if group == 1:
        weight = op.Transpose(weight, perm=[1, 0, *w.axes])
    elif not (outputs == group and inputs == 1):  # depthwise: nothing to swap
        assert isinstance(outputs, int)
        assert isinstance(inputs, int)
        apart = op.Reshape(weight, [group, outputs // group, inputs, *w.kernel])
        swapped = op.Transpose(apart, perm=[0, 2, 1, *(axis + 1 for axis in w.axes)])
        weight = op.Reshape(swapped, [group * inputs, outputs // group, *w.kernel])
    axes = [axis for axis, k in zip(w.axes, w.kernel, strict=True) if k > 1]
    turned = flip(op, weight, axes) if axes else weight
    if isinstance(outputs, int) and isinstance(inputs, int):
        turned.shape = ir.Shape([inputs * group, outputs // group, *w.kernel])
    if group == 1:
        turned.meta[TURNED] = stored
    return turned


def _to_weight(op: Emitter, x: ir.Value, ct: ir.Value, w: Window, group: int, weight: ir.Value) -> ir.Value:
    """A convolution of the input with the cotangent as its kernel; batch and channels change places."""
    pads: list[int] | None
    if isinstance(w.pads_begin, ir.Value) or isinstance(w.pads_end, ir.Value):
        ends = [np.zeros(2, dtype=np.int64), w.pads_begin, np.zeros(2, dtype=np.int64), w.pads_end]
        padded = op.Pad(x, op.Concat(*map(op.value, ends), axis=0))
        padded.shape = ir.Shape([*dims(x)[:2], *[None] * len(w.kernel)])
        x, pads = padded, None
    else:
        pads = [*w.pads_begin, *w.pads_end]
    kernel = op.Conv(
        _groups_as_batch(op, x, group, w, swap=True),
        _groups_as_batch(op, ct, group, w, swap=False),
        pads=pads,
        strides=list(w.dilations),
        dilations=list(w.strides),
        group=group,
    )
    kernel = op.Slice(kernel, [0] * len(w.kernel), list(w.kernel), w.axes)
    return op.reshape_like(op.Transpose(kernel, perm=[1, 0, *w.axes]), weight)


def _groups_as_batch(op: Emitter, x: ir.Value, group: int, w: Window, swap: bool) -> ir.Value:
    """[N, G C, ...] -> [C, G N, ...] (``swap``) or [G C, N, ...]."""
    if group == 1 or not swap:
        return op.Transpose(x, perm=[1, 0, *w.axes])
    channels = dims(x)[1]
    assert isinstance(channels, int)
    shape = op.Concat(op.shape(x, end=1), op.value([group, channels // group]), op.shape(x, start=2), axis=0)
    apart = op.Transpose(op.Reshape(x, shape), perm=[2, 1, 0, *(axis + 1 for axis in w.axes)])
    shape = op.Concat(op.value([channels // group, -1]), op.shape(x, start=2), axis=0)
    return op.Reshape(apart, shape)


@rule("ConvTranspose")
def conv_transpose(op: Emitter, node: ir.Node, ct: ir.Value) -> Cotangents:
    x, weight, bias = operand(node), operand(node, 1), optional(node, 2)
    group = integer(node, "group", 1)
    kernel = _kernel(node)
    begin, end = _transposed_pads(node, kernel)
    n = len(kernel)
    strides = integers(node, "strides", [1] * n) or []
    dilations = integers(node, "dilations", [1] * n) or []
    w = Window(tuple(kernel), tuple(strides), tuple(dilations), begin, end, False)
    return (
        op.Conv(ct, weight, pads=[*begin, *end], strides=strides, dilations=dilations, group=group)
        if op.needs(x)
        else None,
        _to_weight(op, ct, x, w, group, weight) if op.needs(weight) else None,
        op.ReduceSum(ct, [0, *w.axes], keepdims=0) if op.needs(bias) else None,
    )


def _transposed_pads(node: ir.Node, kernel: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    n = len(kernel)
    strides = integers(node, "strides", [1] * n) or []
    dilations = integers(node, "dilations", [1] * n) or []
    extra = integers(node, "output_padding", [0] * n) or []
    shape, auto = integers(node, "output_shape"), text(node, "auto_pad", "NOTSET")
    extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    if shape is None and not auto.startswith("SAME"):
        pads = [0] * 2 * n if auto == "VALID" else integers(node, "pads", [0] * 2 * n) or []
        return tuple(pads[:n]), tuple(pads[n:])
    if shape is None:
        totals = [e - s + o for e, s, o in zip(extent, strides, extra, strict=True)]
    else:
        sizes = static_shape(operand(node))
        if sizes is None:
            raise NetworkError(
                f"ConvTranspose at {node.outputs[0].name!r} has a fixed output_shape but an input of free size; "
                "export the network with pads instead"
            )
        totals = [
            s * (size - 1) + o + e - out
            for s, size, o, e, out in zip(strides, sizes[2:], extra, extent, shape[-n:], strict=True)
        ]
    if min(totals) < 0:
        raise NetworkError(f"ConvTranspose at {node.outputs[0].name!r}: negative padding has no gradient rule")
    half = tuple(t // 2 for t in totals)
    rest = tuple(t - h for t, h in zip(totals, half, strict=True))
    return (half, rest) if auto == "SAME_UPPER" else (rest, half)


@rule("Col2Im")
def col2im(op: Emitter, node: ir.Node, ct: ir.Value) -> ir.Value:
    """Blocks added into an image [N, C, ...]: taken from it again, by a kernel for each position in a block."""
    x, block = operand(node), constant(operand(node, 2))
    if block is None:
        raise NetworkError(f"Col2Im at {node.outputs[0].name!r}: the shape of its blocks must be known before it runs")
    count, n = int(block.prod()), block.size
    dtype = (x.dtype or ir.DataType.FLOAT).numpy()
    kernels = op.const(np.eye(count, dtype=dtype).reshape(count, 1, *block))
    alone = op.Reshape(ct, op.Concat(op.value([-1, 1]), op.shape(node.outputs[0], start=2), axis=0))
    found = op.Conv(
        alone,
        kernels,
        strides=integers(node, "strides", [1] * n),
        dilations=integers(node, "dilations", [1] * n),
        pads=integers(node, "pads", [0] * 2 * n),
    )
    return op.reshape_like(found, x)
