"""EfficientNet (Tan & Le 2019) and EfficientNet V2 (Tan & Le 2021), as torchvision has them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import onnx_ir as ir

from pixelgrad.exporters.networks.architectures.blocks import excited, unit
from pixelgrad.exporters.networks.architectures.blueprint import Blueprint
from pixelgrad.exporters.networks.architectures.rounding import rounded

# Expansion, kernel, stride of the first, channels, blocks, and whether expansion and the convolution in space are one:
# table 1 of the first paper and table 4 of the second.
Stage = tuple[int, int, int, int, int, bool]
_B0: tuple[Stage, ...] = (
    (1, 3, 1, 16, 1, False), (6, 3, 2, 24, 2, False), (6, 5, 2, 40, 2, False), (6, 3, 2, 80, 3, False),
    (6, 5, 1, 112, 3, False), (6, 5, 2, 192, 4, False), (6, 3, 1, 320, 1, False),
)  # fmt: skip
_V2: dict[str, tuple[Stage, ...]] = {
    "s": (
        (1, 3, 1, 24, 2, True), (4, 3, 2, 48, 4, True), (4, 3, 2, 64, 4, True), (4, 3, 2, 128, 6, False),
        (6, 3, 1, 160, 9, False), (6, 3, 2, 256, 15, False),
    ),
    "m": (
        (1, 3, 1, 24, 3, True), (4, 3, 2, 48, 5, True), (4, 3, 2, 80, 5, True), (4, 3, 2, 160, 7, False),
        (6, 3, 1, 176, 14, False), (6, 3, 2, 304, 18, False), (6, 3, 1, 512, 5, False),
    ),
    "l": (
        (1, 3, 1, 32, 4, True), (4, 3, 2, 64, 7, True), (4, 3, 2, 96, 7, True), (4, 3, 2, 192, 10, False),
        (6, 3, 1, 224, 19, False), (6, 3, 2, 384, 25, False), (6, 3, 1, 640, 7, False),
    ),
}  # fmt: skip
_V2_LAST = 1280


def efficientnet(b: Blueprint, width: float, depth: float, eps: float = 1e-5) -> ir.Value:
    """width, depth: times as many channels and blocks as B0 has."""
    stages = [
        (expansion, kernel, stride, rounded(out * width), math.ceil(count * depth), fused)
        for expansion, kernel, stride, out, count, fused in _B0
    ]
    return _network(b, rounded(32 * width), stages, 4 * stages[-1][3], eps)


def efficientnet_v2(b: Blueprint, kind: str) -> ir.Value:
    return _network(b, _V2[kind][0][3], _V2[kind], _V2_LAST, 1e-3)


def _network(b: Blueprint, first: int, stages: Sequence[Stage], last: int, eps: float) -> ir.Value:
    x = unit(b, "features.0", b.image, first, 3, b.silu, stride=2, eps=eps)
    for number, (expansion, kernel, stride, out, count, fused) in enumerate(stages, 1):
        for index in range(count):
            path, step = f"features.{number}.{index}", stride if not index else 1
            block = _fused if fused else _inverted
            x = block(b, path, x, out, kernel, step, expansion, eps)
        b.aliases[f"features.{number}"] = f"features.{number}.{count - 1}"
    x = unit(b, f"features.{len(stages) + 1}", x, last, 1, b.silu, eps=eps)
    return b.classified(x, "classifier.", "classifier.1")


def _inverted(
    b: Blueprint, path: str, source: ir.Value, out: int, kernel: int, stride: int, expansion: int, eps: float
) -> ir.Value:
    """``MBConv``: expanded, convolved in space channel by channel, excited, projected."""
    x, width = source, b.channels(source) * expansion
    parts = iter(range(4))
    if expansion != 1:
        x = unit(b, f"{path}.block.{next(parts)}", x, width, 1, b.silu, eps=eps)
    x = unit(b, f"{path}.block.{next(parts)}", x, width, kernel, b.silu, stride=stride, groups=width, eps=eps)
    x = excited(b, f"{path}.block.{next(parts)}", x, max(1, b.channels(source) // 4), b.silu, b.sigmoid)
    return _joined(b, path, source, x, out, stride, f"{path}.block.{next(parts)}", 1, eps)


def _fused(
    b: Blueprint, path: str, source: ir.Value, out: int, kernel: int, stride: int, expansion: int, eps: float
) -> ir.Value:
    """``FusedMBConv``: one convolution expands and sees the neighbours."""
    if expansion != 1:
        width = b.channels(source) * expansion
        x = unit(b, f"{path}.block.0", source, width, kernel, b.silu, stride=stride, eps=eps)
        return _joined(b, path, source, x, out, stride, f"{path}.block.1", 1, eps)
    residual = stride == 1 and b.channels(source) == out
    name = "" if residual else path
    x = unit(b, f"{path}.block.0", source, out, kernel, b.silu, stride=stride, eps=eps, name=name)
    return b.add(path, x, source) if residual else x


def _joined(
    b: Blueprint, path: str, source: ir.Value, x: ir.Value, out: int, stride: int, last: str, kernel: int, eps: float
) -> ir.Value:
    residual = stride == 1 and b.channels(source) == out
    x = unit(b, last, x, out, kernel, None, eps=eps, name="" if residual else path)
    return b.add(path, x, source) if residual else x
