"""Which layers a strip over depth shows."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from helpers.data import shared
from helpers.networks import chain
from onnx import TensorProto, helper, numpy_helper

from pixelgrad.errors import NetworkError
from pixelgrad.exporters import depth_layers, load_network


def test_a_chain_gives_its_activations_and_its_end(tmp_path: Path) -> None:
    network = load_network(chain(tmp_path / "net.onnx", classes=5))
    assert depth_layers(network) == ["relu1_1", "relu2_1", "relu3_1", "logits"]
    assert depth_layers(network, 2) == ["relu1_1", "logits"]
    assert depth_layers(network, 1) == ["relu1_1"]


def test_a_branch_is_no_layer_that_everything_passes_through(tmp_path: Path) -> None:
    """image -> a -> (b, and a again) -> their sum."""
    import numpy as np

    weights = [numpy_helper.from_array(np.ones((3, 3, 3, 3), np.float32), name) for name in ("wa", "wb")]
    nodes = [
        helper.make_node("Conv", ["x", "wa"], ["ca"], pads=[1] * 4),
        helper.make_node("Relu", ["ca"], ["a"]),
        helper.make_node("Conv", ["a", "wb"], ["cb"], pads=[1] * 4),
        helper.make_node("Relu", ["cb"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["sum"]),
    ]
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, "H", "W"])
    graph = helper.make_graph(nodes, "g", [image], [helper.make_tensor_value_info("sum", TensorProto.FLOAT, None)])
    graph.initializer.extend(weights)
    path = tmp_path / "residual.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), path)
    assert depth_layers(load_network(path)) == ["a", "sum"]


def test_a_network_without_layers(tmp_path: Path) -> None:
    node = helper.make_node("Relu", ["x"], ["y"])
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, "H", "W"])
    graph = helper.make_graph([node], "g", [image], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    path = tmp_path / "none.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), path)
    with pytest.raises(NetworkError, match="no layer of 'none' stands out"):
        depth_layers(load_network(path))


def test_real_networks() -> None:
    blocks = [f"mixed{block}" for block in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")]
    googlenet = depth_layers(load_network(shared("weights/googlenet.onnx")))
    assert googlenet == ["conv1", "conv2", *blocks, "logits"]
    vgg = depth_layers(load_network(shared("weights/vgg19_slim16x.onnx")))
    assert (vgg[0], vgg[-1], len(vgg)) == ("relu1_1", "relu5_1", 13)
