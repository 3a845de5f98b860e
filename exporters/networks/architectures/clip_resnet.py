"""The ResNets of CLIP (Radford et al. 2021, section 2.4 and their code), in OpenAI's names.

Three convolutions and an average in front; averages instead of strides (Zhang 2019); attention in place of the mean.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from pixelgrad.exporters.networks.architectures.blueprint import Blueprint
from pixelgrad.exporters.networks.architectures.tokens import Tokens

__all__ = ["clip_resnet"]

_STRIDE = 32


def clip_resnet(b: Blueprint, blocks: Sequence[int], width: int) -> ir.Value:
    """blocks: of each of the four stages. width: channels of the stem, half of its first two convolutions'.

    The image is a square of as many positions as the attention has.
    """
    x = b.image
    for number, out in enumerate((width // 2, width // 2, width), 1):
        x = b.conv(f"conv{number}", x, out, 3, stride=2 if number == 1 else 1, padding=1, bias=False)
        x = b.relu(f"relu{number}", b.norm(f"bn{number}", x))
    x = b.avg_pool("avgpool", x, 2, 2)
    for stage, count in enumerate(blocks):
        for index in range(count):
            x = _block(b, f"layer{stage + 1}.{index}", x, width << stage, stride=2 if stage and not index else 1)
        b.aliases[f"layer{stage + 1}"] = f"layer{stage + 1}.{count - 1}"
    return _embedding(b, "attnpool", x, heads=width // 2) if b.classifier("attnpool.") else x


def _block(b: Blueprint, path: str, x: ir.Value, planes: int, stride: int) -> ir.Value:
    y = b.conv(f"{path}.conv1", x, planes, 1, bias=False)
    y = b.relu(f"{path}.relu1", b.norm(f"{path}.bn1", y))
    y = b.conv(f"{path}.conv2", y, planes, 3, padding=1, bias=False)
    y = b.relu(f"{path}.relu2", b.norm(f"{path}.bn2", y))
    if stride > 1:
        y = b.avg_pool(f"{path}.avgpool", y, stride, stride)
    y = b.norm(f"{path}.bn3", b.conv(f"{path}.conv3", y, 4 * planes, 1, bias=False))
    if stride > 1 or b.channels(x) != 4 * planes:
        if stride > 1:
            x = b.avg_pool(f"{path}.downsample.-1", x, stride, stride)
        x = b.norm(f"{path}.downsample.1", b.conv(f"{path}.downsample.0", x, 4 * planes, 1, bias=False))
    return b.relu(path, b.add(f"{path}.add", y, x))


def _embedding(b: Blueprint, path: str, x: ir.Value, heads: int) -> ir.Value:
    """The mean of all positions asks them what there is; what is compared with that of a text: [N, C]."""
    tokens = Tokens(b, eps=1e-5)
    x = tokens.of_patches(f"{path}.patches", x)
    x = tokens.behind(f"{path}.tokens", [tokens.mean(f"{path}.mean", x)], x)
    x = tokens.placed(f"{path}.placed", f"{path}.positional_embedding", x, patch=_STRIDE, flat=True)
    projections = tokens.separate([f"{path}.{part}_proj" for part in "qkv"], b.channels(x))
    y = tokens.attention(f"{path}.attention", x, heads, projections, asking=tokens.first(f"{path}.first", x, keep=True))
    b.aliases["embedding"] = f"{path}.c_proj"
    return b.linear(f"{path}.c_proj", b.flatten(f"{path}.flat", y), None)
