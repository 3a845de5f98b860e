"""VGG (Simonyan & Zisserman 2014) and AlexNet (Krizhevsky 2014), as torchvision has them; a distilled VGG encoder."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from pixelgrad.exporters.networks.architectures.blueprint import Blueprint

_WIDTHS = (64, 128, 256, 512, 512)


def vgg(b: Blueprint, convolutions: Sequence[int], *, norm: bool = False) -> ir.Value:
    """convolutions: how many each of the five blocks has."""
    x, index = b.image, 0
    for count, width in zip(convolutions, _WIDTHS, strict=True):
        for _ in range(count):
            x = b.conv(f"features.{index}", x, width, 3, padding=1)
            if norm:
                x = b.norm(f"features.{index + 1}", x)
            index += 3 if norm else 2
            x = b.relu(f"features.{index - 1}", x)
        x = b.max_pool(f"features.{index}", x, 2, 2)
        index += 1
    return _fully_connected(b, x, positions=49, first=0)


def alexnet(b: Blueprint) -> ir.Value:
    x = b.image
    rows = ((0, 64, 11, 4, 2), (3, 192, 5, 1, 2), (6, 384, 3, 1, 1), (8, 256, 3, 1, 1), (10, 256, 3, 1, 1))
    for number, (index, width, kernel, stride, padding) in enumerate(rows, 1):
        x = b.conv(f"features.{index}", x, width, kernel, stride=stride, padding=padding)
        x = b.relu(f"features.{index + 1}", x)
        b.aliases |= {f"conv{number}": f"features.{index}", f"relu{number}": f"features.{index + 1}"}
        if number in (1, 2, 5):
            x = b.max_pool(f"features.{index + 2}", x, 3, 2)
            b.aliases[f"pool{number}"] = f"features.{index + 2}"
    return _fully_connected(b, x, positions=36, first=1)


def _fully_connected(b: Blueprint, x: ir.Value, *, positions: int, first: int) -> ir.Value:
    if not b.classifier("classifier."):
        return x
    x = b.flatten("flatten", x, positions)
    second = first + 3
    for number, index in ((6, first), (7, second)):
        x = b.relu(f"classifier.{index + 1}", b.linear(f"classifier.{index}", x, 4096))
        b.aliases |= {f"fc{number}": f"classifier.{index}", f"relu{number}": f"classifier.{index + 1}"}
    b.aliases |= {"fc8": "classifier.6", "logits": "classifier.6"}
    return b.linear("classifier.6", x, None)


def slim_vgg19(b: Blueprint) -> ir.Value:
    """The encoder of Wang et al. 2020 (Collaborative Distillation): conv1_1 to relu5_1 of VGG-19 at a quarter of the
    channels, with reflection padding, behind a 1x1 convolution that turns RGB in [0, 1] into what Caffe's VGG wants.
    """
    x = b.conv("conv0", b.image, 3, 1, name="bgr")
    for block, (count, width) in enumerate(zip((2, 2, 4, 4, 1), (16, 32, 64, 128, 128), strict=True), 1):
        for index in range(1, count + 1):
            x = b.reflect(f"pad{block}_{index}", x)
            x = b.conv(f"conv{block}{index}", x, width, 3, name=f"conv{block}_{index}")
            x = b.relu(f"relu{block}_{index}", x)
        if block < 5:
            x = b.max_pool(f"pool{block}", x, 2, 2)
    return x
