"""MNASNet B1 (Tan et al. 2018), as torchvision has it."""

from __future__ import annotations

import onnx_ir as ir

from pixelgrad.exporters.networks.architectures.blueprint import Blueprint
from pixelgrad.exporters.networks.architectures.rounding import rounded

# Channels, kernel, stride of the first, expansion, blocks.
_STACKS = ((24, 3, 2, 3, 3), (40, 5, 2, 3, 3), (80, 5, 2, 6, 3), (96, 3, 1, 6, 2), (192, 5, 2, 6, 4), (320, 3, 1, 6, 1))
_STEM, _FIRST, _LAST = 32, 16, 1280


def mnasnet(b: Blueprint, width: float) -> ir.Value:
    """width: times as many channels as in the paper."""

    def part(path: str, number: int, x: ir.Value, out: int, kernel: int, stride: int = 1, groups: int = 1) -> ir.Value:
        x = b.conv(*(f"{path}.{number}", x, out, kernel), stride=stride, padding=kernel // 2, groups=groups, bias=False)
        return b.norm(f"{path}.{number + 1}", x)

    x = b.relu("layers.2", part("layers", 0, b.image, rounded(_STEM * width), 3, 2))
    x = b.relu("layers.5", part("layers", 3, x, b.channels(x), 3, 1, b.channels(x)))
    x = part("layers", 6, x, rounded(_FIRST * width), 1)
    for stack, (channels, kernel, stride, expansion, count) in enumerate(_STACKS, 8):
        out = rounded(channels * width)
        for index in range(count):
            path, source = f"layers.{stack}.{index}.layers", x
            wide, step = b.channels(x) * expansion, stride if not index else 1
            x = b.relu(f"{path}.2", part(path, 0, x, wide, 1))
            x = b.relu(f"{path}.5", part(path, 3, x, wide, kernel, step, wide))
            x = part(path, 6, x, out, 1)
            if index:
                x = b.add(f"layers.{stack}.{index}", x, source)
        b.aliases[f"layers.{stack}"] = f"layers.{stack}.{count - 1}" if count > 1 else f"{path}.7"
    x = b.relu("layers.16", part("layers", 14, x, _LAST, 1))
    return b.classified(x, "classifier.", "classifier.1")
