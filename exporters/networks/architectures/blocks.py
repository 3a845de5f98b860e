"""Blocks that several architectures share, as torchvision has them."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from pixelgrad.exporters.networks.architectures.blueprint import Blueprint

__all__ = ["Activation", "excited", "unit"]

Activation = Callable[[str, ir.Value], ir.Value]


def unit(
    b: Blueprint,
    path: str,
    x: ir.Value,
    out: int,
    kernel: int,
    activation: Activation | None,
    *,
    stride: int = 1,
    groups: int = 1,
    eps: float = 1e-5,
    name: str = "",
) -> ir.Value:
    """``Conv2dNormActivation``: a convolution that keeps the size, normalisation, activation.

    name: of what it puts out; its own path by default.
    """
    x = b.conv(f"{path}.0", x, out, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False)
    last = name or path
    x = b.norm(f"{path}.1", x, eps=eps, name="" if activation is not None else last)
    return activation(last, x) if activation is not None else x


def excited(b: Blueprint, path: str, x: ir.Value, squeezed: int, activation: Activation, gate: Activation) -> ir.Value:
    """``SqueezeExcitation`` (Hu et al. 2017): channels scaled by what two layers make of their means."""
    y = b.conv(f"{path}.fc1", b.mean(f"{path}.avgpool", x), squeezed, 1)
    y = b.conv(f"{path}.fc2", activation(f"{path}.activation", y), b.channels(x), 1)
    return b.mul(path, x, gate(f"{path}.scale_activation", y))
