"""The artifact that devices are tried with: a style transfer over a network of three layers, made on the spot."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from pixelgrad.cache import cached_artifact
from pixelgrad.tasks.common import exporters

__all__ = ["probe_artifact"]

_CHANNELS = (24, 48, 64)


def probe_artifact() -> Path:
    """Its folder, exported if it is not in the cache yet; :class:`DeviceError` without the exporters."""
    export = exporters()

    def write(folder: Path) -> None:
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "probe.onnx"
            _network(path)
            network = export.load_network(path, preprocess="imagenet")
            export.write_artifact(network, export.style_objective(network), folder)

    return cached_artifact({"objective": "probe", "channels": _CHANNELS}, write)


def _network(path: Path) -> None:
    """Convolution, ReLU and a pooling per layer, as in a VGG; random weights, the same on every machine."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    nodes, tensors, current, depth = [], [], "image", 3
    for index, width in enumerate(_CHANNELS, 1):
        kernel = rng.normal(scale=np.sqrt(2 / (9 * depth)), size=(width, depth, 3, 3)).astype(np.float32)
        tensors += [
            numpy_helper.from_array(kernel, f"kernel{index}"),
            numpy_helper.from_array(rng.normal(scale=0.05, size=width).astype(np.float32), f"bias{index}"),
        ]
        nodes += [
            helper.make_node("Conv", [current, f"kernel{index}", f"bias{index}"], [f"conv{index}"], pads=[1] * 4),
            helper.make_node("Relu", [f"conv{index}"], [f"relu{index}"]),
            helper.make_node("MaxPool", [f"relu{index}"], [f"pool{index}"], kernel_shape=[2, 2], strides=[2, 2]),
        ]
        current, depth = f"pool{index}", width
    graph = helper.make_graph(
        nodes,
        "probe",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, "H", "W"])],
        [helper.make_tensor_value_info(current, TensorProto.FLOAT, None)],
        tensors,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), path)
