"""Caffe, independently of the reader: its wire format read by hand, and its layers computed by PyTorch.

Written from the documentation of Caffe's layers (caffe.berkeleyvision.org/tutorial/layers) and, for what it leaves
open, from the loops of its CPU layers: sizes of poolings round up; an average counts padding, but not beyond it; a
response norm within a channel is x * (1 + alpha * mean of squares) ** -beta.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.nn import functional

Tensor = torch.Tensor


def fields(content: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a protobuf message: numbers as they are, the rest as bytes."""
    position = 0

    def varint() -> int:
        nonlocal position
        result, shift = 0, 0
        while True:
            byte = content[position]
            position += 1
            result |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return result

    while position < len(content):
        tag = varint()
        if tag & 7 == 0:
            yield tag >> 3, varint()
        else:
            size = {1: 8, 5: 4}.get(tag & 7) or varint()
            yield tag >> 3, content[position : position + size]
            position += size


def v1_weights(content: bytes) -> dict[str, list[Tensor]]:
    """Weights of a ``.caffemodel`` in the old format: layers are field 2, their name 4, their blobs 6."""
    result: dict[str, list[Tensor]] = {}
    for number, layer in fields(content):
        if number != 2:
            continue
        name, blobs = "", []
        for key, value in fields(layer):
            if key == 4:
                name = value.decode()
            elif key == 6:
                blob = dict(fields(value))
                shape = [blob[axis] for axis in (1, 2, 3, 4)]
                blobs.append(torch.from_numpy(np.frombuffer(blob[5], "<f4").reshape(shape).copy()).double())
        result[name] = blobs
    return result


def pooled_size(size: int, kernel: int, stride: int, pad: int) -> int:
    count = -(-(size + 2 * pad - kernel) // stride) + 1
    return count - 1 if pad and (count - 1) * stride >= size + pad else count


def pool(x: Tensor, kernel: int, stride: int, pad: int = 0, *, average: bool = False) -> Tensor:
    """Window by window, as Caffe's loops go."""
    height, width = x.shape[2:]
    rows, columns = pooled_size(height, kernel, stride, pad), pooled_size(width, kernel, stride, pad)
    result = x.new_zeros(*x.shape[:2], rows, columns)
    for row in range(rows):
        for column in range(columns):
            top, left = row * stride - pad, column * stride - pad
            bottom, right = min(top + kernel, height + pad), min(left + kernel, width + pad)
            area = (bottom - top) * (right - left)
            window = x[:, :, max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
            result[:, :, row, column] = window.sum((2, 3)) / area if average else window.amax((2, 3))
    return result


def norm_within_channel(x: Tensor, size: int, alpha: float, beta: float) -> Tensor:
    mean = pool(x * x, size, 1, (size - 1) // 2, average=True)
    return x * (1 + alpha * mean) ** -beta


def cifar10_full(weights: dict[str, list[Tensor]], x: Tensor) -> dict[str, Tensor]:
    """Every blob of Caffe's example network at the end of a forward pass; x: [1, 3, 32, 32], mean subtracted."""

    def conv(name: str, value: Tensor) -> Tensor:
        weight, bias = weights[name]
        return functional.conv2d(value, weight, bias.flatten(), padding=2)

    blobs = {"conv1": conv("conv1", x)}
    blobs["pool1"] = pool(blobs["conv1"], 3, 2).relu()
    blobs["norm1"] = norm_within_channel(blobs["pool1"], 3, 5e-5, 0.75)
    blobs["conv2"] = conv("conv2", blobs["norm1"]).relu()
    blobs["pool2"] = pool(blobs["conv2"], 3, 2, average=True)
    blobs["norm2"] = norm_within_channel(blobs["pool2"], 3, 5e-5, 0.75)
    blobs["conv3"] = conv("conv3", blobs["norm2"]).relu()
    blobs["pool3"] = pool(blobs["conv3"], 3, 2, average=True)
    weight, bias = weights["ip1"]
    blobs["ip1"] = blobs["pool3"].flatten(1) @ weight[0, 0].T + bias.flatten()
    blobs["prob"] = blobs["ip1"].softmax(1)
    return blobs
