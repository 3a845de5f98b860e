"""What quantised numbers stand for: (q - zero point) * scale, per tensor, per channel or per block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Units:
    """How a tensor of integers is read.

    scale, zero: one number each; or one per channel along ``axis``; or arrays that broadcast with the tensor, in which
        each number is for ``block`` in a row along ``axis``, if that is given.
    kind: the type of the integers.
    """

    scale: Array
    zero: Array
    kind: ir.DataType
    axis: int = 1
    block: int = 0

    @property
    def is_single(self) -> bool:
        """Whether they are the same for the whole tensor."""
        return self.scale.size == self.zero.size == 1

    def same(self, other: Units) -> bool:
        """Whether the same integers stand for the same numbers in both, of whatever type they are."""
        if self.is_single and other.is_single:
            return bool(self.scale.item() == other.scale.item() and self.zero.item() == other.zero.item())
        alike = (self.axis, self.block) == (other.axis, other.block)
        return alike and np.array_equal(self.scale, other.scale) and np.array_equal(self.zero, other.zero)

    @property
    def ends(self) -> tuple[Array, Array]:
        """The least and the greatest number that can be stored."""
        if self.kind.is_floating_point():
            lowest, highest = float(self.kind.min), float(self.kind.max)
        else:
            lowest, highest = float(int(self.kind.min)), float(int(self.kind.max))
        zero, scale = self.zero.astype(np.float64), self.scale.astype(np.float64)
        return (lowest - zero) * scale, (highest - zero) * scale


def dequantise(q: Array, units: Units) -> Array:
    """What an array of integers stands for, float32 of its shape. ValueError where the scales do not fit the array."""
    scale, zero = (_spread(part, q.shape, units) for part in (units.scale, units.zero))
    return np.asarray((q.astype(np.float32) - zero.astype(np.float32)) * scale.astype(np.float32), np.float32)


def quantise(x: Array, units: Units) -> Array:
    """The integers (or 8-bit floats) nearest to an array, of its shape. ValueError as of :func:`dequantise`."""
    scale, zero = (_spread(part, x.shape, units) for part in (units.scale, units.zero))
    lowest, highest = float(units.kind.min), float(units.kind.max)
    scaled = x.astype(np.float32) / scale.astype(np.float32)
    rounded = scaled if units.kind.is_floating_point() else np.rint(scaled)
    return np.clip(rounded + zero.astype(np.float32), lowest, highest).astype(units.kind.numpy())


def _spread(part: Array, shape: tuple[int, ...], units: Units) -> Array:
    """A scale or zero point in a form that broadcasts with an array of ``shape`` and makes it no larger."""
    if part.size == 1:
        return part.reshape(())
    if not -len(shape) <= units.axis < len(shape):
        raise ValueError(f"axis {units.axis} of a tensor of shape {list(shape)}")
    axis = units.axis % len(shape)
    if part.ndim == 1 and not units.block:
        part = part.reshape([-1 if place == axis else 1 for place in range(len(shape))])
    if units.block > 0 and part.ndim == len(shape):
        if part.shape[axis] != -(-shape[axis] // units.block):
            raise ValueError(f"scales of shape {list(part.shape)} for blocks of {units.block} in {list(shape)}")
        part = np.take(part, np.arange(shape[axis]) // units.block, axis)
    if part.ndim != len(shape) or any(size not in (1, whole) for size, whole in zip(part.shape, shape, strict=True)):
        raise ValueError(f"scales of shape {list(part.shape)} for a tensor of shape {list(shape)}")
    return part


def unpack_bits(packed: Array, bits: int, count: int) -> Array:
    """The first ``count`` numbers of ``bits`` bits in each row of bytes, lowest bits first: uint8, [..., count].

    ValueError where the rows are too short, or bytes hold no whole number of them.
    """
    if bits not in (1, 2, 4, 8) or packed.dtype != np.uint8 or not 0 <= count * bits <= packed.shape[-1] * 8:
        raise ValueError(f"{count} numbers of {bits} bits in {packed.dtype} of shape {list(packed.shape)}")
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    each = (packed[..., None] >> shifts) & np.uint8((1 << bits) - 1)
    return each.reshape(*packed.shape[:-1], -1)[..., :count]
