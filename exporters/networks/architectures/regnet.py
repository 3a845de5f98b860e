"""RegNet X and Y (Radosavovic et al. 2020), as torchvision has them."""

from __future__ import annotations

import onnx_ir as ir

from pixelgrad.exporters.networks.architectures.blocks import excited, unit
from pixelgrad.exporters.networks.architectures.blueprint import Blueprint

# Blocks and channels of the four stages, channels of a group at most: tables 5 and 6 of the paper, by its rule.
REGNETS = {
    "x_400mf": ((1, 2, 7, 12), (32, 64, 160, 400), 16),
    "x_800mf": ((1, 3, 7, 5), (64, 128, 288, 672), 16),
    "x_1_6gf": ((2, 4, 10, 2), (72, 168, 408, 912), 24),
    "x_3_2gf": ((2, 6, 15, 2), (96, 192, 432, 1008), 48),
    "x_8gf": ((2, 5, 15, 1), (80, 240, 720, 1920), 120),
    "x_16gf": ((2, 6, 13, 1), (256, 512, 896, 2048), 128),
    "x_32gf": ((2, 7, 13, 1), (336, 672, 1344, 2520), 168),
    "y_400mf": ((1, 3, 6, 6), (48, 104, 208, 440), 8),
    "y_800mf": ((1, 3, 8, 2), (64, 144, 320, 784), 16),
    "y_1_6gf": ((2, 6, 17, 2), (48, 120, 336, 888), 24),
    "y_3_2gf": ((2, 5, 13, 1), (72, 216, 576, 1512), 24),
    "y_8gf": ((2, 4, 10, 1), (224, 448, 896, 2016), 56),
    "y_16gf": ((2, 4, 11, 1), (224, 448, 1232, 3024), 112),
    "y_32gf": ((2, 5, 12, 1), (232, 696, 1392, 3712), 232),
    "y_128gf": ((2, 7, 17, 1), (528, 1056, 2904, 7392), 264),
}
_STEM = 32


def regnet(b: Blueprint, kind: str) -> ir.Value:
    """Y are X with squeeze and excitation, to a quarter of the channels that a block is given."""
    depths, widths, group_width = REGNETS[kind]
    x = unit(b, "stem", b.image, _STEM, 3, b.relu, stride=2)
    for stage, (depth, out) in enumerate(zip(depths, widths, strict=True), 1):
        for index in range(depth):
            path = f"trunk_output.block{stage}.block{stage}-{index}"
            source, stride = x, 1 if index else 2
            y = unit(b, f"{path}.f.a", x, out, 1, b.relu)
            groups = out // min(group_width, out)
            y = unit(b, f"{path}.f.b", y, out, 3, b.relu, stride=stride, groups=groups)
            if kind.startswith("y"):
                y = excited(b, f"{path}.f.se", y, round(b.channels(x) / 4), b.relu, b.sigmoid)
            y = unit(b, f"{path}.f.c", y, out, 1, None)
            if stride != 1 or b.channels(x) != out:
                source = unit(b, f"{path}.proj", x, out, 1, None, stride=stride)
            x = b.relu(path, b.add(f"{path}.add", source, y))
        b.aliases[f"block{stage}"] = path
    return b.classified(x, "fc.", "fc")
