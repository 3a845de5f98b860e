"""Loss terms: what is compared at a layer, and how far apart the two are.

Every term is dimensionless and independent of the image's size, so that one set of weights serves every network
and every resolution. A term has up to two sides: ``target`` computes what to aim for from the features of a
reference image (or ``given`` says that the caller brings it), ``loss`` compares the features of the image at hand
with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from pixelgrad.exporters.autodiff import Emitter, closed_form
from pixelgrad.exporters.autodiff.rules.window import END
from pixelgrad.exporters.opset18.shapes import dims, rank

#: A squared distance is never divided by less: a black reference image has no features to speak of.
TINY = 1e-8
_FLAT = (0.1 / 255) ** 2
_LAPLACIAN = np.array([[0, -1, 0], [-1, 4, -1], [0, -1, 0]], dtype=np.float32)


@dataclass(frozen=True)
class Term:
    """One summand of the loss.

    name: ``kind.layer``; the artifact's ``target.<name>``, ``weight.<name>`` and ``loss.<name>`` bear it.
    layer: tensor name in the network, ``None`` for a term on the image itself.
    weight: the default weight.
    mask: the name of an input, [1, 1, any height, any width], that says how much each place counts, for a term that
        has :meth:`masked_loss`; ``None`` where all count the same.
    """

    name: str
    layer: str | None
    weight: float
    mask: str | None = field(default=None, kw_only=True)

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

    def masked_loss(
        self, op: Emitter, features: ir.Value, target: ir.Value | None, weights: ir.Value | None
    ) -> ir.Value:
        """:meth:`loss` with each position weighted: weights [1, 1, positions], of mean 1, or ``None``."""
        raise NotImplementedError


class Additive(Term):
    """A term that depends on features only through sums over positions: an image can be looked at in tiles.

    counts: [1, 1, h, w], how much each position counts: one where it is the tile's own and not only seen by it, times
    the mask. A target that is a map of features, like those of an image, is given a tile at a time.
    """

    def sums(self, op: Emitter, features: ir.Value, target: ir.Value | None, counts: ir.Value) -> tuple[ir.Value, ...]:
        """What is added up over the tiles, each of a known shape."""
        raise NotImplementedError

    def loss_of_sums(self, op: Emitter, sums: Sequence[ir.Value], target: ir.Value | None) -> ir.Value:
        """The scalar that :meth:`loss`, or :meth:`masked_loss`, is for the whole image."""
        raise NotImplementedError

    def target_of_sums(self, op: Emitter, sums: Sequence[ir.Value], target: ir.Value | None) -> ir.Value | None:
        """The target for the whole of a reference image, whose sums were taken with the ``target`` of a first guess.

        ``None`` where it is a map of features.
        """
        return None


class Content(Additive):
    """||phi - phi0||^2 / ||phi0||^2 for the features phi of the image and phi0 of the reference.

    Feature reconstruction (Mahendran & Vedaldi 2014, section 2; Gatys et al. 2016, equation 1, up to a constant).
    """

    def target(self, op: Emitter, features: ir.Value) -> ir.Value:
        rank(features)  # one clear error for a layer of which nothing is known before the network runs
        return op.Identity(features)

    def loss(self, op: Emitter, features: ir.Value, target: ir.Value | None) -> ir.Value:
        assert target is not None
        return normalised_square(op, features, target)

    def sums(self, op: Emitter, features: ir.Value, target: ir.Value | None, counts: ir.Value) -> tuple[ir.Value, ...]:
        """The squared error, and what it is measured by."""
        assert target is not None
        error = op.Sub(features, target)
        return tuple(total(op, op.Mul(op.Mul(x, x), counts)) for x in (error, target))

    def loss_of_sums(self, op: Emitter, sums: Sequence[ir.Value], target: ir.Value | None) -> ir.Value:
        error, energy = sums
        return op.Div(error, op.Clip(energy, TINY))


class Gram(Additive):
    """||G - T||^2 / ||T||^2, squared Frobenius norms, for the Gram matrices G of the image and T of the reference.

    Gatys et al. 2015 and 2016 (equations 3 and 4) write 1 / (4 N^2 M^2) sum (G - T)^2 with G = F F' over N features at
    M positions. Ours departs in two constants: G is divided by the number of positions, so that image and reference
    may differ in size, and the sum by ||T||^2 instead of 4 N^2, so that one set of weights serves any network. (Theirs
    was rescaled beforehand to a mean activation of one, which does the same for that network alone.) The minimum of
    one such term is the same image.
    """

    def target(self, op: Emitter, features: ir.Value) -> ir.Value:
        return gram_matrix(op, features)

    def loss(self, op: Emitter, features: ir.Value, target: ir.Value | None) -> ir.Value:
        return self.masked_loss(op, features, target, None)

    def masked_loss(
        self, op: Emitter, features: ir.Value, target: ir.Value | None, weights: ir.Value | None
    ) -> ir.Value:
        assert target is not None
        return normalised_square(op, gram_matrix(op, features, weights), target)

    def sums(self, op: Emitter, features: ir.Value, target: ir.Value | None, counts: ir.Value) -> tuple[ir.Value, ...]:
        """F F', and how much the positions count together."""
        flat, roots = flattened(op, features), op.Sqrt(flattened(op, counts))
        counted = op.Mul(flat, roots)
        counted.shape = flat.shape
        return products(op, counted), total(op, counts)

    def loss_of_sums(self, op: Emitter, sums: Sequence[ir.Value], target: ir.Value | None) -> ir.Value:
        assert target is not None
        return normalised_square(op, self.target_of_sums(op, sums, target), target)

    def target_of_sums(self, op: Emitter, sums: Sequence[ir.Value], target: ir.Value | None) -> ir.Value:
        gram, positions = sums
        return op.Div(gram, op.Clip(positions, TINY))


@dataclass(frozen=True)
class TotalVariation(Additive):
    """How much neighbouring pixels differ: their mean squared difference, for ``beta`` = 2, summed over the images.

    Other ``beta``: the mean over pixels of (dx^2 + dy^2)^(beta / 2) (Mahendran & Vedaldi 2014, equation 4): 1 punishes
    a sharp edge no more than a soft one.
    """

    beta: float = 2.0

    def loss(self, op: Emitter, features: ir.Value, target: ir.Value | None) -> ir.Value:
        if self.beta != 2:
            return op.ReduceMean(self._powers(op, features), keepdims=0)
        # x' L x for the Laplacian L of the grid, whose gradient is 2 L x: one convolution. The differences and their
        # gradients, one by one, take twenty passes over the image, a twentieth of a step of a small network.
        laplacian = _laplacian(op, features)
        roughness = total(op, op.Mul(features, laplacian))
        gradient = op.Mul(laplacian, 2.0)
        roughness.shape, gradient.shape = ir.Shape([]), features.shape
        # Not Size, which neither WebGPU nor OpenVINO has.
        pixels = op.Mul(op.Shape(features, start=2, end=3), op.Shape(features, start=3, end=4))
        each = op.Mul(op.Cast(op.Squeeze(pixels), to=int(ir.DataType.FLOAT)), float(channels_of(features)))
        return op.Div(closed_form(op, roughness, features, gradient), each)

    def sums(self, op: Emitter, features: ir.Value, target: ir.Value | None, counts: ir.Value) -> tuple[ir.Value, ...]:
        """The squares, and how many there are."""
        if self.beta != 2:
            counts = op.Slice(counts, [0, 0], [-1, -1], [2, 3])
            roughness = total(op, op.Mul(self._powers(op, features), counts))
        else:
            laplacian = op.Mul(_laplacian(op, features), counts)
            roughness = total(op, op.Mul(features, laplacian))
            # Not what this sum sends back, but what it adds to that of all: x' L x is not a sum over pixels alone.
            gradient = op.Mul(laplacian, 2.0)
            roughness.shape, gradient.shape = ir.Shape([]), features.shape
            roughness = closed_form(op, roughness, features, gradient)
        return roughness, op.Mul(total(op, counts), float(channels_of(features)))

    def loss_of_sums(self, op: Emitter, sums: Sequence[ir.Value], target: ir.Value | None) -> ir.Value:
        roughness, each = sums
        return op.Div(roughness, each)

    def _powers(self, op: Emitter, features: ir.Value) -> ir.Value:
        """Of all pixels but the last of each row and column, whose gradient is not known."""
        here = op.Slice(features, [0, 0], [-1, -1], [2, 3])
        squares = None
        for starts, ends in (([1, 0], [END, -1]), ([0, 1], [-1, END])):
            there = op.Slice(features, starts, ends, [2, 3])
            difference = op.Sub(there, here)
            square = op.Mul(difference, difference)
            squares = square if squares is None else op.Add(squares, square)
        assert squares is not None
        # Smooth where both differences vanish: below a tenth of an 8-bit step.
        smooth = op.Add(squares, _FLAT)
        return op.Sqrt(smooth) if self.beta == 1 else op.Pow(smooth, self.beta / 2)


def _laplacian(op: Emitter, features: ir.Value) -> ir.Value:
    channels = channels_of(features)
    padded = op.Pad(features, [0, 0, 1, 1, 0, 0, 1, 1], None, mode="edge")
    return op.Conv(padded, np.tile(_LAPLACIAN, (channels, 1, 1, 1)), group=channels)


def gram_matrix(op: Emitter, features: ir.Value, weights: ir.Value | None = None) -> ir.Value:
    """F F' / positions for features [N, C, H, W] (or [N, C]): [N, C, C]; with ``weights``, the weighted mean."""
    flat = flattened(op, features)
    if weights is not None:
        shape = flat.shape
        flat = op.Mul(flat, op.Sqrt(weights))
        flat.shape = shape
    gram = op.Div(products(op, flat), positions(op, flat))
    gram.shape = ir.Shape([*dims(features)[:2], dims(features)[1]])
    return gram


def products(op: Emitter, flat: ir.Value) -> ir.Value:
    """F F' for [N, C, positions]: [N, C, C]."""
    found = op.MatMul(flat, op.Transpose(flat, perm=[0, 2, 1]))
    found.shape = ir.Shape([*dims(flat)[:2], dims(flat)[1]])
    return found


def total(op: Emitter, value: ir.Value) -> ir.Value:
    """The sum of all, a scalar."""
    return scalar(op, op.ReduceSum(value, keepdims=1))


def channels_of(features: ir.Value) -> int:
    """How many there are in [N, C, ...]: known, since weights made them."""
    channels = dims(features)[1]
    assert isinstance(channels, int)
    return channels


def flattened(op: Emitter, features: ir.Value) -> ir.Value:
    """Features [N, C, H, W] or [N, C] as [N, C, positions]."""
    flat = op.Reshape(features, [0, 0, 1] if rank(features) == 2 else [0, 0, -1])
    flat.shape = ir.Shape([*dims(features)[:2], None])
    return flat


def positions(op: Emitter, flat: ir.Value) -> ir.Value:
    """How many there are in [N, C, positions], as a floating-point scalar."""
    return op.Cast(op.Squeeze(op.Shape(flat, start=2)), to=int(flat.dtype or ir.DataType.FLOAT))


def normalised_square(op: Emitter, value: ir.Value, target: ir.Value) -> ir.Value:
    """||value - target||^2 / ||target||^2."""
    error = sum_of_squares(op, op.Sub(value, target))
    return op.Div(error, op.Clip(sum_of_squares(op, target), TINY))


def sum_of_squares(op: Emitter, value: ir.Value) -> ir.Value:
    """A scalar. (CoreML has no ReduceSumSquare.)"""
    return total(op, op.Mul(value, value))


def length_of(op: Emitter, value: ir.Value, axis: int) -> ir.Value:
    """How long an axis is: int64 [1]."""
    length = op.Shape(value, start=axis, end=axis + 1)
    length.shape = ir.Shape([1])
    return length


def counted(op: Emitter, length: ir.Value) -> ir.Value:
    """The places along an axis of that length, from 0: float32 [length]."""
    places = op.Cast(op.Range(0, op.Squeeze(length), 1), to=ir.DataType.FLOAT)
    places.shape = ir.Shape([None])
    return places


def scalar(op: Emitter, value: ir.Value) -> ir.Value:
    """A single element of any rank as a scalar.

    Sums keep their dimensions until here, because OpenVINO leaves a ReduceSum that makes a scalar to the CPU, and
    cuts its graph in pieces there. For the same reason this is a Squeeze and no Reshape to no dimensions.
    """
    return op.Squeeze(value)
