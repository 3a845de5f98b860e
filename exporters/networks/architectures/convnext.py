"""ConvNeXt (Liu et al. 2022), as torchvision, timm and its authors have it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import onnx_ir as ir

from pixelgrad.exporters.networks.architectures.blueprint import Blueprint
from pixelgrad.exporters.networks.architectures.tokens import Tokens

__all__ = ["AUTHORS", "TIMM", "TORCHVISION", "convnext"]


class Names(NamedTuple):
    """What a family calls its parameters. stem: its convolution and its normalisation. smaller: what halves the map in
    front of a stage: ``.0`` is its normalisation, ``.1`` its convolution. stage: in front of its blocks' numbers.
    depthwise, norm, layers, gain: of a block. head: normalisation and classifier. ends: how what may be missing begins.

    ``{n}`` is a stage's number from 0, ``{even}`` twice that, ``{odd}`` the next.
    """

    stem: tuple[str, str]
    smaller: str
    stage: str
    depthwise: str
    norm: str
    layers: tuple[str, str]
    gain: str
    head: tuple[str, str]
    ends: str


TORCHVISION = Names(
    stem=("features.0.0", "features.0.1"),
    smaller="features.{even}",
    stage="features.{odd}",
    depthwise="block.0",
    norm="block.2",
    layers=("block.3", "block.5"),
    gain="layer_scale",
    head=("classifier.0", "classifier.2"),
    ends="classifier.",
)
TIMM = Names(
    stem=("stem.0", "stem.1"),
    smaller="stages.{n}.downsample",
    stage="stages.{n}.blocks",
    depthwise="conv_dw",
    norm="norm",
    layers=("mlp.fc1", "mlp.fc2"),
    gain="gamma",
    head=("head.norm", "head.fc"),
    ends="head.",
)
AUTHORS = Names(
    stem=("downsample_layers.0.0", "downsample_layers.0.1"),
    smaller="downsample_layers.{n}",
    stage="stages.{n}",
    depthwise="dwconv",
    norm="norm",
    layers=("pwconv1", "pwconv2"),
    gain="gamma",
    head=("norm", "head"),
    ends="head.",
)


def convnext(b: Blueprint, names: Names, widths: Sequence[int], blocks: Sequence[int]) -> ir.Value:
    """widths, blocks: of the four stages."""
    tokens = Tokens(b, eps=1e-6)

    def norm(path: str, x: ir.Value, name: str) -> ir.Value:
        """Over the channels of a map [N, C, H, W]."""
        return tokens.channels_first(name, tokens.norm(path, tokens.channels_last(f"{path}/last", x)))

    conv, normalised = names.stem
    x = norm(normalised, b.conv(conv, b.image, widths[0], 4, stride=4), f"{normalised}/first")
    for stage, (width, count) in enumerate(zip(widths, blocks, strict=True)):
        numbers = {"n": stage, "even": 2 * stage, "odd": 2 * stage + 1}
        if stage:
            path = names.smaller.format(**numbers)
            x = b.conv(f"{path}.1", norm(f"{path}.0", x, f"{path}.0/first"), width, 2, stride=2)
        path = names.stage.format(**numbers)
        for index in range(count):
            x = _block(b, tokens, names, f"{path}.{index}", x)
        b.aliases[path] = f"{path}.{count - 1}"
    if not b.classifier(names.ends):
        return x
    normalised, logits = names.head
    x = b.flatten("flatten", norm(normalised, b.mean("avgpool", x), f"{normalised}/first"))
    b.aliases["logits"] = logits
    return b.linear(logits, x, None)


def _block(b: Blueprint, tokens: Tokens, names: Names, path: str, x: ir.Value) -> ir.Value:
    width = b.channels(x)
    y = b.conv(f"{path}.{names.depthwise}", x, width, 7, padding=3, groups=width)
    y = tokens.norm(f"{path}.{names.norm}", tokens.channels_last(f"{path}/last", y))
    first, second = (f"{path}.{layer}" for layer in names.layers)
    y = tokens.linear(second, b.gelu(f"{path}/gelu", tokens.linear(first, y, 4 * width)), width)
    shape = (width, 1, 1) if names is TORCHVISION else (width,)
    return b.add(path, tokens.channels_first(f"{path}/first", tokens.gain(f"{path}.{names.gain}", y, shape)), x)
