"""ShuffleNet V2 (Ma et al. 2018), as torchvision has it."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from pixelgrad.exporters.networks.architectures.blueprint import Blueprint

_BLOCKS, _STEM = (4, 8, 4), 24


def shufflenet_v2(b: Blueprint, widths: Sequence[int]) -> ir.Value:
    """widths: channels of the three stages, and of the convolution behind them."""
    x = b.conv("conv1.0", b.image, _STEM, 3, stride=2, padding=1, bias=False)
    x = b.relu("conv1.2", b.norm("conv1.1", x))
    x = b.max_pool("maxpool", x, 3, 2, 1)
    for stage, (count, out) in enumerate(zip(_BLOCKS, widths[:-1], strict=True), 2):
        for index in range(count):
            path = f"stage{stage}.{index}"
            x = _halved(b, path, x, out) if not index else _kept(b, path, x, out)
        b.aliases[f"stage{stage}"] = f"stage{stage}.{count - 1}"
    x = b.conv("conv5.0", x, widths[-1], 1, bias=False)
    x = b.relu("conv5.2", b.norm("conv5.1", x))
    return b.classified(x, "fc.", "fc")


def _halved(b: Blueprint, path: str, x: ir.Value, out: int) -> ir.Value:
    """The first block of a stage: both branches see all channels, at half the size."""
    wide = b.channels(x)
    y = b.conv(f"{path}.branch1.0", x, wide, 3, stride=2, padding=1, groups=wide, bias=False)
    y = b.conv(f"{path}.branch1.2", b.norm(f"{path}.branch1.1", y), out // 2, 1, bias=False)
    y = b.relu(f"{path}.branch1.4", b.norm(f"{path}.branch1.3", y))
    return _shuffled(b, path, y, _branch(b, f"{path}.branch2", x, out // 2, 2))


def _kept(b: Blueprint, path: str, x: ir.Value, out: int) -> ir.Value:
    """The others: half of the channels pass as they are."""
    passed, changed = b.halves(f"{path}.chunk", x)
    return _shuffled(b, path, passed, _branch(b, f"{path}.branch2", changed, out // 2, 1))


def _branch(b: Blueprint, path: str, x: ir.Value, out: int, stride: int) -> ir.Value:
    x = b.relu(f"{path}.2", b.norm(f"{path}.1", b.conv(f"{path}.0", x, out, 1, bias=False)))
    x = b.conv(f"{path}.3", x, out, 3, stride=stride, padding=1, groups=out, bias=False)
    x = b.conv(f"{path}.5", b.norm(f"{path}.4", x), out, 1, bias=False)
    return b.relu(f"{path}.7", b.norm(f"{path}.6", x))


def _shuffled(b: Blueprint, path: str, x: ir.Value, y: ir.Value) -> ir.Value:
    """The channels of both by turns."""
    return b.shuffled(path, b.cat(f"{path}.cat", [x, y]))
