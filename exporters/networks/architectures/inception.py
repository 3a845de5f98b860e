"""GoogLeNet (Szegedy et al. 2014) and Inception v3 (Szegedy et al. 2015), as torchvision has them."""

from __future__ import annotations

import onnx_ir as ir

from pixelgrad.exporters.networks.architectures.blueprint import Blueprint, Pair

_EPS = 1e-3

# Channels: 1x1; 3x3 reduced, 3x3; second 3x3 reduced, second 3x3; projection of the pooling.
_INCEPTIONS = {
    "3a": (64, 96, 128, 16, 32, 32), "3b": (128, 128, 192, 32, 96, 64), "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64), "4c": (128, 128, 256, 24, 64, 64), "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128), "5a": (256, 160, 320, 32, 128, 128), "5b": (384, 192, 384, 48, 128, 128),
}  # fmt: skip


def _unit(
    b: Blueprint, path: str, x: ir.Value, out: int, kernel: Pair = 1, *, stride: int = 1, padding: Pair = 0
) -> ir.Value:
    x = b.conv(f"{path}.conv", x, out, kernel, stride=stride, padding=padding, bias=False)
    return b.relu(path, b.norm(f"{path}.bn", x, eps=_EPS))


def googlenet(b: Blueprint) -> ir.Value:
    x = _unit(b, "conv1", b.image, 64, 7, stride=2, padding=3)
    x = b.max_pool("maxpool1", x, 3, 2, ceil=True)
    x = _unit(b, "conv3", _unit(b, "conv2", x, 64), 192, 3, padding=1)
    x = b.max_pool("maxpool2", x, 3, 2, ceil=True)
    for name, (one, three_in, three, five_in, five, pool) in _INCEPTIONS.items():
        path = f"inception{name}"
        x = b.cat(
            path,
            [
                _unit(b, f"{path}.branch1", x, one),
                _unit(b, f"{path}.branch2.1", _unit(b, f"{path}.branch2.0", x, three_in), three, 3, padding=1),
                _unit(b, f"{path}.branch3.1", _unit(b, f"{path}.branch3.0", x, five_in), five, 3, padding=1),
                _unit(b, f"{path}.branch4.1", b.max_pool(f"{path}.branch4.0", x, 3, 1, 1, ceil=True), pool),
            ],
        )
        b.aliases |= {f"mixed{name}": path, f"inception_{name}/output": path}
        if name in ("3b", "4e"):
            size, number = (3, 3) if name == "3b" else (2, 4)
            x = b.max_pool(f"maxpool{number}", x, size, 2, ceil=True)
    return b.classified(x, "fc.", "fc")


def inception_v3(b: Blueprint) -> ir.Value:
    x = _unit(b, "Conv2d_1a_3x3", b.image, 32, 3, stride=2)
    x = _unit(b, "Conv2d_2b_3x3", _unit(b, "Conv2d_2a_3x3", x, 32, 3), 64, 3, padding=1)
    x = b.max_pool("maxpool1", x, 3, 2)
    x = _unit(b, "Conv2d_4a_3x3", _unit(b, "Conv2d_3b_1x1", x, 80), 192, 3)
    x = b.max_pool("maxpool2", x, 3, 2)
    for name, pool in (("5b", 32), ("5c", 64), ("5d", 64)):
        x = _grid_35(b, f"Mixed_{name}", x, pool)
    x = _to_17(b, "Mixed_6a", x)
    for name, width in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
        x = _grid_17(b, f"Mixed_{name}", x, width)
    x = _to_8(b, "Mixed_7a", x)
    for name in ("7b", "7c"):
        x = _grid_8(b, f"Mixed_{name}", x)
    names = ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c")
    for number, name in enumerate(names):
        b.aliases |= {f"mixed{number}": f"Mixed_{name}", f"mixed{name}": f"Mixed_{name}"}
    return b.classified(x, "fc.", "fc")


def _pooled(b: Blueprint, path: str, x: ir.Value, out: int) -> ir.Value:
    return _unit(b, f"{path}.branch_pool", b.avg_pool(f"{path}.avg_pool", x, 3, 1, 1), out)


def _grid_35(b: Blueprint, path: str, x: ir.Value, pool: int) -> ir.Value:
    """Figure 5 of the paper."""
    five = _unit(b, f"{path}.branch5x5_2", _unit(b, f"{path}.branch5x5_1", x, 48), 64, 5, padding=2)
    double = _unit(b, f"{path}.branch3x3dbl_2", _unit(b, f"{path}.branch3x3dbl_1", x, 64), 96, 3, padding=1)
    double = _unit(b, f"{path}.branch3x3dbl_3", double, 96, 3, padding=1)
    return b.cat(path, [_unit(b, f"{path}.branch1x1", x, 64), five, double, _pooled(b, path, x, pool)])


def _to_17(b: Blueprint, path: str, x: ir.Value) -> ir.Value:
    double = _unit(b, f"{path}.branch3x3dbl_2", _unit(b, f"{path}.branch3x3dbl_1", x, 64), 96, 3, padding=1)
    double = _unit(b, f"{path}.branch3x3dbl_3", double, 96, 3, stride=2)
    three = _unit(b, f"{path}.branch3x3", x, 384, 3, stride=2)
    return b.cat(path, [three, double, b.max_pool(f"{path}.max_pool", x, 3, 2)])


def _grid_17(b: Blueprint, path: str, x: ir.Value, width: int) -> ir.Value:
    """Figure 6: 7x7 in two steps."""
    wide: tuple[Pair, Pair] = ((1, 7), (0, 3))
    tall: tuple[Pair, Pair] = ((7, 1), (3, 0))

    def chain(name: str, steps: list[tuple[int, tuple[Pair, Pair]]]) -> ir.Value:
        y = _unit(b, f"{path}.{name}_1", x, width)
        for number, (out, (kernel, padding)) in enumerate(steps, 2):
            y = _unit(b, f"{path}.{name}_{number}", y, out, kernel, padding=padding)
        return y

    seven = chain("branch7x7", [(width, wide), (192, tall)])
    double = chain("branch7x7dbl", [(width, tall), (width, wide), (width, tall), (192, wide)])
    return b.cat(path, [_unit(b, f"{path}.branch1x1", x, 192), seven, double, _pooled(b, path, x, 192)])


def _to_8(b: Blueprint, path: str, x: ir.Value) -> ir.Value:
    three = _unit(b, f"{path}.branch3x3_2", _unit(b, f"{path}.branch3x3_1", x, 192), 320, 3, stride=2)
    seven = _unit(b, f"{path}.branch7x7x3_1", x, 192)
    seven = _unit(b, f"{path}.branch7x7x3_2", seven, 192, (1, 7), padding=(0, 3))
    seven = _unit(b, f"{path}.branch7x7x3_3", seven, 192, (7, 1), padding=(3, 0))
    seven = _unit(b, f"{path}.branch7x7x3_4", seven, 192, 3, stride=2)
    return b.cat(path, [three, seven, b.max_pool(f"{path}.max_pool", x, 3, 2)])


def _grid_8(b: Blueprint, path: str, x: ir.Value) -> ir.Value:
    """Figure 7: the ends of two branches side by side."""

    def ends(name: str, y: ir.Value, number: int) -> ir.Value:
        parts = [
            _unit(b, f"{path}.{name}_{number}{letter}", y, 384, kernel, padding=padding)
            for letter, kernel, padding in (("a", (1, 3), (0, 1)), ("b", (3, 1), (1, 0)))
        ]
        return b.cat(f"{path}.{name}", parts)

    three = ends("branch3x3", _unit(b, f"{path}.branch3x3_1", x, 384), 2)
    double = _unit(b, f"{path}.branch3x3dbl_2", _unit(b, f"{path}.branch3x3dbl_1", x, 448), 384, 3, padding=1)
    double = ends("branch3x3dbl", double, 3)
    return b.cat(path, [_unit(b, f"{path}.branch1x1", x, 320), three, double, _pooled(b, path, x, 192)])
