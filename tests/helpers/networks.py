"""Small networks made on the spot, as ONNX files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def chain(
    path: Path,
    *,
    channels: Sequence[int] = (8, 12, 16),
    pool: str = "MaxPool",
    pad: int = 1,
    size: int | None = None,
    classes: int = 0,
    flatten: bool = False,
    input_name: str = "data",
    opset: int = 17,
    seed: int = 0,
) -> Path:
    """A VGG in miniature: per entry of ``channels`` a convolution, a ReLU and a pooling.

    pad: of each convolution; at 2 maps are larger than the image. size: a fixed image size. classes: end in a
    classifier, over the flattened map (``flatten``) or its mean.
    """
    rng = np.random.default_rng(seed)
    weights: dict[str, np.ndarray[Any, Any]] = {}
    nodes = []
    current, depth = input_name, 3
    for block, width in enumerate(channels, 1):
        fan_in = depth * 9
        weights[f"w{block}"] = rng.normal(scale=np.sqrt(2 / fan_in), size=(width, depth, 3, 3)).astype(np.float32)
        weights[f"b{block}"] = rng.normal(scale=0.05, size=width).astype(np.float32)
        nodes += [
            helper.make_node("Conv", [current, f"w{block}", f"b{block}"], [f"c{block}"], pads=[pad] * 4),
            helper.make_node("Relu", [f"c{block}"], [f"r{block}"]),
            helper.make_node(pool, [f"r{block}"], [f"p{block}"], kernel_shape=[2, 2], strides=[2, 2]),
        ]
        current, depth = f"p{block}", width
    if classes:
        if not flatten:
            nodes.append(helper.make_node("GlobalAveragePool", [current], ["mean"]))
            current = "mean"
        nodes.append(helper.make_node("Flatten", [current], ["flat"]))
        features = depth * (((size or 0) // 2 ** len(channels)) ** 2 if flatten else 1)
        weights["fc"] = rng.normal(scale=0.1, size=(classes, features)).astype(np.float32)
        weights["fcb"] = np.zeros(classes, np.float32)
        nodes.append(helper.make_node("Gemm", ["flat", "fc", "fcb"], ["logits"], transB=1))
        current = "logits"
    shape = [1, 3, size or "height", size or "width"]
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(current, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), path)
    return path


def saved(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    weights: Mapping[str, Any],
    output: str,
    shape: Sequence[Any] = (1, 3, "height", "width"),
    opsets: Mapping[str, int] | None = None,
) -> Path:
    """A network of these nodes, from an image ``data`` to a tensor."""
    graph = helper.make_graph(
        list(nodes),
        "net",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    imports = [helper.make_opsetid(domain, version) for domain, version in (opsets or {"": 17}).items()]
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=8), path)
    return path
