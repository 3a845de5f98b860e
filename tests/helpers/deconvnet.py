"""A deconvnet in NumPy, float64, that shares no line with the one under test: the paper's steps, layer by layer.

Up: the network as it is, remembering the switches of each max pooling. Down (Zeiler & Fergus 2013, section 2.1):
unpool to the switches, rectify, filter with the transposed kernels; contrast normalisation is passed. ``gradient`` and
``guided`` differ at the rectifiers, and go through contrast normalisation by its derivative.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

Array = np.ndarray[Any, Any]


def _pads(a: dict[str, Any]) -> tuple[int, int, int, int]:
    return tuple(a.get("pads", [0, 0, 0, 0]))


def _windows(x: Array, kernel: tuple[int, int], strides: tuple[int, int]) -> Array:
    """[N, C, h, w, kernel...]"""
    view = np.lib.stride_tricks.sliding_window_view(x, kernel, axis=(2, 3))
    return view[:, :, :: strides[0], :: strides[1]]


def _padded(x: Array, a: dict[str, Any], fill: float) -> Array:
    """With the padding, and where sizes are rounded up with what a last window needs beyond it."""
    top, left, bottom, right = _pads(a)
    if a.get("ceil_mode"):
        kernel, strides = a["kernel_shape"], a.get("strides", [1, 1])
        more = [
            (-(size + before + behind - k)) % s
            for size, before, behind, k, s in zip(
                x.shape[2:], (top, left), (bottom, right), kernel, strides, strict=True
            )
        ]
        bottom, right = bottom + more[0], right + more[1]
    return np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)


def _inner(x: Array, like: Array, a: dict[str, Any]) -> Array:
    top, left, _, _ = _pads(a)
    return x[:, :, top : top + like.shape[2], left : left + like.shape[3]]


def _conv_up(a: dict[str, Any], x: Array, w: Array, b: Array | None = None) -> Array:
    group = a.get("group", 1)
    parts = [
        np.einsum("nchwij,ocij->nohw", _windows(part, w.shape[2:], tuple(a.get("strides", (1, 1)))), weight)
        for part, weight in zip(np.split(_padded(x, a, 0), group, 1), np.split(w, group, 0), strict=True)
    ]
    y = np.concatenate(parts, 1)
    return y if b is None else y + b[:, None, None]


def _conv_down(a: dict[str, Any], signal: Array, x: Array, w: Array) -> Array:
    sy, sx = a.get("strides", (1, 1))
    group = a.get("group", 1)
    big = np.zeros_like(_padded(x, a, 0))
    for part, out, weight in zip(
        np.split(big, group, 1), np.split(signal, group, 1), np.split(w, group, 0), strict=True
    ):
        for i, j in np.ndindex(*w.shape[2:]):
            piece = np.einsum("nohw,oc->nchw", out, weight[:, :, i, j])
            part[:, :, i : i + sy * out.shape[2] : sy, j : j + sx * out.shape[3] : sx] += piece
    return _inner(big, x, a)


def _pool_up(a: dict[str, Any], x: Array) -> Array:
    windows = _windows(_padded(x, a, -np.inf), a["kernel_shape"], a.get("strides", (1, 1)))
    return windows.max((4, 5))


def _pool_down(a: dict[str, Any], signal: Array, x: Array) -> Array:
    """Each value to the switch of its window: the first largest in row-major order."""
    padded = _padded(x, a, -np.inf)
    sy, sx = a.get("strides", (1, 1))
    windows = _windows(padded, a["kernel_shape"], (sy, sx))
    n, c, h, w = windows.shape[:4]
    rows, columns = np.divmod(windows.reshape(n, c, h, w, -1).argmax(4), a["kernel_shape"][1])
    big = np.zeros_like(padded)
    where = np.indices((n, c, h, w))
    np.add.at(big, (where[0], where[1], where[2] * sy + rows, where[3] * sx + columns), signal)
    return _inner(big, x, a)


def _average_counts(a: dict[str, Any], x: Array) -> Array:
    ones = np.ones((1, 1, *x.shape[2:]))
    if a.get("count_include_pad"):
        top, left, bottom, right = _pads(a)
        inner = np.pad(ones, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=1)
        ones = _padded(inner, {**a, "pads": [0, 0, 0, 0]}, 0)
    else:
        ones = _padded(ones, a, 0)
    return _windows(ones, a["kernel_shape"], a.get("strides", (1, 1))).sum((4, 5))


def _average_up(a: dict[str, Any], x: Array) -> Array:
    sums = _windows(_padded(x, a, 0), a["kernel_shape"], a.get("strides", (1, 1))).sum((4, 5))
    return sums / _average_counts(a, x)


def _average_down(a: dict[str, Any], signal: Array, x: Array) -> Array:
    sy, sx = a.get("strides", (1, 1))
    share = signal / _average_counts(a, x)
    big = np.zeros_like(_padded(x, a, 0))
    for i, j in np.ndindex(*a["kernel_shape"]):
        big[:, :, i : i + sy * share.shape[2] : sy, j : j + sx * share.shape[3] : sx] += share
    return _inner(big, x, a)


def _reflect_up(a: dict[str, Any], x: Array, pads: Array) -> Array:
    half = len(pads) // 2
    return np.pad(x, [(int(pads[i]), int(pads[i + half])) for i in range(half)], mode=a["mode"])


def _reflect_down(a: dict[str, Any], signal: Array, x: Array, pads: Array) -> Array:
    """Every pixel of the border goes back to where it was taken from."""
    places = _reflect_up(a, np.arange(x.size).reshape(x.shape), pads)
    flat = np.bincount(places.ravel(), weights=signal.ravel(), minlength=x.size)
    return flat.reshape(x.shape)


def _lrn_up(a: dict[str, Any], x: Array) -> Array:
    return x / _lrn_base(a, x) ** a["beta"]


def _lrn_base(a: dict[str, Any], x: Array) -> Array:
    size = a["size"]
    before = (size - 1) // 2
    squares = np.pad(x**2, ((0, 0), (before, size - 1 - before), (0, 0), (0, 0)))
    total = sum(squares[:, k : k + x.shape[1]] for k in range(size))
    return a["bias"] + a["alpha"] / size * total


UP: dict[str, Callable[..., Array]] = {
    "Conv": _conv_up,
    "Relu": lambda a, x: np.maximum(x, 0),
    "MaxPool": _pool_up,
    "AveragePool": _average_up,
    "Pad": _reflect_up,
    "LRN": _lrn_up,
    "Concat": lambda a, *x: np.concatenate(x, a["axis"]),
    "Dropout": lambda a, x: x,
    "GlobalAveragePool": lambda a, x: x.mean((2, 3), keepdims=True),
    "Flatten": lambda a, x: x.reshape(x.shape[0], -1),
    "Gemm": lambda a, x, w, b: x @ (w.T if a.get("transB") else w) + b,
    # Contrast normalisation written out.
    "Mul": lambda a, x, y: x * y,
    "Add": lambda a, x, y: x + y,
    "Pow": lambda a, x, y: x**y,
}


def _rectified(rule: str, signal: Array, y: Array) -> Array:
    if rule == "deconvnet":
        return np.maximum(signal, 0)
    return (np.maximum(signal, 0) if rule == "guided" else signal) * (y > 0)


def project(
    model: onnx.ModelProto, image: Array, layer: str, seed: Callable[[Array], Array], rule: str = "deconvnet"
) -> tuple[Array, Array]:
    """The features of ``layer`` and the projection of ``seed(features)`` to the network's own input, float64.

    rule: ``guided`` and ``gradient`` too, for networks without contrast normalisation.
    """
    known: dict[str, Array] = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    known = {k: v.astype(np.float64) if v.dtype.kind == "f" else v for k, v in known.items()}
    (source,) = [i.name for i in model.graph.input if i.name not in known]
    known[source] = image.astype(np.float64)
    path = []
    for node in model.graph.node:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        attributes = {k: v.decode() if isinstance(v, bytes) else v for k, v in attributes.items()}
        if "kernel_shape" in attributes:
            attributes["kernel_shape"] = tuple(attributes["kernel_shape"])
        known[node.output[0]] = UP[node.op_type](attributes, *(known[name] for name in node.input))
        path.append((node, attributes))
        if node.output[0] == layer:
            break
    signals: dict[str, Array] = {layer: seed(known[layer])}
    for node, attributes in reversed(path):
        if node.output[0] not in signals:
            continue
        signal = signals[node.output[0]]
        inputs = [known[name] for name in node.input]
        for name, part in zip(
            node.input, _down(node.op_type, attributes, rule, signal, known[node.output[0]], inputs), strict=False
        ):
            signals[name] = signals[name] + part if name in signals else part
    return known[layer], signals[source]


def _down(kind: str, a: dict[str, Any], rule: str, signal: Array, y: Array, inputs: list[Array]) -> list[Array]:
    x = inputs[0]
    match kind:
        case "Conv":
            return [_conv_down(a, signal, x, inputs[1])]
        case "Relu":
            return [_rectified(rule, signal, y)]
        case "MaxPool":
            return [_pool_down(a, signal, x)]
        case "AveragePool":
            return [_average_down(a, signal, x)]
        case "Pad":
            return [_reflect_down(a, signal, x, inputs[1])]
        case "Concat":
            return np.split(signal, np.cumsum([part.shape[1] for part in inputs])[:-1], a["axis"])
        case "Dropout":
            return [signal]
        case "LRN" | "Mul" if rule == "deconvnet":
            return [signal]  # Mul: of the layer and its contrast, in that order
        case "GlobalAveragePool":
            return [np.broadcast_to(signal, x.shape) / (x.shape[2] * x.shape[3])]
        case "Flatten":
            return [signal.reshape(x.shape)]
        case "Gemm":
            return [signal @ (inputs[1] if a.get("transB") else inputs[1].T)]
    raise KeyError(kind)
