"""Writing an architecture once: the same code lists the weights that it needs and, given them, writes its graph."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.networks.builder import Array, GraphBuilder

Shape = tuple[int | None, ...]
Pair = int | tuple[int, int]
_GELU = (("half", 0.5), ("one", 1.0), ("root", math.sqrt(0.5)))
_QUICK = 1.702


class Blueprint:
    """A forward graph in PyTorch's conventions, its tensors named by the modules that compute them.

    weights: by parameter name; ``None`` for a dry run, after which ``required`` and ``head`` hold the names and
        shapes of the parameters (a ``None`` in a shape stands for any number, as that of classes). A classifier may
        be missing in a file: its parameters are those of ``head``.
    size: the image size that the classifier is made for, where it is made for one.
    quick: GELUs are QuickGELU.
    """

    def __init__(
        self,
        name: str,
        weights: Mapping[str, Array] | None = None,
        *,
        size: int | None = None,
        quick: bool = False,
    ) -> None:
        self._weights, self._quick = weights, quick
        self.required: dict[str, Shape] = {}
        self.head: dict[str, Shape] = {}
        self.aliases: dict[str, str] = {}
        self._in_head = False
        self._size = size
        # A dry run is of names and numbers: a hundred architectures are gone through to find a file's own.
        self._build = GraphBuilder(name, image="input", shape=(1, 3, None, None)) if weights is not None else None
        self.image = self._build.image if self._build is not None else ir.Value(name="input")
        self._channels = {self.image: 3}

    def channels(self, x: ir.Value) -> int:
        return self._channels[x]

    def made_for(self, edge: int) -> None:
        """What comes before a classifier, too, is made for images of one size: squares of so many pixels."""
        self.image.shape = ir.Shape([1, 3, edge, edge])

    def classifier(self, prefix: str) -> bool:
        """Whether what follows, whose parameters begin with ``prefix``, is there; nothing else may follow it."""
        self._in_head = True
        if self._weights is None:
            return True
        found = any(name.startswith(prefix) for name in self._weights)
        if found and self._size is not None:
            self.made_for(self._size)
        return found

    def classified(self, x: ir.Value, prefix: str, path: str) -> ir.Value:
        """Scores by one layer, ``path``, over the means of a map's channels; ``x`` itself where no such layer is there.

        prefix: as of :meth:`classifier`.
        """
        if not self.classifier(prefix):
            return x
        self.aliases["logits"] = path
        return self.linear(path, self.flatten("flatten", self.mean("avgpool", x)), None)

    def model(self, output: ir.Value) -> ir.Model:
        assert self._build is not None
        return self._build.model(output)

    def parameter(self, name: str, shape: Shape) -> Array:
        """That of the file; noted as one that is needed. A ``None`` in ``shape`` stands for any number."""
        (self.head if self._in_head else self.required)[name] = shape
        if self._weights is None:
            return np.zeros([1] * len(shape), np.float32)
        array = self._weights[name]
        if len(array.shape) != len(shape) or any(s not in (None, n) for s, n in zip(shape, array.shape, strict=True)):
            raise NetworkError(f"{name!r} has shape {list(array.shape)}, not {list(shape)}")
        return array

    def weight(self, name: str, shape: Shape) -> ir.Value:
        return self.constant(name, self.parameter(name, shape), np.float32)

    def constant(self, name: str, values: Any, dtype: Any = np.int64) -> ir.Value:
        return self.image if self._build is None else self._build.weight(name, np.asarray(values), dtype)

    def op(
        self, op_type: str, *inputs: ir.Value, name: str, channels: int | None = None, **attributes: Any
    ) -> ir.Value:
        """A node; its output has as many channels as its first input, if nothing else is said."""
        value = ir.Value() if self._build is None else self._build.op(op_type, *inputs, name=name, **attributes)
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
        weights = [self.weight(f"{path}.weight", (out, self.channels(x) // groups, *kernels))]
        if bias:
            weights.append(self.weight(f"{path}.bias", (out,)))
        return self.op(
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
        weights = [self.weight(f"{path}.{part}", size) for part in names]
        return self.op("BatchNormalization", x, *weights, name=name or path, epsilon=eps)

    def linear(self, path: str, x: ir.Value, out: int | None) -> ir.Value:
        weight = self.weight(f"{path}.weight", (out, self.channels(x)))
        return self.op("Gemm", x, weight, self.weight(f"{path}.bias", (out,)), name=path, channels=out or 0, transB=1)

    def relu(self, name: str, x: ir.Value) -> ir.Value:
        return self.op("Relu", x, name=name)

    def sigmoid(self, name: str, x: ir.Value) -> ir.Value:
        return self.op("Sigmoid", x, name=name)

    def silu(self, name: str, x: ir.Value) -> ir.Value:
        """x times its sigmoid (Elfwing et al. 2017)."""
        return self.mul(name, x, self.op("Sigmoid", x, name=f"{name}/sigmoid", step=True))

    def gelu(self, name: str, x: ir.Value) -> ir.Value:
        """x times the normal distribution's integral up to x (Hendrycks & Gimpel 2016): exactly, or by its section 2's
        sigmoid of 1.702 x, which OpenAI's CLIP has as QuickGELU.
        """
        if self._quick:
            y = self.op("Mul", x, self.constant(f"{name}/rate", _QUICK, np.float32), name=f"{name}/faster", step=True)
            return self.mul(name, x, self.op("Sigmoid", y, name=f"{name}/sigmoid", step=True))
        half, one, root = (self.constant(f"{name}/{n}", v, np.float32) for n, v in _GELU)
        y = self.op("Mul", x, root, name=f"{name}/over_root", step=True)
        y = self.op("Add", self.op("Erf", y, name=f"{name}/erf", step=True), one, name=f"{name}/up", step=True)
        return self.op("Mul", self.op("Mul", x, y, name=f"{name}/twice", step=True), half, name=name)

    def relu6(self, name: str, x: ir.Value) -> ir.Value:
        low, high = (self.constant(f"{name}/{bound}", bound, np.float32) for bound in (0, 6))
        return self.op("Clip", x, low, high, name=name)

    def hard_swish(self, name: str, x: ir.Value) -> ir.Value:
        return self.op("HardSwish", x, name=name)

    def hard_sigmoid(self, name: str, x: ir.Value) -> ir.Value:
        return self.op("HardSigmoid", x, name=name, alpha=1 / 6, beta=0.5)

    def add(self, name: str, x: ir.Value, y: ir.Value) -> ir.Value:
        return self.op("Add", x, y, name=name)

    def mul(self, name: str, x: ir.Value, y: ir.Value) -> ir.Value:
        return self.op("Mul", x, y, name=name)

    def cat(self, name: str, values: Sequence[ir.Value]) -> ir.Value:
        return self.op("Concat", *values, name=name, channels=sum(map(self.channels, values)), axis=1)

    def max_pool(
        self, name: str, x: ir.Value, kernel: int, stride: int, padding: int = 0, *, ceil: bool = False
    ) -> ir.Value:
        window: dict[str, Any] = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [padding] * 4}
        return self.op("MaxPool", x, name=name, ceil_mode=int(ceil), **window)

    def avg_pool(self, name: str, x: ir.Value, kernel: int, stride: int, padding: int = 0) -> ir.Value:
        window: dict[str, Any] = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [padding] * 4}
        return self.op("AveragePool", x, name=name, count_include_pad=1, **window)

    def mean(self, name: str, x: ir.Value) -> ir.Value:
        """Over the whole map, as ``AdaptiveAvgPool2d(1)``: [1, C, 1, 1]."""
        return self.op("GlobalAveragePool", x, name=name)

    def flatten(self, name: str, x: ir.Value, positions: int = 1) -> ir.Value:
        """positions: of the map, in all."""
        return self.op("Flatten", x, name=name, channels=self.channels(x) * positions, axis=1)

    def halves(self, name: str, x: ir.Value) -> tuple[ir.Value, ir.Value]:
        """The first half of the channels, and the second."""
        half = self.channels(x) // 2
        bounds = [self.constant(f"{name}/{number}", [number * half]) for number in range(3)]
        axis = self.constant(f"{name}/axis", [1])
        first, second = (
            self.op("Slice", x, *bounds[part : part + 2], axis, name=f"{name}.{part}", channels=half)
            for part in range(2)
        )
        return first, second

    def shuffled(self, name: str, x: ir.Value) -> ir.Value:
        """Channels of the first half and of the second by turns (Zhang et al. 2017): [N, C, H, W]."""
        channels, sizes = self.channels(x), []
        size = self.op("Shape", x, name=f"{name}/size", step=True, start=2)
        for label, ahead in (("pairs", [0, 2, channels // 2]), ("joined", [0, channels])):
            front = self.constant(f"{name}/{label}/ahead", ahead)
            sizes.append(self.op("Concat", front, size, name=f"{name}/{label}/shape", step=True, axis=0, channels=0))
        for value in (size, *sizes):
            value.dtype = ir.DataType.INT64
        y = self.op("Reshape", x, sizes[0], name=f"{name}/pairs", step=True)
        y = self.op("Transpose", y, name=f"{name}/turned", step=True, perm=[0, 2, 1, 3, 4])
        return self.op("Reshape", y, sizes[1], name=name, channels=channels)

    def reflect(self, name: str, x: ir.Value) -> ir.Value:
        """One pixel of reflection on every side."""
        pads = self.constant(f"{name}/pads", [0, 0, 1, 1] * 2)
        return self.op("Pad", x, pads, name=name, mode="reflect")


def _pair(value: Pair) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value)
