"""Loss terms: what is compared at a layer, and how far apart the two are.

Every term is dimensionless and independent of the image's size, so that one set of weights serves every network
and every resolution. A term has up to two sides: ``target`` computes what to aim for from the features of a
reference image (or ``given`` says that the caller brings it), ``loss`` compares the features of the image at hand
with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from pixelgrad.exporters.autodiff import Emitter
from pixelgrad.exporters.opset18.shapes import dims, rank

# A squared distance is never divided by less: a black reference image has no features to speak of.
_TINY = 1e-8


@dataclass(frozen=True)
class Term:
    """One summand of the loss.

    name: ``kind.layer``; the artifact's ``target.<name>``, ``weight.<name>`` and ``loss.<name>`` bear it.
    layer: tensor name in the network, ``None`` for a term on the image itself.
    weight: the default weight.
    """

    name: str
    layer: str | None
    weight: float

    @property
    def kind(self) -> str:
        return self.name.partition(".")[0]

    def target(self, op: Emitter, features: ir.Value) -> ir.Value | None:
        """What to aim for, from the features of a reference image; ``None`` where there is no reference."""
        return None

    def given(self, features: ir.Value) -> ir.Shape | None:
        """The shape of a target that no reference image sets, but the caller; ``None`` where there is none."""
        return None

    def loss(self, op: Emitter, features: ir.Value, target: ir.Value | None) -> ir.Value:
        """A scalar from the features of the image and the target."""
        raise NotImplementedError


class Content(Term):
    """Feature reconstruction (Gatys et al. 2016, equation 1)."""

    def target(self, op: Emitter, features: ir.Value) -> ir.Value:
        return op.Identity(features)

    def loss(self, op: Emitter, features: ir.Value, target: ir.Value | None) -> ir.Value:
        assert target is not None
        return relative_error(op, features, target)


class Gram(Term):
    """Correlations of features, whatever their place (Gatys et al. 2016, equations 3 and 4)."""

    def target(self, op: Emitter, features: ir.Value) -> ir.Value:
        return gram_matrix(op, features)

    def loss(self, op: Emitter, features: ir.Value, target: ir.Value | None) -> ir.Value:
        assert target is not None
        return relative_error(op, gram_matrix(op, features), target)


class TotalVariation(Term):
    """Mean squared difference of neighbouring pixels (Mahendran & Vedaldi 2014, equation 4 with beta = 2), summed over
    the images."""

    def loss(self, op: Emitter, features: ir.Value, target: ir.Value | None) -> ir.Value:
        total = None
        for axis in (2, 3):
            ahead = op.Slice(features, [1], [2**62], [axis])
            behind = op.Slice(features, [0], [-1], [axis])
            difference = op.Sub(ahead, behind)
            part = op.ReduceSum(op.Mul(difference, difference), keepdims=0)
            total = part if total is None else op.Add(total, part)
        assert total is not None
        each = op.Div(op.Cast(op.Size(features), to=int(ir.DataType.FLOAT)), float(dims(features)[0]))  # type: ignore[arg-type]
        return op.Div(total, each)


def gram_matrix(op: Emitter, features: ir.Value) -> ir.Value:
    """F F' / positions for features [N, C, H, W] (or [N, C]): [N, C, C]."""
    channels = dims(features)[1]
    flat = op.Reshape(features, [0, 0, -1])
    if rank(features) == 2:
        flat = op.Reshape(features, [0, 0, 1])
    flat.shape = ir.Shape([dims(features)[0], channels, None])
    products = op.MatMul(flat, op.Transpose(flat, perm=[0, 2, 1]))
    positions = op.Cast(op.Size(op.Slice(flat, [0, 0], [1, 1], [0, 1])), to=int(ir.DataType.FLOAT))
    gram = op.Div(products, positions)
    gram.shape = ir.Shape([dims(features)[0], channels, channels])
    return gram


def relative_error(op: Emitter, value: ir.Value, target: ir.Value) -> ir.Value:
    """(sum d^2 / sum |d|) / (sum t^2 / sum |t|) for d = value - target."""
    difference = op.Sub(value, target)
    return op.Div(_typical_size(op, difference), op.Max(_typical_size(op, target), _TINY))


def _typical_size(op: Emitter, value: ir.Value) -> ir.Value:
    """sum v^2 / sum |v|: the mean of |v|, weighted by |v|."""
    square = op.ReduceSum(op.Mul(value, value), keepdims=0)
    return op.Div(square, op.Add(op.ReduceSum(op.Abs(value), keepdims=0), _TINY))
