"""DeepDream: what a network sees in a picture, made stronger (Mordvintsev, Olah & Tyka 2015)."""

from __future__ import annotations

import onnx_ir as ir

from pixelgrad.errors import SettingsError
from pixelgrad.exporters.autodiff import Emitter
from pixelgrad.exporters.networks import Network, class_scores, default_dream_layers
from pixelgrad.exporters.objectives.activations import Activation
from pixelgrad.exporters.objectives.layers import Layers, layer_weights
from pixelgrad.exporters.objectives.objective import Objective
from pixelgrad.exporters.objectives.terms import Term
from pixelgrad.exporters.objectives.waking import class_terms
from pixelgrad.exporters.opset18.shapes import dims

# A mean square is never divided by less: a layer may see nothing at all.
_TINY = 1e-8
ENHANCE = ("layers", "channels", "class", "guide")


class Energy(Term):
    """Minus the mean square of the features, relative to that of the picture that the dream began with."""

    def target(self, op: Emitter, features: ir.Value) -> ir.Value:
        return op.ReduceMean(op.Mul(features, features), keepdims=0)

    def loss(self, op: Emitter, features: ir.Value, target: ir.Value | None) -> ir.Value:
        assert target is not None
        return op.Neg(op.Div(op.ReduceMean(op.Mul(features, features), keepdims=0), op.Clip(target, _TINY)))


class Guide(Term):
    """Minus the mean over positions of the closest match among the guide's features, by dot product.

    The guided dream of Mordvintsev's notebook, as a loss: features [1, C, H, W] . target [1, h*w, C], the largest at
    each position. The guide's features are divided by their mean squared length, so that a feature of that length
    matches itself by 1.
    """

    def target(self, op: Emitter, features: ir.Value) -> ir.Value:
        channels = dims(features)[1]
        flat = op.Transpose(op.Reshape(features, [0, 0, -1]), perm=[0, 2, 1])
        length = op.ReduceMean(op.ReduceSum(op.Mul(flat, flat), [2], keepdims=0), keepdims=0)
        unit = op.Div(flat, op.Clip(length, _TINY))
        unit.shape = ir.Shape([1, "positions", channels])
        return unit

    def loss(self, op: Emitter, features: ir.Value, target: ir.Value | None) -> ir.Value:
        assert target is not None
        channels = dims(features)[1]
        flat = op.Reshape(features, [0, 0, -1])
        flat.shape = ir.Shape([1, channels, None])
        products = op.MatMul(target, flat)
        products.shape = ir.Shape([1, "positions", None])
        best = op.ReduceMax(products, [1], keepdims=0)
        best.shape = ir.Shape([1, None])
        return op.Neg(op.ReduceMean(best, keepdims=0))


def dream_objective(network: Network, *, enhance: str = "layers", layers: Layers | None = None) -> Objective:
    """What a dream makes stronger in a picture.

    enhance: ``layers``, whatever they see (the sum of squares of their activations); ``channels`` of one layer, which
        the caller chooses when it runs; ``class``, one that the caller chooses, by its score before the softmax,
        less most of what the softmax would hold against it; ``guide``, what resembles something in a picture that the
        caller gives.
    layers: layer names, or names with relative weights; the catalogue's, or chosen by the network's strides, by
        default. ``channels`` takes one, ``class`` none.

    Raises :class:`UnknownLayerError`, :class:`SettingsError`, and :class:`NetworkError` for a class where the network
    tells none apart.
    """
    if enhance not in ENHANCE:
        raise SettingsError(f"enhance is {enhance!r}; it must be one of {', '.join(ENHANCE)}")
    if enhance == "class":
        if layers:
            raise SettingsError("a class is made stronger at the network's scores; give a class or layers, not both")
        scores = str(class_scores(network).name)
        return Objective("dream", tuple(class_terms(scores)), {"enhance": enhance})
    shares = layer_weights(default_dream_layers(network) if layers is None else layers, ratio=1.0)
    if enhance == "channels" and len(shares) != 1:
        raise SettingsError(f"channels belong to one layer; {len(shares)} are named: {', '.join(shares)}")
    kinds: dict[str, type[Term]] = {"layers": Energy, "channels": Activation, "guide": Guide}
    names = {"layers": "energy", "channels": "activation", "guide": "guide"}
    terms: list[Term] = []
    for layer, share in shares.items():
        value = network.layer(layer)
        if len(network.shape(value)) != 4 and enhance != "channels":
            raise SettingsError(f"{layer!r} is no map of features but {value.shape}; choose an earlier layer")
        terms.append(kinds[enhance](f"{names[enhance]}.{value.name}", str(value.name), share))
    return Objective("dream", tuple(terms), {"enhance": enhance, "layers": shares})
