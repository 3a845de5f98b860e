"""What an artifact must compute, said by ONNX's reference implementation, so that any device can be held to it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from pixelgrad.errors import NetworkError, UncomputableError
from pixelgrad.exporters.objectives import LossGraphs
from pixelgrad.exporters.projections import ProjectionGraphs
from pixelgrad.exporters.reference import CORRECTED

# Large enough for every layer to see something and odd enough to need alignment, small enough for the reference.
_SMALLEST = 37
_LONGEST = 300
_FAILURES = (
    ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError,
)  # fmt: skip
# Nodes that are computed at a time.
_PART = 64


def pattern(shape: Sequence[int], seed: int) -> np.ndarray[Any, Any]:
    """Numbers that any language can draw: float32 of a shape, in [0, 1).

    Element i, in row-major order, is half noise and half a ramp. The noise is a 32-bit integer hash over 2^32:
    h = (i + 7919 seed) * 2654435761; h ^= h >> 15; h = h * 2246822519; h ^= h >> 13, all modulo 2^32. The ramp is
    (i * seed mod 251) / 251.
    """
    index = np.arange(math.prod(shape), dtype=np.uint64)
    hashed = (index + 7919 * seed) * 2654435761 % 2**32
    hashed ^= hashed >> 15
    hashed = hashed * 2246822519 % 2**32
    hashed ^= hashed >> 13
    ramp = (index * seed % 251).astype(np.float64) / 251
    return ((hashed.astype(np.float64) / 2**32 + ramp) / 2).astype(np.float32).reshape(shape)


# Relative errors allowed to a device, by the artifact's precision.
_TOLERANCES = {"fp32": {"loss": 1e-3, "gradient_norm": 2e-2}, "fp16": {"loss": 2e-2, "gradient_norm": 5e-2}}


def self_check(graphs: LossGraphs, precision: str = "fp32") -> dict[str, Any]:
    """Run both graphs on seeded pictures: targets (those that are given, too) from seed 1, the image from seed 2, masks
    that are all ones.

    Returns sizes, seeds, ``loss``, ``losses`` by term, ``gradient_norm`` (L2), and relative ``tolerance``s: max
    pooling's switches can flip between implementations, which moves the gradient by a few thousandths.
    """
    height, width = _size(graphs)
    shape = (_batch(graphs.training), 3, height, width)
    feeds: dict[str, Any] = {}
    if graphs.evaluation is not None:
        feeds = _run(graphs.evaluation, {"image": pattern(shape, seed=1)})
    for value in graphs.training.graph.input:
        if value.name.startswith("mask."):
            feeds[value.name] = np.ones((1, 1, 1, 1), np.float32)
        elif value.name.startswith("target.") and value.name not in feeds:
            feeds[value.name] = pattern([d.dim_value for d in value.type.tensor_type.shape.dim], seed=1)
    results = _run(graphs.training, {**feeds, "image": pattern(shape, seed=2)})
    if not np.isfinite(results["loss"]) or not np.isfinite(results["gradient"]).all():
        raise NetworkError(
            "the network computes no finite numbers for a picture of noise: its weights are damaged, were never "
            "trained, or overflow; choose an earlier layer, or another file of it"
        )
    terms = {name.removeprefix("loss."): float(v) for name, v in results.items() if name.startswith("loss.")}
    return {
        "height": height,
        "width": width,
        "target_seed": 1,
        "image_seed": 2,
        "loss": float(results["loss"]),
        "losses": terms,
        "gradient_norm": float(np.linalg.norm(results["gradient"].astype(np.float64))),
        "tolerance": _TOLERANCES[precision],
    }


def _size(graphs: LossGraphs | ProjectionGraphs) -> tuple[int, int]:
    return graphs.fixed_size or (
        max(_SMALLEST, graphs.minimum_size),
        max(_SMALLEST + 4, graphs.minimum_size),
    )


def projection_self_check(graphs: ProjectionGraphs, precision: str = "fp32") -> dict[str, Any]:
    """Run both graphs on a seeded picture (seed 2) and a seeded cotangent (seed 1).

    Returns sizes, seeds, the L2 norms ``maxima_norm`` and ``projection_norm``, and relative ``tolerance``s.
    """
    height, width = _size(graphs)
    tolerance = _TOLERANCES[precision]
    image = pattern((1, 3, height, width), seed=2)
    seen = _run(graphs.evaluation, {"image": image})
    cotangent = pattern(seen["features"].shape, seed=1)
    projected = _run(graphs.training, {"image": image, "cotangent": cotangent})["projection"]
    return {
        "height": height,
        "width": width,
        "image_seed": 2,
        "cotangent_seed": 1,
        "maxima_norm": float(np.linalg.norm(seen["maxima"].astype(np.float64))),
        "projection_norm": float(np.linalg.norm(projected.astype(np.float64))),
        "tolerance": {"maxima_norm": tolerance["loss"], "projection_norm": tolerance["gradient_norm"]},
    }


def _batch(model: onnx.ModelProto) -> int:
    (image,) = (value for value in model.graph.input if value.name == "image")
    return int(image.type.tensor_type.shape.dim[0].dim_value)


def _in_parts(model: onnx.ModelProto, feeds: Mapping[str, Any]) -> dict[str, Any]:
    """The outputs by name, computed some nodes at a time.

    The reference evaluator keeps every tensor until its run is over: 1 GB for the matrices of a few hundred channels
    that a moment loss takes the roots of.
    """
    graph, values = model.graph, dict(feeds)
    constants = {tensor.name: tensor for tensor in graph.initializer}
    last = {name: number for number, node in enumerate(graph.node) for name in node.input}
    last |= {value.name: len(graph.node) for value in graph.output}
    for start in range(0, len(graph.node), _PART):
        nodes = graph.node[start : start + _PART]
        made = {name for node in nodes for name in node.output}
        taken = {name for node in nodes for name in node.input if name} - made
        wanted = [name for name in made if last.get(name, 0) >= start + len(nodes)]
        part = onnx.helper.make_graph(
            nodes,
            "part",
            [onnx.ValueInfoProto(name=name) for name in taken if name in values],
            [onnx.ValueInfoProto(name=name) for name in wanted],
            [constants[name] for name in taken if name not in values],
        )
        session = ReferenceEvaluator(onnx.helper.make_model(part, opset_imports=model.opset_import), new_ops=CORRECTED)
        found = session.run(wanted, {name: values[name] for name in taken if name in values})
        values |= dict(zip(wanted, found, strict=True))
        values = {name: value for name, value in values.items() if last.get(name, -1) >= start + len(nodes)}
    return {value.name: values[value.name] for value in graph.output}


def _run(model: onnx.ModelProto, feeds: Mapping[str, Any]) -> dict[str, Any]:
    try:
        with np.errstate(all="ignore"):  # whoever runs the artifact is told where it overflows
            return _in_parts(model, feeds)
    except _FAILURES as error:  # NumPy's, the operators' own
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST]
        size = "x".join(str(edge) for edge in feeds["image"].shape[:1:-1])
        raise UncomputableError(
            f"the network cannot be computed on an image of {size} as the ONNX standard says ({reason}); choose an "
            "earlier layer, or export the network again"
        ) from error
