"""What architectures do to features whose channels are the last axis: tokens [N, T, C], and maps [N, H, W, C]."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import onnx_ir as ir

from pixelgrad.exporters.networks.architectures.blueprint import Blueprint, Shape
from pixelgrad.exporters.networks.builder import Array

__all__ = ["Projection", "Tokens"]

#: Weight [out, in] and bias [out] of a fully connected layer.
Projection = tuple[Array, Array]


class Tokens:
    """Writes into a blueprint; parameters are named as :class:`Blueprint` names them. eps: of its normalisations."""

    def __init__(self, blueprint: Blueprint, eps: float) -> None:
        self._b, self._eps = blueprint, eps

    def channels_last(self, name: str, x: ir.Value) -> ir.Value:
        return self._b.op("Transpose", x, name=name, step=True, perm=[0, 2, 3, 1])

    def channels_first(self, name: str, x: ir.Value) -> ir.Value:
        return self._b.op("Transpose", x, name=name, perm=[0, 3, 1, 2])

    def norm(self, path: str, x: ir.Value) -> ir.Value:
        """Over the channels of each position (Ba et al. 2016)."""
        weights = (self._b.weight(f"{path}.{part}", (self._b.channels(x),)) for part in ("weight", "bias"))
        return self._b.op("LayerNormalization", x, *weights, name=path, axis=-1, epsilon=self._eps)

    def linear(self, path: str, x: ir.Value, out: int) -> ir.Value:
        """The same fully connected layer at each position."""
        weight = self._b.parameter(f"{path}.weight", (out, self._b.channels(x)))
        bias = self._b.parameter(f"{path}.bias", (out,))
        return self._affine(path, x, weight, bias, out)

    def gain(self, name: str, x: ir.Value, shape: Shape) -> ir.Value:
        """Times a parameter called ``name``, of one number for each channel."""
        gains = self._b.constant(name, self._b.parameter(name, shape).reshape(-1), np.float32)
        return self._b.op("Mul", x, gains, name=f"{name}/scaled", step=True)

    def joint(self, weight: str, bias: str, width: int) -> Iterable[Projection]:
        """Those of queries, keys and values, one above the other in one weight [3 C, C] and one bias [3 C]."""
        parameters = self._b.parameter(weight, (3 * width, width)), self._b.parameter(bias, (3 * width,))
        return zip(*(np.array_split(parameter, 3) for parameter in parameters), strict=True)

    def separate(self, paths: Sequence[str], width: int) -> Iterable[Projection]:
        """Those of queries, keys and values, a layer each."""
        parameter = self._b.parameter
        return [(parameter(f"{path}.weight", (width, width)), parameter(f"{path}.bias", (width,))) for path in paths]

    def attention(
        self, path: str, x: ir.Value, heads: int, projections: Iterable[Projection], asking: ir.Value | None = None
    ) -> ir.Value:
        """Each token, or those ``asking``, ask all others (Vaswani et al. 2017), before the layer that joins the heads.

        projections: weight [C, C] and bias [C] of queries, keys and values.
        """
        width = self._b.channels(x)
        size = width // heads
        split = self._b.constant(f"{path}/split", [0, -1, heads, size])
        parts = {}
        for name, (weight, bias) in zip("qkv", projections, strict=True):
            # The queries are scaled once and for all, where that is exact or nearly so.
            gain = np.float32(size**-0.5 if name == "q" else 1)
            source = asking if asking is not None and name == "q" else x
            part = self._affine(f"{path}.{name}", source, weight * gain, bias * gain, width)
            part = self._b.op("Reshape", part, split, name=f"{path}.{name}/heads", step=True)
            order = [0, 2, 3, 1] if name == "k" else [0, 2, 1, 3]
            parts[name] = self._b.op("Transpose", part, name=f"{path}.{name}/turned", step=True, perm=order)
        scores = self._b.op("MatMul", parts["q"], parts["k"], name=f"{path}.scores", step=True)
        shares = self._b.op("Softmax", scores, name=f"{path}.softmax", step=True, axis=-1)
        y = self._b.op("MatMul", shares, parts["v"], name=f"{path}.asked", step=True)
        y = self._b.op("Transpose", y, name=f"{path}.side_by_side", step=True, perm=[0, 2, 1, 3])
        joined = self._b.constant(f"{path}/joined", [0, -1, width])
        return self._b.op("Reshape", y, joined, name=path, channels=width)

    def of_patches(self, name: str, x: ir.Value) -> ir.Value:
        """A map [N, C, H, W] as tokens, row by row."""
        flat = self._b.constant(f"{name}/flat", [0, self._b.channels(x), -1])
        x = self._b.op("Reshape", x, flat, name=f"{name}/rows", step=True)
        return self._b.op("Transpose", x, name=name, step=True, perm=[0, 2, 1])

    def token(self, parameter: str, shape: Shape) -> ir.Value:
        """Tokens that are parameters, ``shape`` being theirs in the file: [1, T, C]."""
        array = self._b.parameter(parameter, shape)
        return self._b.constant(parameter, array.reshape(1, -1, array.shape[-1]), np.float32)

    def behind(self, name: str, ahead: Sequence[ir.Value], x: ir.Value) -> ir.Value:
        """Other tokens in front of those of ``x``."""
        return self._b.op("Concat", *ahead, x, name=name, step=True, axis=1, channels=self._b.channels(x))

    def placed(
        self, name: str, parameter: str, x: ir.Value, *, patch: int, unplaced: int = 0, flat: bool = False
    ) -> ir.Value:
        """With an embedding of its position added to each token: the first is of the class, the next ``unplaced`` have
        none, the others are patches of ``patch`` pixels that fill a square. That is the size that the image gets.

        flat: the file has them without an axis for the batch.
        """
        width = self._b.channels(x)
        array = self._b.parameter(parameter, (None, width) if flat else (1, None, width))
        array = array.reshape(1, -1, array.shape[-1])
        first, rest = array[:, :1], array[:, 1:]
        nothing = np.zeros((1, unplaced, array.shape[2]), np.float32)
        self._b.made_for(patch * math.isqrt(rest.shape[1]))
        value = self._b.constant(parameter, np.concatenate([first, nothing, rest], axis=1), np.float32)
        return self._b.op("Add", x, value, name=name)

    def mean(self, name: str, x: ir.Value) -> ir.Value:
        """Of all tokens, as one: [N, 1, C]."""
        return self._b.op("ReduceMean", x, self._b.constant(f"{name}/axis", [1]), name=name, step=True, keepdims=1)

    def first(self, name: str, x: ir.Value, *, keep: bool = False) -> ir.Value:
        """The first token: [N, C]; to ``keep`` the axis, [N, 1, C]."""
        place = self._b.constant(f"{name}/place", [0] if keep else 0)
        return self._b.op("Gather", x, place, name=name, axis=1)

    def _affine(self, path: str, x: ir.Value, weight: Array, bias: Array, out: int) -> ir.Value:
        """weight: [out, in]."""
        matrix = self._b.constant(f"{path}.weight", weight.T, np.float32)
        y = self._b.op("MatMul", x, matrix, name=f"{path}/product", step=True)
        return self._b.op("Add", y, self._b.constant(f"{path}.bias", bias, np.float32), name=path, channels=out)
