"""Keras's layers as ONNX operators.

Keras keeps images as [N, H, W, C]. The graph keeps them as [N, C, H, W] throughout: weights are turned once, and a
map is turned only where its order matters, before it is flattened or reshaped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.networks.builder import Array, GraphBuilder

LAYERS: dict[str, Callable[[Layer], ir.Value]] = {}
IDENTITY = {
    "Dropout", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "AlphaDropout", "ActivityRegularization",
    "RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation", "RandomContrast", "RandomBrightness",
}  # fmt: skip


@dataclass
class Layer:
    """One layer at one of its calls. name: of its output. ranks: of every value so far, 2 or 4. before_3: whether
    Keras 1 or 2 wrote it.
    """

    build: GraphBuilder
    kind: str
    name: str
    config: Mapping[str, Any]
    inputs: Sequence[ir.Value]
    weights: Sequence[Array]
    ranks: dict[ir.Value, int]
    before_3: bool = False

    @property
    def x(self) -> ir.Value:
        if not self.inputs:
            raise self.error("has no input")
        return self.inputs[0]

    def get(self, key: str, default: Any) -> Any:
        value = self.config.get(key)
        return default if value is None else value

    def pair(self, key: str, default: int | None = 1) -> list[int]:
        value = self.get(key, default)
        values = [value, value] if isinstance(value, int) else list(value)
        if len(values) != 2 or not all(isinstance(v, int) and 0 < v < 1 << 16 for v in values):
            raise self.error(f"has {key} {value!r}")
        return values

    def blob(self, index: int, rank: int) -> Array:
        if index >= len(self.weights) or self.weights[index].ndim != rank:
            raise self.error("lacks its weights in the file, or has others")
        return self.weights[index]

    def weight(self, part: str, array: Any, dtype: Any = np.float32) -> ir.Value:
        return self.build.weight(f"{self.name}/{part}", array, dtype)

    def op(
        self, op_type: str, *inputs: ir.Value | None, part: str = "", rank: int | None = None, **attributes: Any
    ) -> ir.Value:
        """A node; ``part`` names a step on the way. rank: of its output, that of its first input by default."""
        name = f"{self.name}/{part}" if part else self.name
        step = bool(part) and not part.startswith("before_")
        value = self.build.op(op_type, *inputs, name=name, step=step, **attributes)
        first = inputs[0]
        self.ranks[value] = rank if rank is not None else self.ranks[first] if first is not None else 4
        return value

    def activated(self, write: Callable[[str], ir.Value]) -> ir.Value:
        """``write(part)`` with the layer's activation behind it, if it has one."""
        function = activation_name(self.get("activation", "linear"))
        if function == "linear":
            return write("")
        return activate(self, function, write(f"before_{function}"))

    def last_channels(self, part: str) -> ir.Value:
        """The first input as Keras has it, [N, H, W, C]."""
        return self.op("Transpose", self.x, part=part, perm=[0, 2, 3, 1]) if self.ranks[self.x] == 4 else self.x

    def error(self, why: str) -> NetworkError:
        return NetworkError(f"layer {self.name!r} ({self.kind}) {why}")


def register(*kinds: str) -> Callable[[Callable[[Layer], ir.Value]], Callable[[Layer], ir.Value]]:
    def keep(function: Callable[[Layer], ir.Value]) -> Callable[[Layer], ir.Value]:
        LAYERS.update(dict.fromkeys(kinds, function))
        return function

    return keep


_ACTIVATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "relu": ("Relu", {}), "sigmoid": ("Sigmoid", {}), "tanh": ("Tanh", {}), "softplus": ("Softplus", {}),
    "softsign": ("Softsign", {}), "selu": ("Selu", {}), "elu": ("Elu", {"alpha": 1.0}), "exponential": ("Exp", {}),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.2}), "hard_swish": ("HardSwish", {}), "hard_silu": ("HardSwish", {}),
}  # fmt: skip


def activation_name(value: Any) -> str:
    """Of a name, or of a serialised function."""
    if isinstance(value, Mapping):
        value = value.get("config") if isinstance(value.get("config"), str) else value.get("class_name")
    return str(value).lower()


def activate(layer: Layer, function: str, x: ir.Value) -> ir.Value:
    if function in _ACTIVATIONS:
        op_type, attributes = _ACTIVATIONS[function]
        return layer.op(op_type, x, **attributes)
    if function == "softmax":
        return layer.op("Softmax", x, axis=1)
    if function == "relu6":
        return layer.op("Clip", x, layer.weight("0", 0.0), layer.weight("6", 6.0))
    if function == "hard_sigmoid":
        return layer.op("HardSigmoid", x, alpha=0.2 if layer.before_3 else 1 / 6, beta=0.5)
    if function in {"swish", "silu"}:
        return layer.op("Mul", x, layer.op("Sigmoid", x, part="sigmoid"))
    if function == "gelu":
        half = layer.op("Mul", x, layer.weight("half", 0.5), part="half_x")
        error = layer.op("Erf", layer.op("Mul", x, layer.weight("scale", 0.5**0.5), part="scaled"), part="erf")
        return layer.op("Mul", half, layer.op("Add", error, layer.weight("one", 1.0), part="shifted"))
    known = ", ".join(sorted({*_ACTIVATIONS, "softmax", "relu6", "hard_sigmoid", "swish", "silu", "gelu"}))
    raise layer.error(f"has the activation {function!r}; supported are {known}")


def _window(
    layer: Layer, kernel: Sequence[int], strides: Sequence[int], dilation: Sequence[int] = (1, 1)
) -> dict[str, Any]:
    """``same`` is TensorFlow's: ceil(size / stride) windows, an odd pixel of padding at the end."""
    padding = str(layer.get("padding", "valid")).lower()
    attributes: dict[str, Any] = {"kernel_shape": list(kernel), "strides": list(strides)}
    if padding == "same" and list(strides) == [1, 1]:
        total = [(k - 1) * d for k, d in zip(kernel, dilation, strict=True)]
        attributes["pads"] = [t // 2 for t in total] + [t - t // 2 for t in total]
    elif padding == "same":
        attributes["auto_pad"] = "SAME_UPPER"
    elif padding != "valid":
        raise layer.error(f"has padding {padding!r}")
    return attributes


@register("Conv2D", "Convolution2D", "DepthwiseConv2D", "SeparableConv2D")
def _conv(layer: Layer) -> ir.Value:
    kernel = layer.blob(0, 4)
    depthwise = layer.kind in {"DepthwiseConv2D", "SeparableConv2D"}
    strides, dilation = layer.pair("strides"), layer.pair("dilation_rate")
    window = _window(layer, kernel.shape[:2], strides, dilation)
    if depthwise:
        height, width, channels, multiplier = kernel.shape
        weight = kernel.transpose(2, 3, 0, 1).reshape(channels * multiplier, 1, height, width)
        groups = channels
    else:
        weight, groups = kernel.transpose(3, 2, 0, 1), int(layer.get("groups", 1))
    separable = layer.kind == "SeparableConv2D"
    pointwise = layer.blob(1, 4).transpose(3, 2, 0, 1) if separable else None
    use_bias = bool(layer.get("use_bias", True))
    bias = layer.weight("bias", layer.blob(2 if separable else 1, 1)) if use_bias else None

    def write(part: str) -> ir.Value:
        attributes = {**window, "dilations": dilation, "group": groups}
        if pointwise is None:
            return layer.op("Conv", layer.x, layer.weight("kernel", weight), bias, part=part, **attributes)
        deep = layer.op("Conv", layer.x, layer.weight("depthwise_kernel", weight), part="depthwise", **attributes)
        return layer.op("Conv", deep, layer.weight("pointwise_kernel", pointwise), bias, part=part, kernel_shape=[1, 1])

    return layer.activated(write)


@register("Conv2DTranspose")
def _conv_transpose(layer: Layer) -> ir.Value:
    kernel, strides = layer.blob(0, 4), layer.pair("strides")
    extra = [k - s for k, s in zip(kernel.shape[:2], strides, strict=True)]
    if min(extra) < 0 or layer.config.get("output_padding") is not None or layer.pair("dilation_rate") != [1, 1]:
        raise layer.error("has a form that is not supported (kernel below stride, output padding or dilation)")
    pads = [0] * 4
    if layer.get("padding", "valid") == "same":
        pads = [e // 2 for e in extra] + [e - e // 2 for e in extra]
    bias = layer.weight("bias", layer.blob(1, 1)) if layer.get("use_bias", True) else None
    weight = layer.weight("kernel", kernel.transpose(3, 2, 0, 1))
    shape = list(kernel.shape[:2])
    return layer.activated(
        lambda part: layer.op(
            "ConvTranspose", layer.x, weight, bias, part=part, kernel_shape=shape, strides=strides, pads=pads
        )
    )


@register("Dense")
def _dense(layer: Layer) -> ir.Value:
    kernel = layer.blob(0, 2)
    bias = layer.weight("bias", layer.blob(1, 1)) if layer.get("use_bias", True) else None
    if layer.ranks[layer.x] == 4:  # over the channels of every position
        weight = layer.weight("kernel", kernel.T[:, :, None, None])
        return layer.activated(lambda part: layer.op("Conv", layer.x, weight, bias, part=part, kernel_shape=[1, 1]))
    weight = layer.weight("kernel", kernel)
    return layer.activated(lambda part: layer.op("Gemm", layer.x, weight, bias, part=part))


@register("BatchNormalization")
def _batch_norm(layer: Layer) -> ir.Value:
    axis = layer.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) else axis
    if axis not in (-1, layer.ranks[layer.x] - 1):
        raise layer.error(f"normalises along axis {axis}; only the channels are supported")
    arrays = list(layer.weights)
    width = arrays[-1].shape if arrays else ()
    scale = arrays.pop(0) if layer.get("scale", True) and arrays else np.ones(width)
    offset = arrays.pop(0) if layer.get("center", True) and arrays else np.zeros(width)
    if len(arrays) != 2 or len(width) != 1:
        raise layer.error("lacks its weights in the file, or has others")
    parts = zip(("gamma", "beta", "moving_mean", "moving_variance"), (scale, offset, *arrays), strict=True)
    values = [layer.weight(name, array) for name, array in parts]
    return layer.op("BatchNormalization", layer.x, *values, epsilon=float(layer.get("epsilon", 1e-3)))


@register("Activation")
def _activation(layer: Layer) -> ir.Value:
    function = activation_name(layer.get("activation", "linear"))
    return layer.op("Identity", layer.x) if function == "linear" else activate(layer, function, layer.x)


@register("ReLU", "LeakyReLU", "ELU", "Softmax", "PReLU")
def _activation_layer(layer: Layer) -> ir.Value:
    if layer.kind == "ReLU":
        slope, top = float(layer.get("negative_slope", 0.0)), layer.config.get("max_value")
        if float(layer.get("threshold", 0.0)):
            raise layer.error("has a threshold, which is not supported")
        if top is None:
            return layer.op("LeakyRelu", layer.x, alpha=slope) if slope else layer.op("Relu", layer.x)
        if slope:
            raise layer.error("has a slope and a largest value, which is not supported")
        return layer.op("Clip", layer.x, layer.weight("0", 0.0), layer.weight("max", float(top)))
    if layer.kind == "LeakyReLU":
        return layer.op("LeakyRelu", layer.x, alpha=float(layer.get("negative_slope", layer.get("alpha", 0.3))))
    if layer.kind == "ELU":
        return layer.op("Elu", layer.x, alpha=float(layer.get("alpha", 1.0)))
    if layer.kind == "Softmax":
        return layer.op("Softmax", layer.x, axis=1)
    slope_array = layer.weights[0] if layer.weights else np.zeros(0)
    if slope_array.ndim == 3:
        slope_array = slope_array.transpose(2, 0, 1)
    if not slope_array.size:
        raise layer.error("lacks its weights in the file")
    return layer.op("PRelu", layer.x, layer.weight("alpha", slope_array))


@register("MaxPooling2D", "MaxPool2D", "AveragePooling2D", "AvgPool2D")
def _pool(layer: Layer) -> ir.Value:
    size = layer.pair("pool_size", 2)
    window = _window(layer, size, layer.pair("strides", None) if layer.config.get("strides") is not None else size)
    if layer.kind.startswith("Max"):
        return layer.op("MaxPool", layer.x, **window)
    return layer.op("AveragePool", layer.x, count_include_pad=0, **window)


@register("GlobalAveragePooling2D", "GlobalMaxPooling2D", "GlobalAvgPool2D", "GlobalMaxPool2D")
def _global_pool(layer: Layer) -> ir.Value:
    op_type = "GlobalMaxPool" if "Max" in layer.kind else "GlobalAveragePool"
    if layer.get("keepdims", False):
        return layer.op(op_type, layer.x)
    return layer.op("Flatten", layer.op(op_type, layer.x, part="map"), rank=2, axis=1)


@register("ZeroPadding2D", "Cropping2D")
def _padding(layer: Layer) -> ir.Value:
    key = "padding" if layer.kind == "ZeroPadding2D" else "cropping"
    given = layer.get(key, 1)
    both = [given] * 2 if isinstance(given, int) else list(given)
    rows = [[row, row] if isinstance(row, int) else list(row) for row in both]
    if layer.kind == "ZeroPadding2D":
        pads = [0, 0, rows[0][0], rows[1][0], 0, 0, rows[0][1], rows[1][1]]
        return layer.op("Pad", layer.x, layer.weight("pads", pads, np.int64))
    start, end = ([row[i] for row in rows] for i in (0, 1))
    ends = [-e if e else 2**31 - 1 for e in end]
    return layer.op(
        "Slice",
        layer.x,
        *(layer.weight(n, v, np.int64) for n, v in (("start", start), ("end", ends), ("axes", [2, 3]))),
    )


@register("UpSampling2D")
def _upsampling(layer: Layer) -> ir.Value:
    scales = layer.weight("scales", [1.0, 1.0, *layer.pair("size", 2)])
    if layer.get("interpolation", "nearest") == "nearest":
        options: dict[str, Any] = {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        }
    elif layer.get("interpolation", "") == "bilinear":
        options = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    else:
        raise layer.error(f"interpolates by {layer.get('interpolation', '')!r}; supported are nearest and bilinear")
    return layer.op("Resize", layer.x, None, scales, **options)


@register("Flatten")
def _flatten(layer: Layer) -> ir.Value:
    return layer.op("Flatten", layer.last_channels("last_channels"), rank=2, axis=1)


@register("Reshape")
def _reshape(layer: Layer) -> ir.Value:
    target = list(layer.get("target_shape", []))
    if len(target) not in (1, 3) or not all(isinstance(t, int) for t in target):
        raise layer.error(f"reshapes to {target}; supported are vectors and maps")
    shape = layer.weight("shape", [1, *target], np.int64)
    source = layer.last_channels("last_channels")
    if len(target) == 1:
        return layer.op("Reshape", source, shape, rank=2)
    return layer.op("Transpose", layer.op("Reshape", source, shape, part="reshaped", rank=4), perm=[0, 3, 1, 2])


@register("Add", "Subtract", "Multiply", "Maximum", "Minimum", "Average")
def _merge(layer: Layer) -> ir.Value:
    op_type = {
        "Add": "Add",
        "Subtract": "Sub",
        "Multiply": "Mul",
        "Maximum": "Max",
        "Minimum": "Min",
        "Average": "Mean",
    }
    if len({layer.ranks[value] for value in layer.inputs}) > 1:
        raise layer.error("joins a map and a vector")
    if layer.kind in {"Maximum", "Minimum", "Average"}:
        return layer.op(op_type[layer.kind], *layer.inputs)
    result = layer.x
    for number, value in enumerate(layer.inputs[1:], 2):
        result = layer.op(
            op_type[layer.kind], result, value, part="" if number == len(layer.inputs) else f"first{number}"
        )
    return result


@register("Concatenate")
def _concatenate(layer: Layer) -> ir.Value:
    rank, axis = layer.ranks[layer.x], int(layer.get("axis", -1))
    axis = axis + rank if axis < 0 else axis
    places = {2: {1: 1}, 4: {1: 2, 2: 3, 3: 1}}[rank]
    if axis not in places:
        raise layer.error(f"joins along axis {axis}")
    return layer.op("Concat", *layer.inputs, axis=places[axis])


@register("Rescaling")
def _rescaling(layer: Layer) -> ir.Value:
    def aligned(key: str, default: float) -> Array:
        array = np.asarray(layer.get(key, default), np.float32)
        return array.reshape(-1, 1, 1) if array.ndim else array

    scaled = layer.op("Mul", layer.x, layer.weight("scale", aligned("scale", 1.0)), part="scaled")
    return layer.op("Add", scaled, layer.weight("offset", aligned("offset", 0.0)))


@register("Normalization")
def _normalization(layer: Layer) -> ir.Value:
    if len(layer.weights) >= 2:
        mean, variance = layer.weights[0], layer.weights[1]
    elif layer.config.get("mean") is not None and layer.config.get("variance") is not None:
        mean, variance = (np.asarray(layer.config[key], np.float32) for key in ("mean", "variance"))
    else:
        raise layer.error("lacks its mean and variance")
    centred = layer.op("Sub", layer.x, layer.weight("mean", mean.reshape(-1, 1, 1)), part="centred")
    deviation = np.maximum(np.sqrt(variance), 1e-7)
    return layer.op("Div", centred, layer.weight("deviation", deviation.reshape(-1, 1, 1)))
