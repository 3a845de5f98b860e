"""SqueezeNet (Iandola et al. 2016), as torchvision has it."""

from __future__ import annotations

import onnx_ir as ir

from pixelgrad.exporters.networks.architectures.blueprint import Blueprint

_FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))


def squeezenet(b: Blueprint, version: str) -> ir.Value:
    old = version == "1_0"
    x = b.conv("features.0", b.image, 96 if old else 64, 7 if old else 3, stride=2)
    x = b.relu("features.1", x)
    b.aliases |= {"conv1": "features.0", "relu1": "features.1"}
    index = 2
    # Poolings come before these of the modules fire2 to fire9.
    before = (2, 5, 9) if old else (2, 4, 6)
    for number, (squeeze, expand) in enumerate(_FIRES, 2):
        if number in before:
            x = b.max_pool(f"features.{index}", x, 3, 2, ceil=True)
            b.aliases[f"pool{1 if number == 2 else number - 1}"] = f"features.{index}"
            index += 1
        x = _fire(b, f"features.{index}", x, squeeze, expand)
        b.aliases[f"fire{number}"] = f"features.{index}"
        index += 1
    if not b.classifier("classifier."):
        return x
    x = b.relu("classifier.2", b.conv("classifier.1", x, None, 1))
    b.aliases |= {"conv10": "classifier.1", "relu10": "classifier.2", "pool10": "classifier.3"}
    x = b.flatten("logits", b.mean("classifier.3", x))
    return x


def _fire(b: Blueprint, path: str, x: ir.Value, squeeze: int, expand: int) -> ir.Value:
    x = b.relu(f"{path}.squeeze_activation", b.conv(f"{path}.squeeze", x, squeeze, 1))
    parts = [
        b.relu(
            f"{path}.expand{size}x{size}_activation",
            b.conv(f"{path}.expand{size}x{size}", x, expand, size, padding=pad),
        )
        for size, pad in ((1, 0), (3, 1))
    ]
    return b.cat(path, parts)
