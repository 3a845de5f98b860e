"""DenseNet (Huang et al. 2016), as torchvision has it."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from pixelgrad.exporters.networks.architectures.blueprint import Blueprint


def densenet(b: Blueprint, blocks: Sequence[int], *, growth: int = 32, first: int = 64) -> ir.Value:
    """blocks: how many layers each of the four has; growth: channels that each layer adds."""
    x = b.conv("features.conv0", b.image, first, 7, stride=2, padding=3, bias=False)
    x = b.relu("features.relu0", b.norm("features.norm0", x))
    x = b.max_pool("features.pool0", x, 3, 2, 1)
    for block, count in enumerate(blocks, 1):
        for index in range(1, count + 1):
            path = f"features.denseblock{block}.denselayer{index}"
            y = b.relu(f"{path}.relu1", b.norm(f"{path}.norm1", x))
            y = b.conv(f"{path}.conv1", y, 4 * growth, 1, bias=False)
            y = b.relu(f"{path}.relu2", b.norm(f"{path}.norm2", y))
            y = b.conv(f"{path}.conv2", y, growth, 3, padding=1, bias=False)
            last = index == count
            x = b.cat(f"features.denseblock{block}" if last else f"{path}.concat", [x, y])
        b.aliases[f"denseblock{block}"] = f"features.denseblock{block}"
        if block < len(blocks):
            path = f"features.transition{block}"
            x = b.relu(f"{path}.relu", b.norm(f"{path}.norm", x))
            x = b.conv(f"{path}.conv", x, b.channels(x) // 2, 1, bias=False)
            x = b.avg_pool(f"{path}.pool", x, 2, 2)
    x = b.relu("relu5", b.norm("features.norm5", x))
    return b.classified(x, "classifier.", "classifier")
