"""Style as a Gaussian over features: the Wasserstein-2 distance between two of them.

W2^2 = ||m1 - m2||^2 + tr S1 + tr S2 - 2 tr (S2^(1/2) S1 S2^(1/2))^(1/2) for means m and covariances S (Dowson & Landau
1982, equation 16); the covariances' part is the squared Bures distance. Its gradient in S1 is I - T, where T is the
optimal transport map from the first Gaussian to the second (Bhatia, Jain & Lim 2019).

Everything is written with matrix products, by Newton-Schulz iterations (Higham 2008, equations 5.36 and 8.20), scaled
so that small values grow faster (Chen & Chow 2014). For R1 = S1^(1/2) and R2 = S2^(1/2), the trace is the nuclear norm
of R2 R1, that is tr U' R2 R1 with U the orthogonal polar factor of R2 R1, and T = R2 U R1^(-1). The product S2^(1/2) S1
S2^(1/2) of the textbook form, whose condition number is the square of that of R2 R1, is never formed: in float32 its
inverse root loses four digits where this loses two. R2 does not change over a run, so it is what the target holds.

The cost grows with the cube of the channels. Wide layers are turned by a fixed orthogonal matrix and their channels
taken in groups, each with a Gaussian of its own: the sum of distances between projections on subspaces that make up the
whole space, which is never more than the distance itself (compare Paty & Cuturi 2019, section 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from pixelgrad.exporters.autodiff import Emitter, closed_form, stop_gradient
from pixelgrad.exporters.autodiff.rules.window import END
from pixelgrad.exporters.objectives.terms import (
    TINY,
    Additive,
    channels_of,
    flattened,
    positions,
    products,
    sum_of_squares,
    total,
)
from pixelgrad.exporters.opset18.shapes import dims

#: What is added to both covariances, as a share of the mean variance of the target: with fewer positions than
#: channels, or channels that are silent, they are singular, and the distance has no gradient there.
RIDGE = 0.01
#: How many channels have a Gaussian together.
WIDEST = 128
# The stable limit of scaling: a step that makes small values grow as fast as can be takes those near 1 to nearly 0, and
# their direction with them. At this the largest is left at 0.45, and small ones grow by 2.3; unscaled, by 1.5.
_LEAST = 0.2
_CONVERGED = 1e-7
# The ridge bounds the least singular values, as shares of the norm, where the features of the image vary as much as the
# target's; where they vary this many times as much the gradient is still exact.
_MARGIN = 10


class Moments(Additive):
    """W2^2 between Gaussians with the features' means and covariances, over the target's mean square of features.

    Of one image. The target, [G, C / G, C / G + 1] for G groups of channels, is S2^(1/2), of the covariance with its
    ridge, and the mean as a last column. The mean of several is close to their Wasserstein barycentre, and is it where
    the covariances commute.
    """

    def target(self, op: Emitter, features: ir.Value) -> ir.Value:
        return _packed(op, *moments(op, features))

    def loss(self, op: Emitter, features: ir.Value, target: ir.Value | None) -> ir.Value:
        return self.masked_loss(op, features, target, None)

    def masked_loss(
        self, op: Emitter, features: ir.Value, target: ir.Value | None, weights: ir.Value | None
    ) -> ir.Value:
        assert target is not None
        return _distance(op, *moments(op, features, weights), target)

    def sums(self, op: Emitter, features: ir.Value, target: ir.Value | None, counts: ir.Value) -> tuple[ir.Value, ...]:
        """D D' and D over the positions, and how much those count together, for deviations D from the target's mean.

        Of the features themselves the two would differ by little, where a channel has a large mean and varies little.
        """
        assert target is not None
        flat, roots = grouped(op, features), op.Sqrt(flattened(op, counts))
        _, centre = _unpacked(op, target)
        counted = op.Mul(op.Sub(flat, centre), roots)
        counted.shape = flat.shape
        deviations = op.MatMul(counted, op.Transpose(roots, perm=[0, 2, 1]))
        deviations.shape = centre.shape
        return products(op, counted), deviations, total(op, counts)

    def loss_of_sums(self, op: Emitter, sums: Sequence[ir.Value], target: ir.Value | None) -> ir.Value:
        assert target is not None
        return _distance(op, *_of_sums(op, sums, target), target)

    def target_of_sums(self, op: Emitter, sums: Sequence[ir.Value], target: ir.Value | None) -> ir.Value:
        assert target is not None
        return _packed(op, *_of_sums(op, sums, target))


def _packed(op: Emitter, mean: ir.Value, covariance: ir.Value) -> ir.Value:
    """What a target holds."""
    identity, least = _identity(op, covariance), _share(covariance)
    ridge = op.Mul(identity, op.Clip(op.Mul(_trace(op, covariance), least), TINY))
    root, _ = square_roots(op, op.Add(covariance, ridge), identity, least)
    packed = op.Concat(root, mean, axis=2)
    packed.shape = ir.Shape([*dims(covariance)[:2], channels_of(covariance) + 1])
    return packed


def _unpacked(op: Emitter, target: ir.Value) -> tuple[ir.Value, ir.Value]:
    """S^(1/2) [G, C, C] and the mean [G, C, 1] of a target."""
    groups, channels = dims(target)[:2]
    root, mean = op.Slice(target, [0], [-1], [2]), op.Slice(target, [-1], [END], [2])
    root.shape, mean.shape = ir.Shape([groups, channels, channels]), ir.Shape([groups, channels, 1])
    return root, mean


def _distance(op: Emitter, mean: ir.Value, covariance: ir.Value, target: ir.Value) -> ir.Value:
    root, wanted_mean = _unpacked(op, target)
    variance = op.Div(sum_of_squares(op, root), 1 + RIDGE)
    energy = op.Add(sum_of_squares(op, wanted_mean), variance)
    distance = op.Add(sum_of_squares(op, op.Sub(mean, wanted_mean)), bures(op, covariance, root))
    return op.Div(distance, op.Clip(energy, TINY))


def _of_sums(op: Emitter, sums: Sequence[ir.Value], target: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Mean and covariance, as of :func:`moments`."""
    squares, deviations, counted = sums
    _, centre = _unpacked(op, target)
    count = op.Clip(counted, TINY)
    offset = op.Div(deviations, count)
    covariance = op.Sub(op.Div(squares, count), op.MatMul(offset, op.Transpose(offset, perm=[0, 2, 1])))
    mean = op.Add(centre, offset)
    mean.shape, covariance.shape = deviations.shape, squares.shape
    return mean, covariance


def moments(op: Emitter, features: ir.Value, weights: ir.Value | None = None) -> tuple[ir.Value, ir.Value]:
    """Mean [G, C, 1] and covariance [G, C, C] over positions, weighted if there are ``weights``, of each group."""
    flat = grouped(op, features)
    groups, channels = dims(flat)[:2]
    mean = op.ReduceMean(flat if weights is None else op.Mul(flat, weights), [2], keepdims=1)
    mean.shape = ir.Shape([groups, channels, 1])
    # Deviations from a mean add up to nothing, so what the covariance sends back through the mean is zero.
    centred = op.Sub(flat, stop_gradient(op, mean))
    if weights is not None:
        centred = op.Mul(centred, op.Sqrt(weights))
    centred.shape = flat.shape
    covariance = op.Div(products(op, centred), positions(op, flat))
    covariance.shape = ir.Shape([groups, channels, channels])
    return mean, covariance


def grouped(op: Emitter, features: ir.Value) -> ir.Value:
    """Features [1, G C, H, W] or [1, G C] as [G, C, positions], G as few as :data:`WIDEST` allows.

    Channel c of the groups is turned by the cosine transform: each is a mixture of one channel out of every group, so
    that how those go together is not forgotten. Where groups do not come out even, the last channels are zero.
    """
    flat, channels = flattened(op, features), channels_of(features)
    groups = -(-channels // WIDEST)
    if groups == 1:
        return flat
    each = -(-channels // groups)
    if missing := groups * each - channels:
        flat = op.Pad(flat, [0, 0, 0, 0, missing, 0])
    turned = op.MatMul(op.const(_cosines(groups, flat)), op.Reshape(flat, [groups, -1]))
    parts = op.Reshape(turned, [groups, each, -1])
    parts.shape = ir.Shape([groups, each, None])
    return parts


def _cosines(size: int, like: ir.Value) -> np.ndarray[Any, Any]:
    """The orthogonal matrix of the discrete cosine transform (DCT-II)."""
    index = np.arange(size)
    matrix = np.cos(np.pi * (index + 0.5) * index[:, None] / size) * np.sqrt(np.where(index[:, None], 2, 1) / size)
    return matrix.astype((like.dtype or ir.DataType.FLOAT).numpy())


def bures(op: Emitter, covariance: ir.Value, other: ir.Value) -> ir.Value:
    """tr S1 + tr S2 - 2 tr (S2^(1/2) S1 S2^(1/2))^(1/2) over all groups, for S1 [G, C, C] and S2^(1/2) with a ridge.

    S1 is given the same one. Differentiated in S1 only, by its closed form.
    """
    identity, least = _identity(op, covariance), _share(covariance)
    second = sum_of_squares(op, other)
    ridge = op.Mul(second, least / (1 + RIDGE))
    first = op.Add(covariance, op.Mul(identity, op.Clip(ridge, TINY)))
    first.shape = covariance.shape
    root, inverse = square_roots(op, first, identity, least)
    product = op.MatMul(other, root)
    factor = polar(op, product, identity, least)
    overlap = op.ReduceSum(op.Mul(factor, product), keepdims=0)
    distance = op.Sub(op.Add(_trace(op, first), second), op.Mul(overlap, 2.0))
    transport = op.MatMul(op.MatMul(other, factor), inverse)
    symmetric = op.Mul(op.Add(transport, op.Transpose(transport, perm=[0, 2, 1])), 0.5)
    gradient = op.Sub(identity, symmetric)
    gradient.shape, distance.shape = covariance.shape, ir.Shape([])
    return closed_form(op, distance, covariance, gradient)


def square_roots(op: Emitter, matrix: ir.Value, identity: ir.Value, least: float) -> tuple[ir.Value, ir.Value]:
    """S^(1/2) and S^(-1/2) of a positive definite S [G, C, C] (the coupled iteration).

    least: what its eigenvalues are at least, as a share of their sum over all groups.
    """
    norm = op.Sqrt(sum_of_squares(op, matrix))
    root, inverse = op.Div(matrix, norm), identity
    for linear, cubic in schedule(least**0.5 / _MARGIN):
        step = op.Sub(op.Mul(identity, linear), op.Mul(op.MatMul(inverse, root), cubic))
        root, inverse = op.MatMul(root, step), op.MatMul(step, inverse)
    scale = op.Sqrt(norm)
    return op.Mul(root, scale), op.Div(inverse, scale)


def polar(op: Emitter, matrix: ir.Value, identity: ir.Value, least: float) -> ir.Value:
    """The orthogonal U of A = U P, P positive definite, for a regular A [G, C, C].

    least: what its singular values are at least, as a share of their sum over all groups.
    """
    factor = op.Div(matrix, op.Sqrt(sum_of_squares(op, matrix)))
    for linear, cubic in schedule(least / _MARGIN):
        square = op.MatMul(op.Transpose(factor, perm=[0, 2, 1]), factor)
        factor = op.MatMul(factor, op.Sub(op.Mul(identity, linear), op.Mul(square, cubic)))
    return factor


def schedule(least: float) -> list[tuple[float, float]]:
    """The steps x -> a x - b x^3 that take all singular values between ``least`` and 1 to 1, as (a, b).

    Scaling the argument of the plain step, 1.5 x - 0.5 x^3, by (3 / (1 + l + l^2))^(1/2) takes an interval [l, 1] into
    the narrowest one below 1 (Chen & Chow 2014, section 2).
    """
    steps = []
    while 1 - least > _CONVERGED:
        bound = max(least, _LEAST)
        scale = (3 / (1 + bound + bound**2)) ** 0.5
        steps.append((1.5 * scale, 0.5 * scale**3))
        least = steps[-1][0] * least - steps[-1][1] * least**3
    return steps


def _share(covariance: ir.Value) -> float:
    """The ridge of covariances [G, C, C], as a share of their trace."""
    groups = dims(covariance)[0]
    assert isinstance(groups, int)
    return RIDGE / (groups * channels_of(covariance))


def _identity(op: Emitter, like: ir.Value) -> ir.Value:
    """[1, C, C]."""
    return op.const(np.eye(channels_of(like), dtype=(like.dtype or ir.DataType.FLOAT).numpy())[None])


def _trace(op: Emitter, matrix: ir.Value) -> ir.Value:
    """A scalar, of [G, C, C]."""
    return op.ReduceSum(op.Mul(matrix, _identity(op, matrix)), keepdims=0)
