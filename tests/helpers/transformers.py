"""A vision transformer in miniature, as an ONNX file, in the forms that exporters give them, and pieces of one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from helpers.networks import saved
from pixelgrad.exporters import Network, load_network

WIDTH, PATCH = 8, 8


def transformer(
    path: Path,
    *,
    side: int = 32,
    declared: bool = True,
    first: int = 0,
    last: int = 0,
    frozen: bool = False,
    gathered: bool = False,
    masked: bool = False,
    mixed: bool = False,
    biased: bool = False,
    alike: bool = False,
    equations: bool = False,
    heads: int = 2,
    classes: int = 10,
) -> Path:
    """Patches of 8x8, embeddings of their positions, one block of attention, classes by the first token or their mean.

    declared: the file says the size that it is made for. first, last: tokens in front of the patches', and behind.
    frozen: the number of tokens is part of every reshape. gathered: embeddings are looked up by their numbers. masked:
    a mask that hides nothing is added to the attention. mixed: weights between tokens besides. biased: so is a number
    for each pair of them. alike: the patches' embeddings are the same everywhere. equations: attention is Einsum.
    """
    rng = np.random.default_rng(side + 2 * first + 3 * last)
    patches = (side // PATCH) ** 2
    tokens = first + patches + last
    positions = rng.normal(size=(tokens, WIDTH))
    if alike:
        positions[first : first + patches] = positions[first]
    weights: dict[str, Any] = {
        "patches": rng.normal(size=(WIDTH, 3, PATCH, PATCH)) / 8,
        "positions": positions if gathered else positions[None],
        "front": rng.normal(size=(1, first, WIDTH)),
        "behind": rng.normal(size=(1, last, WIDTH)),
        "scale": rng.normal(1, 0.2, WIDTH),
        "shift": rng.normal(size=WIDTH) / 3,
        **{name: rng.normal(size=(WIDTH, WIDTH)) / 3 for name in ("Q", "K", "V", "out")},
        "head": rng.normal(size=(WIDTH, classes)),
        "between": rng.normal(size=(tokens, tokens)) / 4,
        "likes": rng.normal(size=(1, 1, tokens, tokens)),
    }
    weights = {name: array.astype(np.float32) for name, array in weights.items() if array.size}
    weights |= {
        "flat": np.int64([1, WIDTH, patches] if frozen else [0, WIDTH, -1]),
        "split": np.int64([1, tokens if frozen else -1, heads, WIDTH // heads]),
        "joined": np.int64([1, tokens if frozen else -1, WIDTH]),
        "numbers": np.arange(tokens)[None],
        "all": np.ones((1, 1, tokens, tokens), bool),
        "open": np.float32(0),
        "shut": np.float32(-np.inf),
        "along": np.int64([1]),
        "class": np.int64(0),
    }
    nodes = _nodes(weights, gathered, masked, mixed, biased)
    model = _model(_by_equations(nodes) if equations else nodes, weights, side if declared else None)
    onnx.save(model, path)
    return path


def _by_equations(nodes: Sequence[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """With queries, keys and values as they were split, and the products of heads as Einsum."""
    node = helper.make_node
    products = {
        "scores": node("Einsum", ["Q_split", "K_split"], ["scores"], equation="bthd,bshd->bhts"),
        "side_by_side": node("Einsum", ["attention", "V_split"], ["side_by_side"], equation="bhts,bshd->bthd"),
    }
    without = {"Q_heads", "K_heads", "V_heads", "attended"}
    return [products.get(old.output[0], old) for old in nodes if old.output[0] not in without]


def patches(path: Path, nodes: Sequence[onnx.NodeProto], size: int | None = 32, **weights: Any) -> Network:
    """A network: patches of 8x8 to four channels, ``patch``, then ``nodes``; weights by shape or as they are."""
    rng = np.random.default_rng(5)
    arrays = {
        name: rng.normal(size=shape).astype(np.float32) if isinstance(shape, tuple) else np.asarray(shape)
        for name, shape in weights.items()
    }
    arrays["patches"] = rng.normal(scale=0.15, size=(4, 3, PATCH, PATCH)).astype(np.float32)
    first = helper.make_node("Conv", ["data", "patches"], ["patch"], kernel_shape=[PATCH] * 2, strides=[PATCH] * 2)
    shape = (1, 3, size or "height", size or "width")
    saved(path, [first, *nodes], arrays, nodes[-1].output[0], shape)
    return load_network(path, preprocess="rgb")


def _nodes(weights: dict[str, Any], gathered: bool, masked: bool, mixed: bool, biased: bool) -> list[onnx.NodeProto]:
    node = helper.make_node
    parts = [name for name in ("front", "tokens", "behind") if name in {*weights, "tokens"}]
    scores = "scores"
    nodes = [
        node("Conv", ["x", "patches"], ["patch"], kernel_shape=[PATCH, PATCH], strides=[PATCH, PATCH]),
        node("Reshape", ["patch", "flat"], ["rows"]),
        node("Transpose", ["rows"], ["tokens"], perm=[0, 2, 1]),
        node("Concat", parts, ["every"], axis=1),
    ]
    if gathered:
        nodes.append(node("Gather", ["positions", "numbers"], ["looked_up"], axis=0))
    nodes += [
        node("Add", ["every", "looked_up" if gathered else "positions"], ["placed"]),
        node("LayerNormalization", ["placed", "scale", "shift"], ["even"], axis=-1),
    ]
    for name, order in (("Q", [0, 2, 1, 3]), ("K", [0, 2, 3, 1]), ("V", [0, 2, 1, 3])):
        nodes += [
            node("MatMul", ["even", name], [f"{name}_whole"]),
            node("Reshape", [f"{name}_whole", "split"], [f"{name}_split"]),
            node("Transpose", [f"{name}_split"], [f"{name}_heads"], perm=order),
        ]
    nodes.append(node("MatMul", ["Q_heads", "K_heads"], ["scores"]))
    if masked:
        nodes.append(node("Where", ["all", "open", "shut"], ["mask"]))
        nodes.append(node("Add", ["scores", "mask"], ["seen"]))
        scores = "seen"
    if biased:
        nodes.append(node("Add", [scores, "likes"], ["liked"]))
        scores = "liked"
    nodes += [
        node("Softmax", [scores], ["attention"], axis=-1),
        node("MatMul", ["attention", "V_heads"], ["attended"]),
        node("Transpose", ["attended"], ["side_by_side"], perm=[0, 2, 1, 3]),
        node("Reshape", ["side_by_side", "joined"], ["together"]),
        node("MatMul", ["together", "out"], ["projected"]),
    ]
    if mixed:
        nodes.append(node("MatMul", ["between", "projected"], ["mixed"]))
    nodes += [
        node("Add", ["placed", "mixed" if mixed else "projected"], ["block"]),
        node("Gather", ["block", "class"], ["pooled"], axis=1)
        if "front" in weights
        else node("ReduceMean", ["block", "along"], ["pooled"], keepdims=0),
        node("Gemm", ["pooled", "head"], ["y"]),
    ]
    return nodes


def _model(nodes: Sequence[onnx.NodeProto], weights: dict[str, Any], side: int | None) -> onnx.ModelProto:
    used = {name for node in nodes for name in node.input}
    sizes: list[Any] = ["H", "W"] if side is None else [side, side]
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, *sizes])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    initializers = [numpy_helper.from_array(array, name) for name, array in weights.items() if name in used]
    graph = helper.make_graph(list(nodes), "transformer", [image], [result], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
