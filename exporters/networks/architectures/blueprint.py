"""Writing an architecture once: the same code lists the weights that it needs and, given them, writes its graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.networks.builder import Array, GraphBuilder

Shape = tuple[int | None, ...]
Pair = int | tuple[int, int]


class Blueprint:
    """A forward graph in PyTorch's conventions, its tensors named by the modules that compute them.

    weights: by parameter name; ``None`` for a dry run, after which ``required`` and ``head`` hold the names and
        shapes of the parameters (a ``None`` in a shape stands for any number, as that of classes). A classifier may
        be missing in a file: its parameters are those of ``head``.
    size: the image size that the classifier is made for, where it is made for one.
    """

    def __init__(self, name: str, weights: Mapping[str, Array] | None = None, *, size: int | None = None) -> None:
        self._weights = weights
        self.required: dict[str, Shape] = {}
        self.head: dict[str, Shape] = {}
        self.aliases: dict[str, str] = {}
        self._in_head = False
        self._size = size
        self._build = GraphBuilder(name, image="input", shape=(1, 3, None, None))
        self._channels = {self._build.image: 3}

    @property
    def image(self) -> ir.Value:
        return self._build.image

    def channels(self, x: ir.Value) -> int:
        return self._channels[x]

    def classifier(self, prefix: str) -> bool:
        """Whether what follows, whose parameters begin with ``prefix``, is there; nothing else may follow it."""
        self._in_head = True
        if self._weights is None:
            return True
        found = any(name.startswith(prefix) for name in self._weights)
        if found and self._size is not None:
            self.image.shape = ir.Shape([1, 3, self._size, self._size])
        return found

    def model(self, output: ir.Value) -> ir.Model:
        return self._build.model(output)

    def _parameter(self, name: str, shape: Shape) -> Array:
        (self.head if self._in_head else self.required)[name] = shape
        if self._weights is None:
            return np.zeros([1] * len(shape), np.float32)
        array = self._weights[name]
        if len(array.shape) != len(shape) or any(s not in (None, n) for s, n in zip(shape, array.shape, strict=True)):
            raise NetworkError(f"{name!r} has shape {list(array.shape)}, not {list(shape)}")
        return array

    def _weight(self, name: str, shape: Shape) -> ir.Value:
        return self._build.weight(name, self._parameter(name, shape))

    def _op(
        self, op_type: str, *inputs: ir.Value, name: str, channels: int | None = None, **attributes: Any
    ) -> ir.Value:
        value = self._build.op(op_type, *inputs, name=name, **attributes)
        self._channels[value] = channels if channels is not None else self._channels[inputs[0]]
        return value

    def conv(
        self,
        path: str,
        x: ir.Value,
        out: int | None,
        kernel: Pair,
        *,
        stride: int = 1,
        padding: Pair = 0,
        groups: int = 1,
        bias: bool = True,
        name: str = "",
    ) -> ir.Value:
        """``out``: its channels; ``None`` for the number of classes."""
        kernels, pads = _pair(kernel), _pair(padding)
        weights = [self._weight(f"{path}.weight", (out, self.channels(x) // groups, *kernels))]
        if bias:
            weights.append(self._weight(f"{path}.bias", (out,)))
        return self._op(
            "Conv",
            x,
            *weights,
            name=name or path,
            channels=out or 0,
            kernel_shape=kernels,
            strides=[stride, stride],
            pads=pads * 2,
            group=groups,
        )

    def norm(self, path: str, x: ir.Value, *, eps: float = 1e-5, name: str = "") -> ir.Value:
        size = (self.channels(x),)
        names = ("weight", "bias", "running_mean", "running_var")
        weights = [self._weight(f"{path}.{part}", size) for part in names]
        return self._op("BatchNormalization", x, *weights, name=name or path, epsilon=eps)

    def linear(self, path: str, x: ir.Value, out: int | None) -> ir.Value:
        weight = self._weight(f"{path}.weight", (out, self.channels(x)))
        return self._op("Gemm", x, weight, self._weight(f"{path}.bias", (out,)), name=path, channels=out or 0, transB=1)

    def relu(self, name: str, x: ir.Value) -> ir.Value:
        return self._op("Relu", x, name=name)

    def relu6(self, name: str, x: ir.Value) -> ir.Value:
        low, high = (self._build.weight(f"{name}/{bound}", np.asarray(bound)) for bound in (0, 6))
        return self._op("Clip", x, low, high, name=name)

    def hard_swish(self, name: str, x: ir.Value) -> ir.Value:
        return self._op("HardSwish", x, name=name)

    def hard_sigmoid(self, name: str, x: ir.Value) -> ir.Value:
        return self._op("HardSigmoid", x, name=name, alpha=1 / 6, beta=0.5)

    def add(self, name: str, x: ir.Value, y: ir.Value) -> ir.Value:
        return self._op("Add", x, y, name=name)

    def mul(self, name: str, x: ir.Value, y: ir.Value) -> ir.Value:
        return self._op("Mul", x, y, name=name)

    def cat(self, name: str, values: Sequence[ir.Value]) -> ir.Value:
        return self._op("Concat", *values, name=name, channels=sum(map(self.channels, values)), axis=1)

    def max_pool(
        self, name: str, x: ir.Value, kernel: int, stride: int, padding: int = 0, *, ceil: bool = False
    ) -> ir.Value:
        window: dict[str, Any] = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [padding] * 4}
        return self._op("MaxPool", x, name=name, ceil_mode=int(ceil), **window)

    def avg_pool(self, name: str, x: ir.Value, kernel: int, stride: int, padding: int = 0) -> ir.Value:
        window: dict[str, Any] = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [padding] * 4}
        return self._op("AveragePool", x, name=name, count_include_pad=1, **window)

    def mean(self, name: str, x: ir.Value) -> ir.Value:
        """Over the whole map, as ``AdaptiveAvgPool2d(1)``: [1, C, 1, 1]."""
        return self._op("GlobalAveragePool", x, name=name)

    def flatten(self, name: str, x: ir.Value, positions: int = 1) -> ir.Value:
        """positions: of the map, in all."""
        return self._op("Flatten", x, name=name, channels=self.channels(x) * positions, axis=1)

    def reflect(self, name: str, x: ir.Value) -> ir.Value:
        """One pixel of reflection on every side."""
        pads = self._build.weight(f"{name}/pads", np.asarray([0, 0, 1, 1] * 2), np.int64)
        return self._op("Pad", x, pads, name=name, mode="reflect")


def _pair(value: Pair) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value)
