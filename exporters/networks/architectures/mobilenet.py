"""MobileNet V2 (Sandler et al. 2018) and V3 (Howard et al. 2019), as torchvision has them."""

from __future__ import annotations

import onnx_ir as ir

from pixelgrad.exporters.networks.architectures.blocks import Activation, excited, unit
from pixelgrad.exporters.networks.architectures.blueprint import Blueprint
from pixelgrad.exporters.networks.architectures.rounding import rounded

# Expansion, channels, blocks, stride of the first: table 2 of the paper.
_V2 = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))

# Kernel, expanded channels, channels, squeeze and excitation, hard swish, stride: tables 1 and 2 of the paper.
_V3 = {
    "large": (
        (3, 16, 16, 0, 0, 1), (3, 64, 24, 0, 0, 2), (3, 72, 24, 0, 0, 1), (5, 72, 40, 1, 0, 2), (5, 120, 40, 1, 0, 1),
        (5, 120, 40, 1, 0, 1), (3, 240, 80, 0, 1, 2), (3, 200, 80, 0, 1, 1), (3, 184, 80, 0, 1, 1),
        (3, 184, 80, 0, 1, 1), (3, 480, 112, 1, 1, 1), (3, 672, 112, 1, 1, 1), (5, 672, 160, 1, 1, 2),
        (5, 960, 160, 1, 1, 1), (5, 960, 160, 1, 1, 1),
    ),
    "small": (
        (3, 16, 16, 1, 0, 2), (3, 72, 24, 0, 0, 2), (3, 88, 24, 0, 0, 1), (5, 96, 40, 1, 1, 2), (5, 240, 40, 1, 1, 1),
        (5, 240, 40, 1, 1, 1), (5, 120, 48, 1, 1, 1), (5, 144, 48, 1, 1, 1), (5, 288, 96, 1, 1, 2),
        (5, 576, 96, 1, 1, 1), (5, 576, 96, 1, 1, 1),
    ),
}  # fmt: skip
_V3_LAST = {"large": 1280, "small": 1024}
_V3_EPS = 1e-3


def mobilenet_v2(b: Blueprint) -> ir.Value:
    x, index = unit(b, "features.0", b.image, 32, 3, b.relu6, stride=2), 0
    for expansion, out, count, first in _V2:
        for repeat in range(count):
            index += 1
            path, stride, source = f"features.{index}", first if not repeat else 1, x
            width = b.channels(x) * expansion
            parts = iter(range(4))
            if expansion != 1:
                x = unit(b, f"{path}.conv.{next(parts)}", x, width, 1, b.relu6)
            x = unit(b, f"{path}.conv.{next(parts)}", x, width, 3, b.relu6, stride=stride, groups=width)
            residual = stride == 1 and b.channels(source) == out
            x = b.conv(f"{path}.conv.{next(parts)}", x, out, 1, bias=False)
            norm = f"{path}.conv.{next(parts)}"
            x = b.norm(norm, x, name="" if residual else path)
            if residual:
                x = b.add(path, source, x)
    x = unit(b, f"features.{index + 1}", x, 1280, 1, b.relu6)
    return b.classified(x, "classifier.", "classifier.1")


def mobilenet_v3(b: Blueprint, kind: str) -> ir.Value:
    def activation(swish: int) -> Activation:
        return b.hard_swish if swish else b.relu

    x = unit(b, "features.0", b.image, 16, 3, b.hard_swish, stride=2, eps=_V3_EPS)
    for index, (kernel, width, out, squeeze, swish, stride) in enumerate(_V3[kind], 1):
        path, source = f"features.{index}", x
        parts = iter(range(4))
        if width != b.channels(x):
            x = unit(b, f"{path}.block.{next(parts)}", x, width, 1, activation(swish), eps=_V3_EPS)
        deep = f"{path}.block.{next(parts)}"
        x = unit(b, deep, x, width, kernel, activation(swish), stride=stride, groups=width, eps=_V3_EPS)
        if squeeze:
            squeezed = rounded(b.channels(x) // 4)
            x = excited(b, f"{path}.block.{next(parts)}", x, squeezed, b.relu, b.hard_sigmoid)
        last = f"{path}.block.{next(parts)}"
        residual = stride == 1 and b.channels(source) == out
        x = unit(b, last, x, out, 1, None, eps=_V3_EPS, name="" if residual else path)
        if residual:
            x = b.add(path, x, source)
    x = unit(b, f"features.{len(_V3[kind]) + 1}", x, 6 * b.channels(x), 1, b.hard_swish, eps=_V3_EPS)
    if not b.classifier("classifier."):
        return x
    x = b.flatten("flatten", b.mean("avgpool", x))
    x = b.hard_swish("classifier.1", b.linear("classifier.0", x, _V3_LAST[kind]))
    b.aliases["logits"] = "classifier.3"
    return b.linear("classifier.3", x, None)
