"""ConvNeXt (Liu et al. 2022), as torchvision has it."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from pixelgrad.exporters.networks.architectures.blueprint import Blueprint
from pixelgrad.exporters.networks.architectures.tokens import Tokens


def convnext(b: Blueprint, widths: Sequence[int], blocks: Sequence[int]) -> ir.Value:
    """widths, blocks: of the four stages."""
    tokens = Tokens(b, eps=1e-6)

    def norm(path: str, x: ir.Value, name: str) -> ir.Value:
        """``LayerNorm2d``."""
        return tokens.channels_first(name, tokens.norm(path, tokens.channels_last(f"{path}/last", x)))

    x = norm("features.0.1", b.conv("features.0.0", b.image, widths[0], 4, stride=4), "features.0")
    for stage, (width, count) in enumerate(zip(widths, blocks, strict=True)):
        if stage:
            x = norm(f"features.{2 * stage}.0", x, f"features.{2 * stage}.0/first")
            x = b.conv(f"features.{2 * stage}.1", x, width, 2, stride=2)
        for index in range(count):
            x = _block(b, tokens, f"features.{2 * stage + 1}.{index}", x)
        b.aliases[f"features.{2 * stage + 1}"] = f"features.{2 * stage + 1}.{count - 1}"
    if not b.classifier("classifier."):
        return x
    x = b.flatten("classifier.1", norm("classifier.0", b.mean("avgpool", x), "classifier.0/first"))
    b.aliases["logits"] = "classifier.2"
    return b.linear("classifier.2", x, None)


def _block(b: Blueprint, tokens: Tokens, path: str, x: ir.Value) -> ir.Value:
    width = b.channels(x)
    y = b.conv(f"{path}.block.0", x, width, 7, padding=3, groups=width)
    y = tokens.norm(f"{path}.block.2", tokens.channels_last(f"{path}.block.1", y))
    y = b.gelu(f"{path}.block.4", tokens.linear(f"{path}.block.3", y, 4 * width))
    y = tokens.channels_first(f"{path}.block.6", tokens.linear(f"{path}.block.5", y, width))
    return b.add(path, tokens.gain(f"{path}.layer_scale", y, (width, 1, 1)), x)
