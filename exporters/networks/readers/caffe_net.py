"""A Caffe network as its two files describe it: layers in order, and their weights by layer name."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import text_format
from google.protobuf.message import DecodeError

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.networks.builder import Array
from pixelgrad.exporters.networks.readers.caffe_schema import message_class

_V1_NAMES = {
    "ABSVAL": "AbsVal", "BNLL": "BNLL", "CONCAT": "Concat", "CONVOLUTION": "Convolution", "DATA": "Data",
    "DECONVOLUTION": "Deconvolution", "DROPOUT": "Dropout", "DUMMY_DATA": "DummyData", "ELTWISE": "Eltwise",
    "EXP": "Exp", "FLATTEN": "Flatten", "HDF5_DATA": "HDF5Data", "IMAGE_DATA": "ImageData",
    "INNER_PRODUCT": "InnerProduct", "LRN": "LRN", "MEMORY_DATA": "MemoryData", "MVN": "MVN", "POOLING": "Pooling",
    "POWER": "Power", "RELU": "ReLU", "SIGMOID": "Sigmoid", "SILENCE": "Silence", "SOFTMAX": "Softmax",
    "SOFTMAX_LOSS": "SoftmaxWithLoss", "SPLIT": "Split", "SLICE": "Slice", "TANH": "TanH",
    "WINDOW_DATA": "WindowData", "ACCURACY": "Accuracy", "ARGMAX": "ArgMax",
}  # fmt: skip


@dataclass(frozen=True)
class Layer:
    """One layer, in the old format or the new. message: its ``LayerParameter``, for the parameters of its type."""

    name: str
    type: str
    bottoms: Sequence[str]
    tops: Sequence[str]
    message: Any


@dataclass(frozen=True)
class Net:
    """inputs: declared input blobs with their sizes, free ones ``None``.
    layers: those of the test phase; every_layer: those of training too.
    """

    name: str
    layers: Sequence[Layer]
    every_layer: Sequence[Layer]
    inputs: dict[str, list[int | None]]


def parse_weights(content: bytes, name: str) -> tuple[Net, dict[str, list[Array]]]:
    """The graph inside a ``.caffemodel``, and the weights of each layer that has some, float32."""
    message = message_class("NetParameter")()
    try:
        message.ParseFromString(content)
    except DecodeError:
        raise not_caffe(name) from None
    if any(layer.HasField("layer") for layer in message.layers):
        raise NetworkError(
            f"{name!r} is in Caffe's first format, of 2013; Caffe's own upgrade_net_proto_binary brings it up to date"
        )
    weights = {
        layer.name: [_array(blob, layer.name, name) for blob in layer.blobs]
        for layer in (*message.layer, *message.layers)
        if layer.blobs
    }
    if not weights:
        raise not_caffe(name)
    return _net(message, every_phase=True), weights


def not_caffe(name: str) -> NetworkError:
    return NetworkError(f"{name!r} is not a Caffe network, or it is damaged; download it again")


def parse_prototxt(path: Path) -> Net | None:
    """The graph in a ``.prototxt``; ``None`` for a file that describes something else (a solver).

    Raises :class:`NetworkError` where it cannot be read at all.
    """
    message = message_class("NetParameter")()
    try:
        text = path.read_text("utf-8")
        text_format.Parse(text, message, allow_unknown_field=True, allow_unknown_extension=True)
    except (text_format.ParseError, UnicodeDecodeError, RecursionError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise NetworkError(f"{path.name!r} is not a Caffe network description: {reason}") from None
    except OSError as error:
        raise NetworkError(f"the description {path.name!r} cannot be read: {error.strerror or error}") from error
    net = _net(message)
    return net if net.layers else None


def _net(message: Any, *, every_phase: bool = False) -> Net:
    """``every_phase``: a saved network holds the layers of the phase that it was saved in, whatever their rules."""
    every_layer = list(_layers(message))
    layers = [layer for layer in every_layer if every_phase or _at_test(layer.message)]
    inputs: dict[str, list[int | None]] = {}
    for index, blob in enumerate(message.input):
        if index < len(message.input_shape):
            sizes: list[int] = list(message.input_shape[index].dim)
        else:
            sizes = list(message.input_dim[4 * index : 4 * index + 4])
        inputs[blob] = _sizes(sizes)
    return Net(message.name, layers, every_layer, inputs)


def _sizes(sizes: Sequence[int]) -> list[int | None]:
    """One image at a time; a size that is not given is free."""
    given = [size if size > 0 else None for size in sizes]
    return [1, *given[1:]] if len(given) == 4 else given if given else [1, 3, None, None]


def input_sizes(layer: Layer) -> dict[str, list[int | None]]:
    """The blobs that an input or data layer brings, with their sizes."""
    message = layer.message
    if layer.type == "Input":
        shapes = [_sizes(list(shape.dim)) for shape in message.input_param.shape] or [_sizes([])]
        return {top: shapes[min(i, len(shapes) - 1)] for i, top in enumerate(layer.tops)}
    memory = message.memory_data_param
    crop = message.transform_param.crop_size or message.data_param.crop_size
    sizes = [1, memory.channels or 3, memory.height or crop, memory.width or crop]
    return {layer.tops[0]: _sizes(sizes)} if layer.tops else {}


def _layers(message: Any) -> Iterator[Layer]:
    for row in message.layer:
        yield Layer(row.name, row.type, list(row.bottom), list(row.top), row)
    kinds = message_class("V1LayerParameter").DESCRIPTOR.fields_by_name["type"].enum_type.values_by_number
    for row in message.layers:
        kind = kinds[row.type].name
        yield Layer(row.name, _V1_NAMES.get(kind, kind), list(row.bottom), list(row.top), row)


_TEST = 1


def _at_test(layer: Any) -> bool:
    """Whether the layer is there in the test phase, at level 0 and with no stage set (Caffe's StateMeetsRule)."""

    def meets(rule: Any) -> bool:
        return (
            (not rule.HasField("phase") or rule.phase == _TEST)
            and rule.min_level <= 0
            and (not rule.HasField("max_level") or rule.max_level >= 0)
            and not rule.stage
        )

    if layer.include:
        return any(meets(rule) for rule in layer.include)
    return not any(meets(rule) for rule in layer.exclude)


def _array(blob: Any, layer: str, name: str) -> Array:
    dims = list(blob.shape.dim) if blob.HasField("shape") else [blob.num, blob.channels, blob.height, blob.width]
    kind, chunks = ("<f8", blob.double_data) if blob.double_data else ("<f4", blob.data)
    content = chunks[0] if len(chunks) == 1 else b"".join(chunks)
    count = math.prod(dims) if all(0 <= dim < 1 << 31 for dim in dims) else -1
    if count * np.dtype(kind).itemsize != len(content) or not count:
        raise NetworkError(
            f"the weights of layer {layer!r} in {name!r} are damaged: {len(content)} bytes for shape {dims}"
        )
    return np.frombuffer(content, dtype=kind).reshape(dims).astype(np.float32, copy=False)


def blob_array(path: Path) -> Array:
    """The array in a ``.binaryproto`` file, such as a mean image."""
    message = message_class("BlobProto")()
    try:
        message.ParseFromString(path.read_bytes())
    except (DecodeError, OSError):
        raise NetworkError(f"the mean image {path.name!r} cannot be read; download it again, or move it away") from None
    return _array(message, "mean", path.name)
