"""The finest texture: patches of pixels, whichever network looks at the picture."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pixelgrad.exporters.autodiff import Emitter
from pixelgrad.exporters.objectives.moments import Moments
from pixelgrad.exporters.objectives.terms import channels_of
from pixelgrad.exporters.opset18.shapes import dims

_SIZE = 3


class Grain(Moments):
    """:class:`Moments` of the image's patches of 3x3 pixels in colour: how each pixel goes with those next to it.

    A network is blind to some patterns of a pixel or two, behind an average pooling or a convolution with a stride
    above all, and noise stays where nothing looks. Smoothing would take the grain of gravel or canvas away with it;
    this asks for as much of it as there is in the source.
    """

    def target(self, op: Emitter, features: ir.Value) -> ir.Value:
        return super().target(op, _patches(op, features))

    def masked_loss(
        self, op: Emitter, features: ir.Value, target: ir.Value | None, weights: ir.Value | None
    ) -> ir.Value:
        return super().masked_loss(op, _patches(op, features), target, weights)

    def sums(self, op: Emitter, features: ir.Value, target: ir.Value | None, counts: ir.Value) -> tuple[ir.Value, ...]:
        return super().sums(op, _patches(op, features), target, counts)


def _patches(op: Emitter, image: ir.Value) -> ir.Value:
    """[1, 27, H, W] of [1, 3, H, W]: what is around each pixel, the image's edges continued."""
    channels, edge = channels_of(image), _SIZE // 2
    padded = op.Pad(image, [0, 0, edge, edge, 0, 0, edge, edge], None, mode="edge")
    each = channels * _SIZE**2
    patches = op.Conv(padded, np.eye(each, dtype=np.float32).reshape(each, channels, _SIZE, _SIZE))
    patches.shape = ir.Shape([dims(image)[0], each, *dims(image)[2:]])
    return patches
