"""ResNet (He et al. 2015), ResNeXt (Xie et al. 2016) and Wide ResNet (Zagoruyko 2016), as torchvision has them."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from pixelgrad.exporters.networks.architectures.blueprint import Blueprint


def resnet(
    b: Blueprint, blocks: Sequence[int], *, bottleneck: bool = True, groups: int = 1, group_width: int = 64
) -> ir.Value:
    """blocks: of each of the four stages. The stride of a bottleneck is in its 3x3 convolution."""
    x = b.conv("conv1", b.image, 64, 7, stride=2, padding=3, bias=False)
    x = b.relu("relu", b.norm("bn1", x))
    x = b.max_pool("maxpool", x, 3, 2, 1)
    for stage, count in enumerate(blocks):
        planes = 64 << stage
        width = planes * group_width // 64 * groups if bottleneck else planes
        for index in range(count):
            stride = 2 if stage and not index else 1
            x = _block(b, f"layer{stage + 1}.{index}", x, planes, width, stride, groups, bottleneck=bottleneck)
        b.aliases[f"layer{stage + 1}"] = f"layer{stage + 1}.{count - 1}"
    return b.classified(x, "fc.", "fc")


def _block(
    b: Blueprint, path: str, x: ir.Value, planes: int, width: int, stride: int, groups: int, *, bottleneck: bool
) -> ir.Value:
    # output channels, kernel, stride, groups of its convolutions
    rows: tuple[tuple[int, int, int, int], ...]
    if bottleneck:
        rows = ((width, 1, 1, 1), (width, 3, stride, groups), (planes * 4, 1, 1, 1))
    else:
        rows = ((planes, 3, stride, 1), (planes, 3, 1, 1))
    y = x
    for number, (out, kernel, step, group) in enumerate(rows, 1):
        if number > 1:
            y = b.relu(f"{path}.relu{number - 1}", y)
        y = b.conv(f"{path}.conv{number}", y, out, kernel, stride=step, padding=kernel // 2, groups=group, bias=False)
        y = b.norm(f"{path}.bn{number}", y)
    out = b.channels(y)
    if stride != 1 or b.channels(x) != out:
        x = b.conv(f"{path}.downsample.0", x, out, 1, stride=stride, bias=False)
        x = b.norm(f"{path}.downsample.1", x)
    return b.relu(path, b.add(f"{path}.add", y, x))
