"""What the graphs of an objective are put together from: the network at its sizes, layers, outputs, gradient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from pixelgrad.exporters.autodiff import Emitter, append_value_and_gradient
from pixelgrad.exporters.networks import IMAGE, Network, fitting, infer_again, upstream
from pixelgrad.exporters.objectives.terms import Term, scalar
from pixelgrad.exporters.opset18 import infer_shapes
from pixelgrad.exporters.opset18.shapes import dims
from pixelgrad.exporters.opset18.weights import add_weight
from pixelgrad.exporters.profiles import RULES
from pixelgrad.exporters.profiles.half import LOSS_SCALE, use_float16

__all__ = [
    "FLOAT",
    "align",
    "alignment_of",
    "append_gradient_of",
    "features_of",
    "output",
    "probe_target",
    "set_size",
    "weighted_sum",
]

FLOAT = ir.TensorType(ir.DataType.FLOAT)


def alignment_of(network: Network, layers: Sequence[ir.Value]) -> int:
    """The coarsest stride in use, or as many times that as it takes for the maps on the way to fit together.

    With the image a multiple of it, pooling covers every map exactly; without, the last rows and columns of the
    image would not reach the deeper layers at all, and each pooling's gradient would need two more passes over
    the largest maps to say so.
    """
    geometry = network.geometries()
    strides = [stride for value in layers if (stride := geometry[value].stride) is not None]
    whole = [int(stride) for stride in strides if stride >= 1 and stride == int(stride)]
    return fitting(upstream(layers), max(whole, default=1))


def set_size(network: Network, alignment: int, fixed: tuple[int, int] | None) -> None:
    """Let the network take images of the ``fixed`` (height, width), or of any that :func:`align` makes."""
    if fixed is None and alignment == 1:
        return
    sizes = [f"{alignment}*floor({s}/{alignment} + {alignment - 1}/{alignment})" for s in ("H", "W")]
    network.image.shape = ir.Shape([*dims(network.image)[:2], *(fixed or sizes)])
    infer_again(network.model)


def align(model: ir.Model, alignment: int) -> ir.Value:
    """Put the edge padding in front of the graph; the image input proper, [N, 3, H, W]."""
    graph = model.graph
    aligned = graph.inputs[0]
    if alignment == 1:
        return aligned
    image = ir.Value(name=IMAGE, shape=ir.Shape([*dims(aligned)[:2], "H", "W"]), type=FLOAT)
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


def features_of(network: Network, terms: Sequence[Term], precision: str) -> dict[str | None, ir.Value]:
    """What each layer's losses are written over, by its name in the objective; the image itself is ``None``."""
    layers = {term.layer: network.features(term.layer) for term in terms if term.layer is not None}
    copies = use_float16(network.model, network.image, layers.values()) if precision == "fp16" else {}
    return {None: network.image, **{name: copies.get(value, value) for name, value in layers.items()}}


def append_gradient_of(model: ir.Model, loss: ir.Value, image: ir.Value, *, profile: str, precision: str) -> None:
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


def weighted_sum(op: Emitter, losses: Mapping[Term, ir.Value]) -> ir.Value:
    """The output ``loss``, and each term's ``loss.<name>``. Weights are inputs, those of the terms by default."""
    graph, whole, named = op.graph, None, []
    for term, value in losses.items():
        with op.named(term.name):
            named.append(output(op, value, f"loss.{term.name}"))
            weight = np.asarray(term.weight, dtype=np.float32)
            weighted = op.Mul(named[-1], add_weight(graph, f"weight.{term.name}", weight, overridable=True))
        whole = weighted if whole is None else op.Add(whole, weighted)
    assert whole is not None
    graph.outputs.extend([output(op, whole, "loss"), *named])
    return graph.outputs[-1 - len(named)]


def output(op: Emitter, value: ir.Value, name: str) -> ir.Value:
    """``value`` under a name of its own, whatever else uses it."""
    named = value if op.wrote(value) and value not in op.graph.outputs else op.Identity(value)
    named.name, named.shape, named.dtype = name, value.shape, ir.DataType.FLOAT
    return named


def probe_target(term: Term, features: ir.Value) -> ir.Shape | None:
    """The shape of a term's target, found by writing it into a graph of its own."""
    source = ir.Value(name="features", shape=features.shape, type=FLOAT)
    graph = ir.Graph([source], [], nodes=[], opset_imports={"": 18}, name="target")
    target = term.target(Emitter(graph), source)
    if target is None:
        return None
    infer_shapes(ir.Model(graph, ir_version=8))
    return target.shape
