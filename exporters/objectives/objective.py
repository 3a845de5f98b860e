"""An objective: the terms of a loss over a network's layers, and the two graphs that it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import onnx
import onnx_ir as ir

from pixelgrad.errors import SettingsError
from pixelgrad.exporters.autodiff import Emitter, finish
from pixelgrad.exporters.autodiff.lowering import sizes_from_inputs
from pixelgrad.exporters.networks import (
    Geometry,
    Network,
    minimum_size,
    set_batch,
    settle_size,
    upstream,
)
from pixelgrad.exporters.objectives.assembly import (
    FLOAT,
    align,
    alignment_of,
    append_gradient_of,
    features_of,
    output,
    probe_target,
    set_size,
    weighted_sum,
)
from pixelgrad.exporters.objectives.masks import position_weights
from pixelgrad.exporters.objectives.terms import Term
from pixelgrad.exporters.opset18 import infer_shapes
from pixelgrad.exporters.opset18.shapes import check_standard
from pixelgrad.exporters.profiles import apply_profile, check_precision, check_profile
from pixelgrad.exporters.profiles.written_out import write_out
from pixelgrad.exporters.size_nodes import name_size_nodes


@dataclass(frozen=True)
class Objective:
    """kind: what it is for, ``style`` say. settings: what it was made from, for the manifest.

    batch: how many images are evaluated at once, each for itself; the loss is the sum of theirs.
    """

    kind: str
    terms: tuple[Term, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    batch: int = 1


@dataclass(frozen=True)
class LossGraphs:
    """training: image, targets, weights -> loss, each term's loss, gradient.
    evaluation: image -> targets; ``None`` where no term has one.
    layers: geometry of every layer in use, by tensor name.
    minimum_size: the shortest edge that an image may have.
    fixed_size: (height, width) where no other is possible.
    alignment: the image is continued by its edge to a multiple of this many pixels inside the graph.
    """

    training: onnx.ModelProto
    evaluation: onnx.ModelProto | None
    layers: Mapping[str, Geometry]
    minimum_size: int
    fixed_size: tuple[int, int] | None
    alignment: int


def build_loss_graphs(
    network: Network,
    objective: Objective,
    profile: str = "portable",
    precision: str = "fp32",
    *,
    size: tuple[int, int] | None = None,
    differentiate: Callable[[ir.Model, ir.Value, ir.Value], None] | None = None,
) -> LossGraphs:
    """Write ``objective`` over a copy of ``network``, trimmed to the layers in use, and its gradient.

    profile: the kind of device to write for, one of :data:`PROFILES`.
    precision: ``fp32``, or ``fp16`` for the network in float16 under losses in float32.
    size: (height, width) to fix; free, where the layers allow it, by default.
    differentiate: called with the forward model, the loss and the image, in place of appending the gradient: for
        another gradient builder.
    Raises :class:`UnknownLayerError`, :class:`UnsupportedOperatorError`, :class:`NetworkError`.
    """
    if not objective.terms:
        raise SettingsError("an objective needs at least one term: give a content, style or total variation weight")
    check_profile(profile)
    check_precision(precision, profile)
    network = network.clone()
    layers = {term.layer: network.features(term.layer) for term in objective.terms if term.layer is not None}
    geometry = network.geometries()
    found = {str(value.name): geometry[value] for value in layers.values()}
    check_standard(upstream(list(layers.values())))
    fixed = settle_size(network, list(layers.values())) or size
    if objective.batch > 1:
        set_batch(network, list(layers.values()), objective.batch)
    alignment = 1 if fixed else alignment_of(network, list(layers.values()))
    set_size(network, alignment, fixed)
    used = upstream(list(layers.values()))
    least = minimum_size(used)
    differentiate = differentiate or partial(append_gradient_of, profile=profile, precision=precision)
    training = _training(network.clone(), objective, alignment, profile, precision, differentiate)
    evaluation = _evaluation(network, objective, alignment, precision)
    return LossGraphs(
        training=training,
        evaluation=evaluation,
        layers=found,
        minimum_size=1 if fixed else _unaligned(least, alignment),
        fixed_size=fixed,
        alignment=alignment,
    )


def _unaligned(size: int, alignment: int) -> int:
    """The shortest edge whose aligned length is at least ``size``: one pixel fewer would be a step less."""
    return max(1, -(-size // alignment) * alignment - alignment + 1)


def _training(
    network: Network,
    objective: Objective,
    alignment: int,
    profile: str,
    precision: str,
    differentiate: Callable[[ir.Model, ir.Value, ir.Value], None],
) -> onnx.ModelProto:
    layers = features_of(network, objective.terms, precision)
    model, graph = network.model, network.model.graph
    graph.outputs.clear()
    op = Emitter(graph)
    losses: dict[Term, ir.Value] = {}
    for term in objective.terms:
        features = layers[term.layer]
        with op.named(term.name):
            shape = probe_target(term, features)
            if shape is None:
                shape = term.given(features)
            target = None
            if shape is not None:
                target = ir.Value(name=f"target.{term.name}", shape=shape, type=FLOAT)
                graph.inputs.append(target)
            if term.mask is None:
                losses[term] = term.loss(op, features, target)
            else:
                spans = None if term.layer is None else network.geometries()[network.features(term.layer)].spans
                weights = position_weights(op, term.mask, features, network.image, spans)
                losses[term] = term.masked_loss(op, features, target, weights)
    loss = weighted_sum(op, losses)
    infer_shapes(model)
    image = align(model, alignment)
    differentiate(model, loss, image)
    sizes_from_inputs(graph)
    apply_profile(model, profile)
    graph.name = f"pixelgrad {objective.kind} training"
    name_size_nodes(model)
    return finish(model)


def _evaluation(network: Network, objective: Objective, alignment: int, precision: str) -> onnx.ModelProto | None:
    layers = features_of(network, objective.terms, precision)
    model, graph = network.model, network.model.graph
    graph.outputs.clear()
    op = Emitter(graph)
    for term in objective.terms:
        features = layers[term.layer]
        with op.named(term.name):
            target = term.target(op, features)
        if target is not None:
            graph.outputs.append(output(op, target, f"target.{term.name}"))
    if not graph.outputs:
        return None
    infer_shapes(model)
    write_out(model)
    align(model, alignment)
    graph.name = f"pixelgrad {objective.kind} targets"
    name_size_nodes(model)
    return finish(model)
