"""Features of layers, and how far apart those of two images are."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from pixelgrad.errors import SettingsError
from pixelgrad.exporters.autodiff import Emitter
from pixelgrad.exporters.networks import Network
from pixelgrad.exporters.objectives.objective import Objective
from pixelgrad.exporters.objectives.terms import Term


class Distance(Term):
    """Squared Euclidean distance between the features of two images."""

    def target(self, op: Emitter, features: ir.Value) -> ir.Value:
        return op.Identity(features)

    def loss(self, op: Emitter, features: ir.Value, target: ir.Value | None) -> ir.Value:
        assert target is not None
        difference = op.Sub(features, target)
        return op.ReduceSum(op.Mul(difference, difference), keepdims=0)


def features_objective(network: Network, layers: Sequence[str]) -> Objective:
    """The features of ``layers``, as the targets ``target.features.<layer>``, and the distances from them.

    Raises :class:`UnknownLayerError`, and :class:`SettingsError` for no layer at all.
    """
    if not layers:
        raise SettingsError("name at least one layer whose features are wanted")
    tensors = dict.fromkeys(str(network.layer(layer).name) for layer in layers)
    terms = tuple(Distance(f"features.{tensor}", tensor, 1.0) for tensor in tensors)
    return Objective("features", terms, {"layers": list(tensors)})
