"""The graphs that evaluate an objective a tile of the image at a time, to the same loss and gradient.

Terms of the kind :class:`Additive` depend on features through sums over positions. So there are two passes. In the
first each tile, seen with as much around it as its features look at, adds what is its own to the sums; from those of
the whole image a small graph computes the loss and how it depends on each. In the second each tile sends that back to
the pixels that it looks at, and the gradients are added. Nothing is left out, so no seam shows where tiles meet, and
the tile sets the memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx
import onnx_ir as ir

from pixelgrad.errors import SettingsError
from pixelgrad.exporters.autodiff import Emitter, append_value_and_gradient, finish
from pixelgrad.exporters.autodiff.lowering import sizes_from_inputs
from pixelgrad.exporters.networks import IMAGE, Network, Tiling, insists_on_size, tiling, upstream
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
from pixelgrad.exporters.objectives.objective import Objective
from pixelgrad.exporters.objectives.terms import Additive, Term, total
from pixelgrad.exporters.opset18 import infer_shapes
from pixelgrad.exporters.opset18.shapes import dims
from pixelgrad.exporters.profiles import apply_profile
from pixelgrad.exporters.size_nodes import name_size_nodes

__all__ = ["TileGraphs", "build_tile_graphs", "can_tile"]


@dataclass(frozen=True)
class TileGraphs:
    """sums: image [1, 3, H, W], which is a tile and what is around it; ``counts.<layer>``, how much each of a layer's
    positions counts (``counts.<layer>.<mask>`` where there is a mask); targets -> ``sum.<term>.<number>``, and
    ``features.<term>`` for each term whose target is a map of features.
    training: the same and ``cotangent.<term>.<number>`` -> gradient, of the sums weighted by those.
    loss: the sums over all tiles, targets, weights -> loss, each term's loss, the cotangents.
    targets: the sums of a reference image, taken with a first guess at the targets; that guess -> targets.
    """

    sums: onnx.ModelProto
    training: onnx.ModelProto
    loss: onnx.ModelProto
    targets: onnx.ModelProto | None
    tiling: Tiling


def can_tile(network: Network, objective: Objective) -> bool:
    """Whether an image can be looked at in tiles: whether no layer and no term has to see all of it at once.

    Raises :class:`UnknownLayerError`.
    """
    return _tiling(network, objective) is not None


def build_tile_graphs(
    network: Network, objective: Objective, profile: str = "portable", precision: str = "fp32"
) -> TileGraphs:
    """profile, precision and errors as of :func:`build_loss_graphs`; and :class:`SettingsError` where a layer or a term
    has to see the whole image at once.
    """
    found = _tiling(network, objective)
    if found is None:
        raise SettingsError(
            "the objective cannot be evaluated in tiles: its layers depend on the whole image or take images of one "
            "size, or a term is no sum over positions; leave tiles out, or choose earlier layers"
        )
    network = network.clone()
    terms = [term for term in objective.terms if isinstance(term, Additive)]
    set_size(network, found.alignment, None)
    sums, shapes = _sums(_Pass(network, terms, precision), found.alignment, profile)
    training = _training(_Pass(network, terms, precision), found.alignment, profile, precision)
    return TileGraphs(sums, training, _loss(terms, shapes), _targets(terms, shapes), found)


def _tiling(network: Network, objective: Objective) -> Tiling | None:
    if objective.batch != 1 or not all(isinstance(term, Additive) for term in objective.terms):
        return None
    network = network.clone()
    layers = [network.features(term.layer) for term in objective.terms if term.layer is not None]
    if any(insists_on_size(node) for node in upstream(layers)):
        return None
    return tiling(network, layers, alignment_of(network, layers))


class _Pass:
    """The network and the sums of a tile, which both passes begin with.

    targets: the shape of each term's target; one that is not known is of a map of features, as large as the image
    makes it, and ``None`` of none.
    """

    def __init__(self, network: Network, terms: Sequence[Additive], precision: str) -> None:
        network = network.clone()
        self.model, self.graph = network.model, network.model.graph
        self.layers = features_of(network, terms, precision)
        self.graph.outputs.clear()
        self.op = Emitter(self.graph)
        self.targets = {term: probe_target(term, self.layers[term.layer]) for term in terms}
        self.sums = {f"sum.{term.name}.{n}": value for term in terms for n, value in enumerate(self._sums_of(term))}
        infer_shapes(self.model)

    def _sums_of(self, term: Additive) -> Sequence[ir.Value]:
        features = self.layers[term.layer]
        counts = self._counts(".".join(["counts", term.layer or IMAGE, *filter(None, [term.mask])]), features)
        shape = self.targets[term]
        target = None if shape is None else ir.Value(name=f"target.{term.name}", shape=shape, type=FLOAT)
        with self.op.named(term.name):
            sums = term.sums(self.op, features, target, counts)
        if target is not None:
            self.graph.inputs.append(target)
        return sums

    def _counts(self, name: str, features: ir.Value) -> ir.Value:
        known = next((value for value in self.graph.inputs if value.name == name), None)
        if known is None:
            known = ir.Value(name=name, shape=ir.Shape([1, 1, *dims(features)[2:]]), type=FLOAT)
            self.graph.inputs.append(known)
        return known


def _sums(tile: _Pass, alignment: int, profile: str) -> tuple[onnx.ModelProto, dict[str, ir.Shape]]:
    """The model, and the shapes of the sums and of the targets that are no maps, by name."""
    shapes = {name: ir.Shape(dims(value)) for name, value in tile.sums.items()}
    for name, value in tile.sums.items():
        tile.graph.outputs.append(output(tile.op, value, name))
    for term, shape in tile.targets.items():
        if shape is not None and shape.is_static():
            shapes[f"target.{term.name}"] = shape
        elif shape is not None:
            tile.graph.outputs.append(output(tile.op, tile.layers[term.layer], f"features.{term.name}"))
    align(tile.model, alignment)
    apply_profile(tile.model, profile)
    return _finished(tile.model, "sums of a tile"), shapes


def _training(tile: _Pass, alignment: int, profile: str, precision: str) -> onnx.ModelProto:
    op, graph = tile.op, tile.graph
    whole: ir.Value | None = None
    for name, value in tile.sums.items():
        cotangent = ir.Value(name=name.replace("sum.", "cotangent.", 1), shape=ir.Shape(dims(value)), type=FLOAT)
        graph.inputs.append(cotangent)
        part = total(op, op.Mul(value, cotangent))
        whole = part if whole is None else op.Add(whole, part)
    assert whole is not None
    whole.shape, whole.dtype = ir.Shape([]), ir.DataType.FLOAT
    infer_shapes(tile.model)
    image = align(tile.model, alignment)
    append_gradient_of(tile.model, whole, image, profile=profile, precision=precision)
    graph.outputs.remove(whole)
    sizes_from_inputs(graph)
    apply_profile(tile.model, profile)
    return _finished(tile.model, "gradient of a tile")


def _loss(terms: Sequence[Additive], shapes: dict[str, ir.Shape]) -> onnx.ModelProto:
    graph, sums, targets = _of_sums(terms, shapes)
    op = Emitter(graph)
    losses: dict[Term, ir.Value] = {}
    for term in terms:
        with op.named(term.name):
            losses[term] = term.loss_of_sums(op, sums[term], targets.get(term))
    loss = weighted_sum(op, losses)
    model = ir.Model(graph, ir_version=8)
    infer_shapes(model)
    inputs = [value for values in sums.values() for value in values]
    for source, gradient in zip(inputs, append_value_and_gradient(graph, loss, inputs), strict=True):
        gradient.name = str(source.name).replace("sum.", "cotangent.", 1)
    return _finished(model, "loss of the sums of all tiles")


def _targets(terms: Sequence[Additive], shapes: dict[str, ir.Shape]) -> onnx.ModelProto | None:
    graph, sums, targets = _of_sums([term for term in terms if f"target.{term.name}" in shapes], shapes)
    if not targets:
        return None
    op = Emitter(graph)
    for term, guess in targets.items():
        with op.named(term.name):
            target = term.target_of_sums(op, sums[term], guess)
        assert target is not None
        target.shape = guess.shape
        # The guess has the name that this should have, as an input has it in every other graph.
        graph.outputs.append(output(op, target, f"target.{term.name}"))
        guess.name = f"guess.{term.name}"
    model = ir.Model(graph, ir_version=8)
    infer_shapes(model)
    return _finished(model, "targets from the sums of all tiles")


def _of_sums(
    terms: Sequence[Additive], shapes: dict[str, ir.Shape]
) -> tuple[ir.Graph, dict[Additive, list[ir.Value]], dict[Additive, ir.Value]]:
    """A graph with the sums and the targets that are no maps as inputs."""
    inputs = {name: ir.Value(name=name, shape=shape, type=FLOAT) for name, shape in shapes.items()}
    sums = {term: [inputs[name] for name in shapes if name.startswith(f"sum.{term.name}.")] for term in terms}
    targets = {term: inputs[f"target.{term.name}"] for term in terms if f"target.{term.name}" in inputs}
    used = [*(value for values in sums.values() for value in values), *targets.values()]
    return ir.Graph(used, [], nodes=[], opset_imports={"": 18}, name="sums"), sums, targets


def _finished(model: ir.Model, what: str) -> onnx.ModelProto:
    model.graph.name = f"pixelgrad {what}"
    name_size_nodes(model)
    finished = finish(model)
    # Not every sum needs a target, nor the gradient what is the same for every image. And OpenVINO
    # mixes up the inputs of a graph that has no use for one.
    used = {name for node in finished.graph.node for name in node.input}
    kept = [value for value in finished.graph.input if value.name in used]
    del finished.graph.input[:]
    finished.graph.input.extend(kept)
    return finished
