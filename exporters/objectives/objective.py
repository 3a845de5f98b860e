"""An objective: the terms of a loss over a network's layers, and the two graphs that it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from pixelgrad.errors import SettingsError
from pixelgrad.exporters.autodiff import Emitter, append_value_and_gradient, finish
from pixelgrad.exporters.autodiff.lowering import sizes_from_inputs
from pixelgrad.exporters.networks import (
    IMAGE,
    Geometry,
    Network,
    infer_again,
    minimum_size,
    set_batch,
    settle_size,
    upstream,
)
from pixelgrad.exporters.objectives.terms import TINY, Term, scalar
from pixelgrad.exporters.opset18 import infer_shapes
from pixelgrad.exporters.opset18.shapes import check_standard, dims
from pixelgrad.exporters.opset18.weights import add_weight
from pixelgrad.exporters.profiles import RULES, apply_profile, check_precision, check_profile
from pixelgrad.exporters.profiles.half import LOSS_SCALE, use_float16
from pixelgrad.exporters.profiles.written_out import write_out
from pixelgrad.exporters.size_nodes import name_size_nodes

_FLOAT = ir.TensorType(ir.DataType.FLOAT)


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
    layers = {term.layer: network.layer(term.layer) for term in objective.terms if term.layer is not None}
    geometry = network.geometries()
    found = {str(value.name): geometry[value] for value in layers.values()}
    check_standard(upstream(list(layers.values())))
    fixed = settle_size(network, list(layers.values())) or size
    if objective.batch > 1:
        set_batch(network, list(layers.values()), objective.batch)
    alignment = 1 if fixed else _alignment([geometry[value] for value in layers.values()])
    _set_size(network, alignment, fixed)
    used = upstream(list(layers.values()))
    least = minimum_size(used)
    differentiate = differentiate or partial(_append_gradient, profile=profile, precision=precision)
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


def _alignment(layers: Sequence[Geometry]) -> int:
    """The coarsest stride in use.

    With the image a multiple of it, pooling covers every map exactly; without, the last rows and columns of the
    image would not reach the deeper layers at all, and each pooling's gradient would need two more passes over
    the largest maps to say so.
    """
    strides = [g.stride for g in layers if g.stride is not None]
    whole = [int(stride) for stride in strides if stride >= 1 and stride == int(stride)]
    return max(whole, default=1)


def _unaligned(size: int, alignment: int) -> int:
    """The shortest edge whose aligned length is at least ``size``: one pixel fewer would be a step less."""
    return max(1, -(-size // alignment) * alignment - alignment + 1)


def _set_size(network: Network, alignment: int, fixed: tuple[int, int] | None) -> None:
    if fixed is None and alignment == 1:
        return
    sizes = [f"{alignment}*floor({s}/{alignment} + {alignment - 1}/{alignment})" for s in ("H", "W")]
    network.image.shape = ir.Shape([*dims(network.image)[:2], *(fixed or sizes)])
    infer_again(network.model)


def _align(model: ir.Model, alignment: int) -> ir.Value:
    """Put the edge padding in front of the graph; the image input proper, [N, 3, H, W]."""
    graph = model.graph
    aligned = graph.inputs[0]
    if alignment == 1:
        return aligned
    image = ir.Value(name=IMAGE, shape=ir.Shape([*dims(aligned)[:2], "H", "W"]), type=_FLOAT)
    aligned.name = "aligned"
    graph.inputs[0] = image
    op = Emitter(graph)
    with op.named("align"):
        size = op.Shape(image, start=2)
        target = op.Mul(op.Div(op.Add(size, alignment - 1), alignment), alignment)
        behind = op.Sub(target, size)
        behind.shape = ir.Shape([2])
        pads = op.Concat(op.value([0] * 6), behind, axis=0)
        padded = op.Pad(image, pads, None, mode="edge")
    padded.shape = aligned.shape
    aligned.replace_all_uses_with(padded)
    graph.sort()
    return image


def _features(network: Network, objective: Objective, precision: str) -> dict[str | None, ir.Value]:
    """What each layer's losses are written over, by its name in the objective; the image itself is ``None``."""
    layers = {term.layer: network.layer(term.layer) for term in objective.terms if term.layer is not None}
    copies = use_float16(network.model, network.image, layers.values()) if precision == "fp16" else {}
    return {None: network.image, **{name: copies.get(value, value) for name, value in layers.items()}}


def _training(
    network: Network,
    objective: Objective,
    alignment: int,
    profile: str,
    precision: str,
    differentiate: Callable[[ir.Model, ir.Value, ir.Value], None],
) -> onnx.ModelProto:
    layers = _features(network, objective, precision)
    model, graph = network.model, network.model.graph
    graph.outputs.clear()
    op = Emitter(graph)
    total: ir.Value | None = None
    for term in objective.terms:
        features = layers[term.layer]
        with op.named(term.name):
            shape = _probe_target(term, features)
            if shape is None:
                shape = term.given(features)
            target = None
            if shape is not None:
                target = ir.Value(name=f"target.{term.name}", shape=shape, type=_FLOAT)
                graph.inputs.append(target)
            if term.mask is None:
                loss = term.loss(op, features, target)
            else:
                loss = term.masked_loss(op, features, target, _position_weights(op, term.mask, features))
            loss = _output(op, loss, f"loss.{term.name}")
            weight = np.asarray(term.weight, dtype=np.float32)
            weighted = op.Mul(loss, add_weight(graph, f"weight.{term.name}", weight, overridable=True))
        graph.outputs.append(loss)
        total = weighted if total is None else op.Add(total, weighted)
    assert total is not None
    total = _output(op, total, "loss")
    graph.outputs.insert(0, total)
    infer_shapes(model)
    image = _align(model, alignment)
    differentiate(model, total, image)
    sizes_from_inputs(graph)
    apply_profile(model, profile)
    graph.name = f"pixelgrad {objective.kind} training"
    name_size_nodes(model)
    return finish(model)


def _append_gradient(model: ir.Model, loss: ir.Value, image: ir.Value, *, profile: str, precision: str) -> None:
    """The outputs ``gradient`` and ``gradient_norm``.

    In float16 there is an input ``loss_scale``, which the gradient does not depend on but for rounding.
    """
    graph = model.graph
    scale = None
    if precision == "fp16":
        scale = add_weight(graph, "loss_scale", np.asarray(LOSS_SCALE, np.float32), overridable=True)
    (gradient,) = append_value_and_gradient(graph, loss, [image], rules=RULES[profile], seed=scale)
    op = Emitter(graph)  # one that knows the names and constants of the gradient
    if scale is not None:
        graph.outputs.remove(gradient)
        gradient.name = "scaled_gradient"
        with op.named("unscale"):
            gradient = op.Div(gradient, scale)
        gradient.dtype = ir.DataType.FLOAT
        graph.outputs.append(gradient)
    gradient.name = "gradient"
    gradient.shape = image.shape
    # Tells whether all of the gradient is finite without bringing it from a GPU.
    with op.named("norm"):
        norm = scalar(op, op.Sqrt(op.ReduceSum(op.Mul(gradient, gradient), keepdims=1)))
    norm.name, norm.shape, norm.dtype = "gradient_norm", ir.Shape([]), ir.DataType.FLOAT
    graph.outputs.append(norm)


def _position_weights(op: Emitter, name: str, features: ir.Value) -> ir.Value:
    """The mask input ``name`` fitted to the layer: [1, 1, positions], of mean 1."""
    graph = op.graph
    mask = next((value for value in graph.inputs if value.name == name), None)
    if mask is None:
        mask = ir.Value(name=name, shape=ir.Shape([1, 1, f"{name}.height", f"{name}.width"]), type=_FLOAT)
        graph.inputs.append(mask)
    sizes = op.Concat(op.value([1, 1]), op.Shape(features, start=2), axis=0)
    fitted = op.Reshape(op.Resize(mask, None, None, sizes, mode="linear"), [1, 1, -1])
    weights = op.Div(fitted, op.Clip(op.ReduceMean(fitted, keepdims=0), TINY))
    weights.shape = ir.Shape([1, 1, None])
    return weights


def _probe_target(term: Term, features: ir.Value) -> ir.Shape | None:
    """The shape of a term's target, found by writing it into a graph of its own."""
    source = ir.Value(name="features", shape=features.shape, type=_FLOAT)
    graph = ir.Graph([source], [], nodes=[], opset_imports={"": 18}, name="target")
    target = term.target(Emitter(graph), source)
    if target is None:
        return None
    infer_shapes(ir.Model(graph, ir_version=8))
    return target.shape


def _evaluation(network: Network, objective: Objective, alignment: int, precision: str) -> onnx.ModelProto | None:
    layers = _features(network, objective, precision)
    model, graph = network.model, network.model.graph
    graph.outputs.clear()
    op = Emitter(graph)
    for term in objective.terms:
        features = layers[term.layer]
        with op.named(term.name):
            target = term.target(op, features)
        if target is not None:
            graph.outputs.append(_output(op, target, f"target.{term.name}"))
    if not graph.outputs:
        return None
    infer_shapes(model)
    write_out(model)
    _align(model, alignment)
    graph.name = f"pixelgrad {objective.kind} targets"
    name_size_nodes(model)
    return finish(model)


def _output(op: Emitter, value: ir.Value, name: str) -> ir.Value:
    """``value`` under a name of its own, whatever else uses it."""
    output = value if op.wrote(value) and value not in op.graph.outputs else op.Identity(value)
    output.name, output.shape, output.dtype = name, value.shape, ir.DataType.FLOAT
    return output
