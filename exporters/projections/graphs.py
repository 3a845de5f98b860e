"""The two graphs of a projection: what a layer's channels see best in an image, and the way back to the pixels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import onnx
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from pixelgrad.errors import NetworkError, SettingsError
from pixelgrad.exporters.autodiff import Emitter, finish
from pixelgrad.exporters.autodiff.driver import append_gradient
from pixelgrad.exporters.autodiff.registry import overlay
from pixelgrad.exporters.networks import Geometry, Network, minimum_size, settle_size, upstream
from pixelgrad.exporters.opset18 import infer_shapes
from pixelgrad.exporters.opset18.shapes import check_standard, dims, rank
from pixelgrad.exporters.profiles import check_precision
from pixelgrad.exporters.profiles.half import use_float16
from pixelgrad.exporters.profiles.written_out import write_out
from pixelgrad.exporters.projections.rules import PROJECTION_RULES
from pixelgrad.exporters.size_nodes import name_size_nodes

__all__ = ["Projection", "ProjectionGraphs", "build_projection_graphs"]

_FLOAT = ir.TensorType(ir.DataType.FLOAT)
_BATCH = "batch"


@dataclass(frozen=True)
class Projection:
    """layer: whose activations to find and to project. rule: one of :data:`PROJECTION_RULES`.
    watched: further layers whose features the scan may put out.
    """

    layer: str
    rule: str = "deconvnet"
    watched: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProjectionGraphs:
    """evaluation: ``image`` [N, 3, H, W] -> ``maxima`` float32 [N, C], each channel's largest activation;
    ``positions`` int64 [N, C], where it is, as an index into the channel's map in row-major order (the first of
    several); ``features``, the layer itself; ``features.<name>`` for each watched layer.
    training: ``image``, ``cotangent`` (shape of ``features``) -> ``projection`` (shape of ``image``).
    layer, channels: the tensor name, and C. geometry: by tensor name. watched: tensor names.
    batch: 1 where the network takes one image at a time, ``None`` where any number. minimum_size, fixed_size: as of
    :class:`LossGraphs`. adjoint: whether the projection is a true gradient.
    """

    evaluation: onnx.ModelProto
    training: onnx.ModelProto
    layer: str
    channels: int
    watched: tuple[str, ...]
    geometry: Mapping[str, Geometry]
    batch: int | None
    minimum_size: int
    fixed_size: tuple[int, int] | None
    adjoint: bool


def build_projection_graphs(
    network: Network, projection: Projection, precision: str = "fp32", *, size: tuple[int, int] | None = None
) -> ProjectionGraphs:
    """Write ``projection`` over a copy of ``network``, trimmed to the layers in use.

    precision, size: as of :func:`build_loss_graphs`. Raises :class:`SettingsError` for an unknown rule or precision,
    :class:`UnknownLayerError`, :class:`UnsupportedOperatorError`, and :class:`NetworkError` for a layer that has no
    channels, or for weights too large for float16.
    """
    check_precision(precision, "portable")
    if projection.rule not in PROJECTION_RULES:
        raise SettingsError(f"the rule is {projection.rule!r}; it must be one of {', '.join(PROJECTION_RULES)}")
    network = network.clone()
    layer = network.features(projection.layer)
    watched = list(dict.fromkeys(network.features(name) for name in projection.watched))
    used = [layer, *watched]
    for value in used:
        _check_layer(value)
    # What follows the layers must not have a say in their shapes.
    network.model.graph.outputs[:] = used
    RemoveUnusedNodesPass()(network.model)
    check_standard(upstream(used))
    fixed = settle_size(network, used) or size
    geometry = network.geometries()
    batch = _free_batch(network, used, fixed)
    channels = dims(layer)[1]
    assert isinstance(channels, int)
    least = 1 if fixed else minimum_size(upstream(used))
    return ProjectionGraphs(
        evaluation=_evaluation(network.clone(), str(layer.name), [str(value.name) for value in watched], precision),
        training=_training(network.clone(), projection, str(layer.name), precision),
        layer=str(layer.name),
        channels=channels,
        watched=tuple(str(value.name) for value in watched),
        geometry={str(value.name): geometry[value] for value in used if value in geometry},
        batch=batch,
        minimum_size=least,
        fixed_size=fixed,
        adjoint=projection.rule == "gradient",
    )


def _check_layer(value: ir.Value) -> None:
    shape = value.shape
    if shape is None or shape.rank() not in (2, 4) or not isinstance(shape[1], int):
        raise NetworkError(
            f"the layer {value.name!r} has shape {shape}; a projection starts from channels [N, C, H, W] or from "
            "classes [N, C], choose another layer"
        )


def _free_batch(network: Network, used: Iterable[ir.Value], fixed: tuple[int, int] | None) -> int | None:
    """Let the network take any number of images at once, unless something in it insists on one."""
    values = list(used)
    size = fixed or ("H", "W")
    for batch in (_BATCH, 1):
        network.image.shape = ir.Shape([batch, 3, *size])
        for node in network.model.graph:
            for output in node.outputs:
                output.shape = None
        infer_shapes(network.model)
        maps = [value for node in upstream(values) for value in node.outputs if value.shape is not None]
        follows = network.geometries()
        if batch == 1 or all(
            dims(value)[0] == ir.SymbolicDim(_BATCH) for value in maps if value in follows and rank(value)
        ):
            return None if batch == _BATCH else 1
    raise AssertionError


def _evaluation(network: Network, layer: str, watched: list[str], precision: str) -> onnx.ModelProto:
    graph = network.model.graph
    features, *followed = _layers(network, [layer, *watched], precision)
    graph.outputs.clear()
    op = Emitter(graph)
    with op.named("strongest"):
        flat = op.Reshape(features, [0, 0, -1])
        maxima = op.ReduceMax(flat, [2], keepdims=0)
        positions = op.ArgMax(flat, axis=2, keepdims=0)
        graph.outputs.append(_output(op, maxima, "maxima", ir.DataType.FLOAT))
        graph.outputs.append(_output(op, positions, "positions", ir.DataType.INT64))
        graph.outputs.append(_output(op, features, "features", ir.DataType.FLOAT))
        for name, value in zip(watched, followed, strict=True):
            graph.outputs.append(_output(op, value, f"features.{name}", ir.DataType.FLOAT))
    for output in graph.outputs[:2]:
        output.shape = ir.Shape(dims(features)[:2])
    write_out(network.model)
    graph.name = "pixelgrad projection scan"
    name_size_nodes(network.model)
    return finish(network.model)


def _training(network: Network, projection: Projection, layer: str, precision: str) -> onnx.ModelProto:
    graph = network.model.graph
    (features,) = _layers(network, [layer], precision)
    graph.outputs.clear()
    cotangent = ir.Value(name="cotangent", shape=features.shape, type=_FLOAT)
    graph.inputs.append(cotangent)
    (result,) = append_gradient(
        graph, {features: cotangent}, [network.image], overlay(PROJECTION_RULES[projection.rule])
    )
    if result is None:
        raise NetworkError(f"the layer {layer!r} does not depend on the image")
    output = _output(Emitter(graph), result, "projection", ir.DataType.FLOAT)
    output.shape = network.image.shape
    graph.outputs.append(output)
    write_out(network.model)
    graph.name = f"pixelgrad {projection.rule} projection"
    name_size_nodes(network.model)
    return finish(network.model)


def _layers(network: Network, names: Iterable[str], precision: str) -> list[ir.Value]:
    """The layers' features in float32, whatever the network runs in."""
    found = [network.features(name) for name in names]
    copies = use_float16(network.model, network.image, found) if precision == "fp16" else {}
    return [copies.get(value, value) for value in found]


def _output(op: Emitter, value: ir.Value, name: str, dtype: ir.DataType) -> ir.Value:
    """``value`` under a name of its own, whatever else uses it."""
    output = op.Identity(value)
    output.name, output.shape, output.dtype = name, value.shape, dtype
    return output
