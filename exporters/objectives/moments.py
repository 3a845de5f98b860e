"""Style as a Gaussian over features: the Wasserstein-2 distance between two of them.

W2^2 = ||m1 - m2||^2 + tr S1 + tr S2 - 2 tr (S2^(1/2) S1 S2^(1/2))^(1/2) for means m and covariances S (Dowson & Landau
1982, equation 16); the covariances' part is the squared Bures distance. Its gradient in S1 is I - T, where T is the
optimal transport map from the first Gaussian to the second (Bhatia, Jain & Lim 2019).

Everything is written with matrix products, by Newton-Schulz iterations (Higham 2008, equations 5.36 and 8.20). For
R1 = S1^(1/2) and R2 = S2^(1/2), the trace is the nuclear norm of R2 R1, that is tr U' R2 R1 with U the orthogonal polar
factor of R2 R1, and T = R2 U R1^(-1). The product S2^(1/2) S1 S2^(1/2) of the textbook form, whose condition number is
the square of that of R2 R1, is never formed: in float32 its inverse root loses four digits where this loses two.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pixelgrad.exporters.autodiff import Emitter, closed_form
from pixelgrad.exporters.autodiff.rules.window import END
from pixelgrad.exporters.objectives.terms import TINY, Term, flattened, positions, sum_of_squares
from pixelgrad.exporters.opset18.shapes import dims

#: What is added to both covariances, as a share of the mean variance of the target: with fewer positions than
#: channels, or channels that are silent, they are singular, and the distance has no gradient there.
RIDGE = 0.01
#: Newton-Schulz steps: eigenvalues grow by 2.25 a step to 1 from RIDGE / channels^(3/2) at the worst, for 512 channels.
STEPS = 22


class Moments(Term):
    """W2^2 between Gaussians with the features' means and covariances, over the target's mean square of features.

    The target, [N, C, C + 1], is the covariance with the mean as a last column.
    """

    def target(self, op: Emitter, features: ir.Value) -> ir.Value:
        mean, covariance = moments(op, features)
        packed = op.Concat(covariance, mean, axis=2)
        packed.shape = ir.Shape([*dims(covariance)[:2], _plus_one(dims(features)[1])])
        return packed

    def loss(self, op: Emitter, features: ir.Value, target: ir.Value | None) -> ir.Value:
        return self.masked_loss(op, features, target, None)

    def masked_loss(
        self, op: Emitter, features: ir.Value, target: ir.Value | None, weights: ir.Value | None
    ) -> ir.Value:
        assert target is not None
        mean, covariance = moments(op, features, weights)
        wanted_covariance = op.Slice(target, [0], [-1], [2])
        wanted_covariance.shape = covariance.shape
        wanted_mean = op.Slice(target, [-1], [END], [2])
        wanted_mean.shape = mean.shape
        energy = op.Add(sum_of_squares(op, wanted_mean), _trace(op, wanted_covariance))
        distance = op.Add(sum_of_squares(op, op.Sub(mean, wanted_mean)), bures(op, covariance, wanted_covariance))
        return op.Div(distance, op.Clip(energy, TINY))


def moments(op: Emitter, features: ir.Value, weights: ir.Value | None = None) -> tuple[ir.Value, ir.Value]:
    """Mean [N, C, 1] and covariance [N, C, C] over positions, weighted if there are ``weights``."""
    batch, channels = dims(features)[:2]
    flat = flattened(op, features)
    mean = op.ReduceMean(flat if weights is None else op.Mul(flat, weights), [2], keepdims=1)
    mean.shape = ir.Shape([batch, channels, 1])
    centred = op.Sub(flat, mean)
    if weights is not None:
        centred = op.Mul(centred, op.Sqrt(weights))
    centred.shape = flat.shape
    covariance = op.Div(op.MatMul(centred, op.Transpose(centred, perm=[0, 2, 1])), positions(op, flat))
    covariance.shape = ir.Shape([batch, channels, channels])
    return mean, covariance


def bures(op: Emitter, covariance: ir.Value, target: ir.Value) -> ir.Value:
    """tr S1 + tr S2 - 2 tr (S2^(1/2) S1 S2^(1/2))^(1/2), a scalar, for S1, S2 [1, C, C] with ridge.

    Differentiated in S1 only, by its closed form.
    """
    identity = _identity(op, covariance)
    ridge = op.Mul(identity, op.Clip(op.Mul(op.Div(_trace(op, target), _trace(op, identity)), RIDGE), TINY))
    first, second = op.Add(covariance, ridge), op.Add(target, ridge)
    first.shape = second.shape = covariance.shape
    root, inverse = square_roots(op, first, identity)
    other, _ = square_roots(op, second, identity)
    product = op.MatMul(other, root)
    factor = polar(op, product, identity)
    overlap = op.ReduceSum(op.Mul(factor, product), keepdims=0)
    distance = op.Sub(op.Add(_trace(op, first), _trace(op, second)), op.Mul(overlap, 2.0))
    transport = op.MatMul(op.MatMul(other, factor), inverse)
    symmetric = op.Mul(op.Add(transport, op.Transpose(transport, perm=[0, 2, 1])), 0.5)
    gradient = op.Sub(identity, symmetric)
    gradient.shape, distance.shape = covariance.shape, ir.Shape([])
    return closed_form(op, distance, covariance, gradient)


def square_roots(op: Emitter, matrix: ir.Value, identity: ir.Value) -> tuple[ir.Value, ir.Value]:
    """S^(1/2) and S^(-1/2) of a positive definite S [1, C, C] (the coupled iteration)."""
    norm = op.Sqrt(sum_of_squares(op, matrix))
    root, inverse = op.Div(matrix, norm), identity
    for _ in range(STEPS):
        step = op.Sub(op.Mul(identity, 1.5), op.Mul(op.MatMul(inverse, root), 0.5))
        root, inverse = op.MatMul(root, step), op.MatMul(step, inverse)
    scale = op.Sqrt(norm)
    return op.Mul(root, scale), op.Div(inverse, scale)


def polar(op: Emitter, matrix: ir.Value, identity: ir.Value) -> ir.Value:
    """The orthogonal U of A = U P, P positive definite, for a regular A [1, C, C]."""
    factor = op.Div(matrix, op.Sqrt(sum_of_squares(op, matrix)))
    for _ in range(STEPS):
        square = op.MatMul(op.Transpose(factor, perm=[0, 2, 1]), factor)
        factor = op.MatMul(factor, op.Sub(op.Mul(identity, 1.5), op.Mul(square, 0.5)))
    return factor


def _identity(op: Emitter, like: ir.Value) -> ir.Value:
    """[1, C, C]."""
    channels = dims(like)[1]
    assert isinstance(channels, int)
    return op.const(np.eye(channels, dtype=(like.dtype or ir.DataType.FLOAT).numpy())[None])


def _trace(op: Emitter, matrix: ir.Value) -> ir.Value:
    """A scalar, of [1, C, C]."""
    return op.ReduceSum(op.Mul(matrix, _identity(op, matrix)), keepdims=0)


def _plus_one(channels: object) -> int:
    assert isinstance(channels, int)
    return channels + 1
