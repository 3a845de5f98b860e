"""Images from features: what a layer still knows (Mahendran & Vedaldi 2014)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from pixelgrad.exporters.autodiff import Emitter
from pixelgrad.exporters.networks import Network
from pixelgrad.exporters.objectives.numbers import check_number
from pixelgrad.exporters.objectives.objective import Objective
from pixelgrad.exporters.objectives.terms import Content, Term, TotalVariation

# The mean of natural images (ImageNet's), which the paper subtracts, and the brightness of a typical pixel beside it.
_MEAN = (0.485, 0.456, 0.406)
_TYPICAL = 80 / 255
_TV_PER_STRIDE, _WHOLE_IMAGE = 0.02, 32
# The highest exponent: beyond, a black pixel is too much for float32.
_STRICTEST = 30


@dataclass(frozen=True)
class AlphaNorm(Term):
    """The mean over pixels of (||x - mean|| / 80)^alpha, in 8-bit units: keeps colours from running away.

    That is R_alpha of Mahendran & Vedaldi 2014, section 2.1, normalised as in their 2016 paper (equation 4, B = 80).
    """

    alpha: float = 6.0

    def loss(self, op: Emitter, features: ir.Value, target: ir.Value | None) -> ir.Value:
        centre = op.const(np.asarray(_MEAN, np.float32).reshape(1, 3, 1, 1))
        away = op.Mul(op.Sub(features, centre), 1 / _TYPICAL)
        squares = op.ReduceSum(op.Mul(away, away), [1], keepdims=1)
        return op.ReduceMean(op.Pow(squares, self.alpha / 2), keepdims=0)


def inversion_objective(
    network: Network,
    layer: str,
    *,
    alpha: float = 6.0,
    beta: float = 2.0,
    alpha_weight: float = 0.001,
    tv_weight: float | None = None,
) -> Objective:
    """The features of ``layer``, the alpha-norm and total variation.

    alpha: from 2 to 30. beta: from 1 to 30; 2 as in the paper, 1 for sharper edges.
    alpha_weight, tv_weight: beside the 1 of the features; zero leaves a term out. By default total variation weighs a
        fiftieth of the layer's stride in pixels (the paper set it by hand for each layer): the fewer positions there
        are to a pixel, the more is left to the prior.

    Raises :class:`UnknownLayerError` and :class:`SettingsError`.
    """
    check_number("alpha", alpha, 2, _STRICTEST)
    check_number("beta", beta, 1, _STRICTEST)
    check_number("alpha weight", alpha_weight)
    value = network.layer(layer)
    if tv_weight is None:
        tv_weight = _TV_PER_STRIDE * (network.geometries()[value].stride or _WHOLE_IMAGE)
    else:
        check_number("the tv weight", tv_weight)
    tensor = str(value.name)
    terms: list[Term] = [Content(f"content.{tensor}", tensor, 1.0)]
    if alpha_weight:
        terms.append(AlphaNorm("alpha", None, alpha_weight, alpha))
    if tv_weight:
        terms.append(TotalVariation("tv", None, tv_weight, beta))
    settings = {"layer": layer, "alpha": alpha, "beta": beta, "alpha_weight": alpha_weight, "tv_weight": tv_weight}
    return Objective("inversion", tuple(terms), settings)
