"""Write a network as ONNX: opset 18, IR 8, float16 weights cast to float32, every layer a named tensor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from network import GREY, Design, Folded
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

OPSET, IR_VERSION = 18, 8


def graph_of(network: Folded, name: str = "pebble") -> onnx.ModelProto:
    """The network as a model: input `image` [N, 3, H, W], RGB in [0, 1]; output `relu5_1`."""
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []

    def stored(label: str, value: Tensor) -> str:
        # Half the bytes on disk; a runtime folds the cast when it loads the graph.
        array = value.numpy().astype(np.float16)
        if not np.isfinite(array).all():
            raise ValueError(f"{label} does not fit into float16")
        weights.append(numpy_helper.from_array(array, f"{label}_f16"))
        nodes.append(helper.make_node("Cast", [f"{label}_f16"], [label], to=TensorProto.FLOAT))
        return label

    weights.append(numpy_helper.from_array(np.full((1, 3, 1, 1), GREY, np.float32), "grey"))
    rings = sorted({network.design.ring(suffix) for suffix, _, _ in network.design.convolutions()} - {0})
    for ring in rings:
        weights.append(numpy_helper.from_array(np.array([0, 0, ring, ring] * 2, np.int64), f"ring{ring}"))
    nodes.append(helper.make_node("Sub", ["image", "grey"], ["centred"], name="centred"))
    x = "centred"
    for suffix, _, _ in network.design.convolutions():
        block = int(suffix[0])
        if suffix.endswith("_1") and block > 1:
            if network.design.pool == "blur":
                x = _average(nodes, x, f"blur{block - 1}", kernel=3, stride=1, pad=1)
            x = _average(nodes, x, f"pool{block - 1}", kernel=2, stride=2, pad=0)
        pads = [network.design.zeros(suffix)] * 4
        ring = network.design.ring(suffix)
        if ring:
            padded = f"pad{suffix}"
            nodes.append(helper.make_node("Pad", [x, f"ring{ring}"], [padded], name=padded, mode="reflect"))
            x = padded
        inputs = [
            x,
            stored(f"conv{suffix}.weight", network.weights[suffix]),
            stored(f"conv{suffix}.bias", network.biases[suffix]),
        ]
        conv, x = f"conv{suffix}", f"relu{suffix}"
        nodes.append(helper.make_node("Conv", inputs, [conv], name=conv, kernel_shape=[3, 3], pads=pads))
        nodes.append(helper.make_node("Relu", [conv], [x], name=x))
    width = network.design.channels[-1]
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, "H", "W"])],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, ["N", width, "h", "w"])],
        weights,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="pixelgrad"
    )
    helper.set_model_props(model, {"name": name, "licence": "MIT", "preprocess": "rgb"})
    onnx.checker.check_model(model, full_check=True)
    return model


def _average(nodes: list[onnx.NodeProto], x: str, name: str, kernel: int, stride: int, pad: int) -> str:
    nodes.append(
        helper.make_node(
            "AveragePool",
            [x],
            [name],
            name=name,
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[pad] * 4,
            count_include_pad=0,
        )
    )
    return name


def write_onnx(network: Folded, path: Path) -> None:
    """Write beside and rename, so that a reader never sees half a file."""
    beside = path.with_suffix(".part")
    onnx.save(graph_of(network, path.stem), beside)
    beside.replace(path)


def read_onnx(path: Path) -> Folded:
    """The network of a file that `write_onnx` wrote, with its weights as float32."""
    model = onnx.load(path)
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    kernels = {name[4:-11]: array for name, array in arrays.items() if name.endswith(".weight_f16")}
    blocks = sorted({int(suffix[0]) for suffix in kernels})
    design = Design(
        channels=tuple(kernels[f"{block}_1"].shape[0] for block in blocks),
        depths=tuple(sum(suffix.startswith(f"{block}_") for suffix in kernels) for block in blocks),
        pool="blur" if any(node.name == "blur1" for node in model.graph.node) else "average",
        reflected=max((int(node.name[3]) for node in model.graph.node if node.op_type == "Pad"), default=0),
    )
    network = Folded(design)
    for suffix, array in kernels.items():
        network.weights[suffix] = torch.from_numpy(array.astype(np.float32))
        network.biases[suffix] = torch.from_numpy(arrays[f"conv{suffix}.bias_f16"].astype(np.float32))
    return network
