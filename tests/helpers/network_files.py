"""Small files of every format, written without the framework that usually writes them."""

from __future__ import annotations

import io
import json
import math
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
import safetensors.numpy
from google.protobuf import text_format
from onnx import helper

from helpers.hostile import _name, _text
from helpers.networks import chain, saved
from pixelgrad.exporters.networks.architectures import ARCHITECTURES
from pixelgrad.exporters.networks.readers.caffe_schema import message_class

_SLIM = "vgg19-slim16x"


def slim_weights() -> dict[str, np.ndarray[Any, Any]]:
    """Weights of the smallest architecture."""
    rng = np.random.default_rng(0)
    shapes = ARCHITECTURES[_SLIM].specification().required
    return {name: rng.normal(scale=0.1, size=shape).astype(np.float32) for name, shape in shapes.items()}  # type: ignore[arg-type]


def _plain(value: object) -> bytes:
    return pickle.dumps(value, 2)[2:-1]


def _strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def _state_program(arrays: dict[str, np.ndarray[Any, Any]], *, legacy: bool) -> bytes:
    """What torch.save writes for a state dict, instruction by instruction."""
    body = b"\x80\x02" + _name("collections", "OrderedDict") + b")R("
    for number, (name, array) in enumerate(arrays.items()):
        identity = b"(" + _text("storage") + _name("torch", "FloatStorage") + _text(str(number)) + _text("cpu")
        identity += _plain(array.size) + (b"N" if legacy else b"") + b"tQ"
        arguments = identity + _plain(0) + _plain(array.shape) + _plain(_strides(array.shape)) + b"\x89" + _plain({})
        tensor = _name("torch._utils", "_rebuild_tensor_v2") + b"(" + arguments + b"tR"
        if legacy and not number:  # as a parameter, in the form that it had before 0.4
            tensor = _name("torch.nn.parameter", "Parameter") + tensor + b"\x85R(\x88\x89" + _plain({}) + b"tb"
        body += _text(name) + tensor
    return body + b"u."


def torch_zip(path: Path) -> Path:
    arrays = slim_weights()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", _state_program(arrays, legacy=False))
        archive.writestr("net/byteorder", "little")
        for number, array in enumerate(arrays.values()):
            archive.writestr(f"net/data/{number}", array.tobytes())
        archive.writestr("net/version", "3\n")
    return path


def torch_legacy(path: Path) -> Path:
    arrays = slim_weights()
    keys = [str(number) for number in range(len(arrays))]
    head = [0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True}]
    content = b"".join(pickle.dumps(value, 2) for value in head) + _state_program(arrays, legacy=True)
    content += pickle.dumps(keys, 2)
    path.write_bytes(content + b"".join(struct.pack("<q", a.size) + a.tobytes() for a in arrays.values()))
    return path


def torch_tar(path: Path) -> Path:
    arrays = slim_weights()
    storages, tensors = io.BytesIO(), io.BytesIO()
    for stream in (storages, tensors):
        stream.write(pickle.dumps(len(arrays), 2))
    program = b"\x80\x02}("
    for number, (name, array) in enumerate(arrays.items()):
        kind = _name("torch", "FloatStorage")
        storages.write(b"\x80\x02(" + _plain(number) + _text("cpu") + kind + b"t.")
        storages.write(struct.pack("<q", array.size) + array.tobytes())
        tensors.write(b"\x80\x02(" + _plain(1000 + number) + _plain(number) + _name("torch", "FloatTensor") + b"t.")
        sizes = (*array.shape, *_strides(array.shape), 0)
        tensors.write(struct.pack(f"<ii{len(sizes)}q", array.ndim, 0, *sizes))
        program += _text(name) + _text(str(1000 + number)) + b"Q"
    storages.write(pickle.dumps([], 2))
    with tarfile.open(path, "w:") as archive:
        rows = {"storages": storages.getvalue(), "tensors": tensors.getvalue(), "pickle": program + b"u."}
        for name, content in rows.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def safetensors_file(path: Path) -> Path:
    safetensors.numpy.save_file(slim_weights(), path, metadata={"format": "pt"})
    return path


def onnx_file(path: Path) -> Path:
    return chain(path, classes=5)


def onnx_external(path: Path) -> Path:
    """The file that is read; its weights lie beside it."""
    model = onnx.load(chain(path, classes=5))
    onnx.save(model, path, save_as_external_data=True, location=f"{path.stem}.data", size_threshold=0)
    return path


def onnx_quantised(path: Path) -> Path:
    """Operators over integers, weights in 8 bits per channel, and weights in 4 bits in blocks."""
    rng = np.random.default_rng(0)
    weights: dict[str, Any] = {
        "s": np.float32(1 / 255), "z": np.uint8(0), "w": rng.integers(-99, 99, (4, 3, 3, 3)).astype(np.int8),
        "ws": np.linspace(0.002, 0.004, 4, dtype=np.float32), "wz": np.zeros(4, np.int8), "t": np.float32(0.01),
        "b": rng.integers(-3000, 3000, 4).astype(np.int32), "v": rng.integers(-99, 99, (16, 4, 3, 3)).astype(np.int8),
        "vs": np.full(16, 0.004, np.float32), "vz": np.zeros(16, np.int8),
        "n": rng.integers(0, 256, (5, 1, 8)).astype(np.uint8), "ns": np.full(5, 0.02, np.float32),
    }  # fmt: skip
    integer = ["xq", "s", "z", "w", "ws", "wz", "t", "z", "b"]
    nodes = [
        helper.make_node("QuantizeLinear", ["data", "s", "z"], ["xq"]),
        helper.make_node("QLinearConv", integer, ["cq"], pads=[1, 1, 1, 1]),
        helper.make_node("MaxPool", ["cq"], ["pq"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("DequantizeLinear", ["pq", "t", "z"], ["p"]),
        helper.make_node("DequantizeLinear", ["v", "vs", "vz"], ["vd"], axis=0),
        helper.make_node("Conv", ["p", "vd"], ["c2"]),
        helper.make_node("GlobalAveragePool", ["c2"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node(
            "MatMulNBits", ["flat", "n", "ns"], ["scores"], domain="com.microsoft", K=16, N=5, bits=4, block_size=16
        ),
    ]
    return saved(path, nodes, weights, "scores", opsets={"": 17, "com.microsoft": 1})


CAFFE = """name: "net" input: "data" input_dim: 1 input_dim: 3 input_dim: 16 input_dim: 16
layers { name: "conv1" type: CONVOLUTION bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 } }
layers { name: "relu1" type: RELU bottom: "conv1" top: "conv1" }
layers { name: "pool1" type: POOLING bottom: "conv1" top: "pool1"
  pooling_param { pool: AVE kernel_size: 3 stride: 2 } }
layers { name: "norm1" type: LRN bottom: "pool1" top: "norm1"
  lrn_param { norm_region: WITHIN_CHANNEL local_size: 3 alpha: 0.1 } }
layers { name: "ip1" type: INNER_PRODUCT bottom: "norm1" top: "ip1" inner_product_param { num_output: 5 } }
layers { name: "prob" type: SOFTMAX bottom: "ip1" top: "prob" }
"""


def caffe(path: Path) -> Path:
    """The weights; their description lies beside them."""
    rng = np.random.default_rng(0)
    shapes = {"conv1": [(4, 3, 3, 3), (1, 1, 1, 4)], "ip1": [(1, 1, 5, 256), (1, 1, 1, 5)]}
    net = message_class("NetParameter")()
    text_format.Parse(CAFFE, net)
    for layer in net.layers:
        for shape in shapes.get(layer.name, []):
            numbers = rng.normal(size=shape).astype("<f4").tobytes()
            layer.blobs.add(data=[numbers], **dict(zip(("num", "channels", "height", "width"), shape, strict=True)))
    path.write_bytes(net.SerializeToString())
    path.with_suffix(".prototxt").write_text(CAFFE)
    return path


def _keras_layers() -> list[dict[str, Any]]:
    rows: list[tuple[str, dict[str, Any]]] = [
        ("InputLayer", {"name": "image", "batch_shape": [None, 16, 16, 3]}),
        ("Conv2D", {"name": "conv", "kernel_size": [3, 3], "padding": "same", "activation": "relu"}),
        ("BatchNormalization", {"name": "norm"}),
        ("MaxPooling2D", {"name": "pool", "pool_size": [2, 2]}),
        ("Flatten", {"name": "flat"}),
        ("Dense", {"name": "dense", "activation": "softmax"}),
    ]
    return [{"class_name": kind, "config": config} for kind, config in rows]


def _keras_weights() -> dict[str, list[np.ndarray[Any, Any]]]:
    rng = np.random.default_rng(0)
    shapes = {"conv": [(3, 3, 3, 4), (4,)], "norm": [(4,)] * 4, "dense": [(256, 5), (5,)]}
    return {name: [rng.uniform(0.1, 1, shape).astype(np.float32) for shape in rows] for name, rows in shapes.items()}


_CONFIG = {"class_name": "Sequential", "config": {"name": "net", "layers": _keras_layers()}}


def keras_h5(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(_CONFIG)
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = list(_keras_weights())
        for name, arrays in _keras_weights().items():
            names = [f"{name}/w{number}" for number in range(len(arrays))]
            group.create_group(name).attrs["weight_names"] = names
            for key, array in zip(names, arrays, strict=True):
                group[name][key] = array
    return path


def keras_zip(path: Path) -> Path:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        for name, arrays in _keras_weights().items():
            group = file.create_group(f"layers/{name}/vars")
            group.attrs["name"] = name
            for number, array in enumerate(arrays):
                group[str(number)] = array
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", json.dumps(_CONFIG))
        archive.writestr("model.weights.h5", stream.getvalue())
    return path


# Reader -> how to write a file for it, and which of the files that this makes is damaged.
FILES: dict[str, tuple[Any, str, str]] = {
    "onnx": (onnx_file, "net.onnx", "net.onnx"),
    "onnx quantised": (onnx_quantised, "net.onnx", "net.onnx"),
    "onnx external weights": (onnx_external, "net.onnx", "net.data"),
    "onnx with external weights": (onnx_external, "net.onnx", "net.onnx"),
    "caffemodel": (caffe, "net.caffemodel", "net.caffemodel"),
    "prototxt": (caffe, "net.caffemodel", "net.prototxt"),
    "torch zip": (torch_zip, "net.pth", "net.pth"),
    "torch legacy": (torch_legacy, "net.pth", "net.pth"),
    "torch tar": (torch_tar, "net.pth", "net.pth"),
    "safetensors": (safetensors_file, "net.safetensors", "net.safetensors"),
    "keras h5": (keras_h5, "net.h5", "net.h5"),
    "keras": (keras_zip, "net.keras", "net.keras"),
}
