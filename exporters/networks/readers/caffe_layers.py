"""Caffe's layer types as ONNX operators, in Caffe's semantics.

Each function gets the layer, its bottoms as values, its weights and a :class:`Writer`; it returns one value per top.
Sources: the layer catalogue of BVLC/caffe and, where that is silent, the forward passes of its CPU layers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.networks.builder import Array, GraphBuilder
from pixelgrad.exporters.networks.readers.caffe_net import Layer

LAYERS: dict[str, Callable[[Writer], Sequence[ir.Value]]] = {}

INPUTS = {"Input", "Data", "ImageData", "HDF5Data", "MemoryData", "WindowData", "DummyData", "AnnotatedData"}
# What trains or evaluates: no part of the picture, and nothing that uses it is either.
TRAINING = {
    "Accuracy", "ArgMax", "Silence", "SoftmaxWithLoss", "EuclideanLoss", "HingeLoss", "InfogainLoss",
    "ContrastiveLoss", "MultinomialLogisticLoss", "SigmoidCrossEntropyLoss", "MultiBoxLoss", "HDF5Output",
    "SOFTMAX_LOSS", "EUCLIDEAN_LOSS", "HINGE_LOSS", "INFOGAIN_LOSS", "CONTRASTIVE_LOSS", "HDF5_OUTPUT",
    "MULTINOMIAL_LOGISTIC_LOSS", "SIGMOID_CROSS_ENTROPY_LOSS", "PriorBox", "DetectionOutput", "DetectionEvaluate",
}  # fmt: skip


@dataclass
class Writer:
    """One layer being written: ``names`` are what its tops are to be called."""

    build: GraphBuilder
    layer: Layer
    inputs: Sequence[ir.Value]
    weights: Sequence[Array]
    names: Sequence[str]

    @property
    def x(self) -> ir.Value:
        if not self.inputs:
            raise self.error("has no bottom")
        return self.inputs[0]

    def param(self, name: str) -> Any:
        return getattr(self.layer.message, f"{name}_param")

    def op(self, op_type: str, *inputs: ir.Value | None, part: str = "", **attributes: Any) -> ir.Value:
        """A node; ``part`` names a step on the way, else it is the layer's top."""
        name = f"{self.layer.name}/{part}" if part else self.names[0]
        return self.build.op(op_type, *inputs, name=name, step=bool(part), **attributes)

    def weight(self, part: str, array: Any, dtype: Any = np.float32) -> ir.Value:
        return self.build.weight(f"{self.layer.name}/{part}", array, dtype)

    def blob(self, index: int) -> Array:
        if index >= len(self.weights):
            raise self.error(f"needs {index + 1} weight blobs and has {len(self.weights)}")
        return self.weights[index]

    def error(self, why: str) -> NetworkError:
        return NetworkError(f"layer {self.layer.name!r} ({self.layer.type}) {why}")


def layer(*types: str) -> Callable[[Callable[[Writer], Any]], Callable[[Writer], Any]]:
    def register(function: Callable[[Writer], Any]) -> Callable[[Writer], Any]:
        def several(w: Writer) -> Sequence[ir.Value]:
            result = function(w)
            return [result] if isinstance(result, ir.Value) else result

        LAYERS.update(dict.fromkeys(types, several))
        return function

    return register


def pair(message: Any, name: str, short: str, default: int) -> list[int]:
    """A height and a width: ``kernel_h`` and ``kernel_w``, or ``kernel_size`` once or twice."""
    if message.HasField(f"{short}_h") or message.HasField(f"{short}_w"):
        return [getattr(message, f"{short}_h") or default, getattr(message, f"{short}_w") or default]
    value = getattr(message, name)
    values = [value] if isinstance(value, int) else list(value)
    return (values * 2)[:2] if values else [default, default]


@layer("Convolution", "Deconvolution")
def _convolution(w: Writer) -> ir.Value:
    p = w.param("convolution")
    kernel, stride, pad = (
        pair(p, *row) for row in (("kernel_size", "kernel", 0), ("stride", "stride", 1), ("pad", "pad", 0))
    )
    dilation = (list(p.dilation) * 2)[:2] or [1, 1]
    weight = w.blob(0)
    if p.axis != 1 or weight.ndim != 4:
        raise w.error("is no convolution over height and width")
    if list(weight.shape[2:]) != kernel:
        raise w.error(f"has weights for a {weight.shape[2]}x{weight.shape[3]} kernel, not {kernel[0]}x{kernel[1]}")
    outputs = weight.shape[0] if w.layer.type == "Convolution" else weight.shape[1] * p.group
    if p.num_output and outputs != p.num_output:
        raise w.error(f"has weights for {outputs} channels, not {p.num_output}")
    bias = w.weight("bias", w.blob(1).reshape(-1)) if p.bias_term else None
    return w.op(
        "Conv" if w.layer.type == "Convolution" else "ConvTranspose",
        w.x,
        w.weight("weight", weight),
        bias,
        kernel_shape=kernel,
        strides=stride,
        pads=pad * 2,
        dilations=dilation,
        group=p.group,
    )


@layer("InnerProduct")
def _inner_product(w: Writer) -> ir.Value:
    p, weight = w.param("inner_product"), w.blob(0)
    if p.axis != 1:
        raise w.error(f"works along axis {p.axis}; only axis 1 is supported")
    weight = weight.reshape(weight.shape[-2:])  # the old format writes [1, 1, outputs, inputs]
    flat = w.op("Flatten", w.x, part="flat", axis=1)
    bias = w.weight("bias", w.blob(1).reshape(-1)) if p.bias_term else None
    return w.op("Gemm", flat, w.weight("weight", weight), bias, transB=0 if p.transpose else 1)


@layer("Pooling")
def _pooling(w: Writer) -> ir.Value:
    """Caffe rounds sizes up; its averages count the padding, but nothing that lies beyond it."""
    p = w.param("pooling")
    if p.pool not in (0, 1):
        raise w.error("pools stochastically, which has no fixed result")
    maximum = p.pool == 0
    if p.global_pooling:
        return w.op("GlobalMaxPool" if maximum else "GlobalAveragePool", w.x)
    kernel, stride, pad = (
        pair(p, *row) for row in (("kernel_size", "kernel", 0), ("stride", "stride", 1), ("pad", "pad", 0))
    )
    if not all(kernel):
        raise w.error("has no kernel size")
    ceil = int(p.round_mode == 0 and p.ceil_mode)
    window: dict[str, Any] = {"kernel_shape": kernel, "strides": stride, "ceil_mode": ceil}
    if maximum:
        return w.op("MaxPool", w.x, pads=pad * 2, **window)
    source = w.x
    if any(pad):
        if ceil and any(size and size + step > extent for size, step, extent in zip(pad, stride, kernel, strict=True)):
            raise w.error(f"averages over windows that can lie in the padding alone (kernel {kernel}, pad {pad})")
        pads = w.weight("pads", [0, 0, *pad] * 2, np.int64)
        source = w.op("Pad", source, pads, part="padded")
    return w.op("AveragePool", source, count_include_pad=0, **window)


@layer("LRN")
def _lrn(w: Writer) -> ir.Value:
    """Across channels as ONNX has it (alpha is divided by the size in both); within a channel, k is 1."""
    p = w.param("lrn")
    size = p.local_size
    if size % 2 != 1:
        raise w.error(f"has a window of {size}; it must be odd")
    if p.norm_region == 0:
        return w.op("LRN", w.x, size=size, alpha=p.alpha, beta=p.beta, bias=p.k)
    square = w.op("Mul", w.x, w.x, part="square")
    mean = w.op(
        "AveragePool",
        square,
        part="mean",
        kernel_shape=[size, size],
        strides=[1, 1],
        pads=[(size - 1) // 2] * 4,
        count_include_pad=1,
    )
    scaled = w.op("Mul", mean, w.weight("alpha", p.alpha), part="scaled")
    base = w.op("Add", scaled, w.weight("one", 1.0), part="base")
    factor = w.op("Pow", base, w.weight("power", -p.beta), part="factor")
    return w.op("Mul", w.x, factor)


@layer("ReLU")
def _relu(w: Writer) -> ir.Value:
    slope = w.param("relu").negative_slope if hasattr(w.layer.message, "relu_param") else 0.0
    return w.op("LeakyRelu", w.x, alpha=slope) if slope else w.op("Relu", w.x)


@layer("PReLU")
def _prelu(w: Writer) -> ir.Value:
    slope = w.blob(0).reshape(-1)
    return w.op("PRelu", w.x, w.weight("slope", slope.reshape(-1, 1, 1) if slope.size > 1 else slope))


@layer("ELU")
def _elu(w: Writer) -> ir.Value:
    return w.op("Elu", w.x, alpha=w.param("elu").alpha)


@layer("Sigmoid", "TanH", "AbsVal", "BNLL")
def _elementwise(w: Writer) -> ir.Value:
    return w.op({"Sigmoid": "Sigmoid", "TanH": "Tanh", "AbsVal": "Abs", "BNLL": "Softplus"}[w.layer.type], w.x)


@layer("Power", "Exp", "Log")
def _power(w: Writer) -> ir.Value:
    p = w.param(w.layer.type.lower())
    last = w.layer.type != "Power" or p.power != 1
    scaled = w.op("Mul", w.x, w.weight("scale", p.scale), part="scaled")
    shifted = w.op("Add", scaled, w.weight("shift", p.shift), part="shifted" if last else "")
    if w.layer.type == "Power":
        return w.op("Pow", shifted, w.weight("power", p.power)) if last else shifted
    factor = 1.0 if p.base <= 0 else float(np.log(p.base))
    if w.layer.type == "Exp":
        return w.op("Exp", w.op("Mul", shifted, w.weight("ln_base", factor), part="exponent"))
    return w.op("Mul", w.op("Log", shifted, part="ln"), w.weight("per_ln_base", 1 / factor))


@layer("BatchNorm")
def _batch_norm(w: Writer) -> ir.Value:
    """The running sums are divided by the third blob; it is 0 where nothing was summed."""
    mean, variance = w.blob(0).reshape(-1), w.blob(1).reshape(-1)
    count = float(w.blob(2).reshape(-1)[0])
    factor = 1 / count if count else 0.0
    ones = np.ones_like(mean)
    return w.op(
        "BatchNormalization",
        w.x,
        w.weight("one", ones),
        w.weight("zero", 0 * ones),
        w.weight("mean", mean * factor),
        w.weight("variance", variance * factor),
        epsilon=w.param("batch_norm").eps,
    )


@layer("Scale", "Bias")
def _scale(w: Writer) -> ir.Value:
    """By a weight per channel (or per what follows from ``axis``), or by a second bottom."""
    scales = w.layer.type == "Scale"
    p = w.param(w.layer.type.lower())
    if p.axis < 0:
        raise w.error("counts its axis from the end, which is not supported")

    def aligned(array: Array) -> Array:
        array = array.reshape(array.shape[-1]) if array.ndim == 4 and array.shape[:3] == (1, 1, 1) else array
        return array.reshape(*array.shape, *[1] * (4 - p.axis - array.ndim)) if array.ndim else array

    if len(w.inputs) == 2:
        if p.axis != 0:
            raise w.error("has a second bottom along another axis than 0, which is not supported")
        per_channel = w.weight("per_channel", [1, -1, 1, 1], np.int64)  # as squeeze-and-excitation has it
        second = w.op("Reshape", w.inputs[1], per_channel, part="aligned")
        weights: Sequence[Array] = w.weights
    else:
        second, weights = w.weight("weight" if scales else "bias", aligned(w.blob(0))), w.weights[1:]
    if not scales:
        return w.op("Add", w.x, second)
    if not p.bias_term:
        return w.op("Mul", w.x, second)
    if not weights:
        raise w.error("has no bias")
    return w.op("Add", w.op("Mul", w.x, second, part="scaled"), w.weight("bias", aligned(weights[0])))


@layer("Eltwise")
def _eltwise(w: Writer) -> ir.Value:
    p = w.param("eltwise")
    coefficients = list(p.coeff)
    values = list(w.inputs)
    if coefficients and p.operation == 1:
        if len(coefficients) != len(values):
            raise w.error(f"has {len(coefficients)} coefficients for {len(values)} bottoms")
        values = [
            v if c == 1 else w.op("Mul", v, w.weight(f"coeff{i}", c), part=f"weighted{i}")
            for i, (v, c) in enumerate(zip(values, coefficients, strict=True))
        ]
    if p.operation == 2:
        return w.op("Max", *values)
    op_type, result = ("Mul" if p.operation == 0 else "Add"), values[0]
    for i, value in enumerate(values[1:], 2):
        result = w.op(op_type, result, value, part="" if i == len(values) else f"first{i}")
    return result


@layer("Concat")
def _concat(w: Writer) -> ir.Value:
    p = w.param("concat")
    return w.op("Concat", *w.inputs, axis=p.concat_dim if p.HasField("concat_dim") else p.axis)


@layer("Slice")
def _slice(w: Writer) -> Sequence[ir.Value]:
    p, count = w.param("slice"), len(w.names)
    axis = p.slice_dim if p.HasField("slice_dim") else p.axis
    if not p.slice_point:
        return w.build.ops("Split", w.x, names=w.names, axis=axis, num_outputs=count)
    edges = [0, *p.slice_point, 2**31 - 1]
    if len(edges) != count + 1:
        raise w.error(f"has {len(p.slice_point)} points to slice at for {count} tops")
    return [
        w.build.op(
            "Slice",
            w.x,
            *(w.weight(f"{part}{i}", [v], np.int64) for part, v in (("start", edges[i]), ("end", edges[i + 1]))),
            w.weight(f"axis{i}", [axis], np.int64),
            name=name,
        )
        for i, name in enumerate(w.names)
    ]


@layer("Softmax")
def _softmax(w: Writer) -> ir.Value:
    return w.op("Softmax", w.x, axis=w.param("softmax").axis)


@layer("Flatten")
def _flatten(w: Writer) -> ir.Value:
    p = w.param("flatten") if hasattr(w.layer.message, "flatten_param") else None
    if p is not None and (p.axis != 1 or p.end_axis != -1):
        raise w.error("flattens other axes than all after the first")
    return w.op("Flatten", w.x, axis=1)


@layer("Reshape")
def _reshape(w: Writer) -> ir.Value:
    p = w.param("reshape")
    if p.axis != 0 or p.num_axes != -1:
        raise w.error("reshapes a part of the axes, which is not supported")
    return w.op("Reshape", w.x, w.weight("shape", list(p.shape.dim), np.int64))


@layer("Permute")
def _permute(w: Writer) -> ir.Value:
    return w.op("Transpose", w.x, perm=list(w.param("permute").order))


@layer("MVN")
def _mvn(w: Writer) -> ir.Value:
    """(x - mean) / (sqrt(var) + eps), per channel or over all of them."""
    p = w.param("mvn")
    axes = w.weight("axes", [1, 2, 3] if p.across_channels else [2, 3], np.int64)
    mean = w.op("ReduceMean", w.x, axes, part="mean", keepdims=1)
    centred = w.op("Sub", w.x, mean, part="" if not p.normalize_variance else "centred")
    if not p.normalize_variance:
        return centred
    variance = w.op("ReduceMean", w.op("Mul", centred, centred, part="square"), axes, part="variance", keepdims=1)
    deviation = w.op("Add", w.op("Sqrt", variance, part="root"), w.weight("eps", p.eps), part="deviation")
    return w.op("Div", centred, deviation)
