"""Keras models -> forward graphs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import onnx_ir as ir

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.networks.builder import GraphBuilder
from pixelgrad.exporters.networks.readers.keras_file import Config, Weights, owner_names
from pixelgrad.exporters.networks.readers.keras_layers import IDENTITY, LAYERS, Layer
from pixelgrad.exporters.networks.readers.reading import Reading
from pixelgrad.exporters.networks.readers.source import Source
from pixelgrad.models import PREPROCESSINGS

_MODELS = {"Functional", "Model", "Sequential"}
_DEEPEST = 8

# What keras.applications feeds its networks, by the beginning of the model's name; the first that fits.
_CONVENTIONS = {
    "resnet50v2": "tf", "resnet101v2": "tf", "resnet152v2": "tf",
    "vgg": "caffe-vgg", "resnet": "caffe-vgg", "inception": "tf", "xception": "tf", "mobilenet": "tf", "nasnet": "tf",
    "densenet": "imagenet",
}  # fmt: skip

Key = tuple[str, int, int]


def read_keras(source: Source, config: Config, weights: Weights) -> Reading:
    """The network of a Keras model; tensors are named by the layers that compute them.

    A layer's activation is part of it: ``block1_conv1`` is what follows its ReLU, as in Keras itself, and
    ``block1_conv1/before_relu`` is what goes into it.
    """
    kind, inner = _model(config)
    writer = _Writer(weights, before_3=_before_3(config))
    shape = _image_shape(kind, inner)
    build = GraphBuilder(str(inner.get("name", "keras")), image="input", shape=shape)
    writer.build, writer.ranks[build.image] = build, 4
    output = writer.model(kind, inner, [build.image], 0)
    if output is build.image:
        raise NetworkError(f"{source.name!r} is a Keras model without layers that compute anything")
    name = str(inner.get("name", "")).lower()
    rescales = any(layer.get("class_name") == "Rescaling" for layer in _layers(inner))
    preset = "rgb255" if rescales else next((p for key, p in _CONVENTIONS.items() if name.startswith(key)), None)
    return Reading(
        model=build.model(output),
        format="Keras",
        sha256=source.sha256,
        preprocessing=PREPROCESSINGS[preset] if preset else None,
        convention="rgb",
        aliases=writer.aliases,
    )


def _before_3(config: Config) -> bool:
    """Whether a model is of Keras 1 or 2 (2.2.4-tf, say): a file without a version is older than all that have one."""
    return re.match(r"([3-9]|\d\d)", str(config.get("keras_version", ""))) is None


def _model(config: Config) -> tuple[str, Config]:
    kind, inner = config.get("class_name"), config.get("config")
    if isinstance(inner, list):  # Keras 1 and early 2
        inner = {"name": "sequential", "layers": inner}
    if kind not in _MODELS or not isinstance(inner, Mapping) or not isinstance(inner.get("layers"), list):
        raise NetworkError(
            f"the Keras model is of class {kind!r}; sequential and functional models are supported. Others are "
            "exported to ONNX where they were made: model.export('model.onnx', format='onnx')"
        )
    return str(kind), inner


def _layers(inner: Config) -> list[Config]:
    layers = [layer for layer in inner["layers"] if isinstance(layer, Mapping)]
    if len(layers) != len(inner["layers"]) or not all(
        isinstance(layer.get("config"), Mapping | list) for layer in layers
    ):
        raise NetworkError("the Keras model is damaged: a layer without a configuration")
    return layers


def _image_shape(kind: str, inner: Config) -> Sequence[int | None]:
    """[1, 3, H, W] of the (first) input."""
    for layer in _layers(inner):
        config = layer["config"]
        if layer.get("class_name") in _MODELS:
            return _image_shape(*_model(layer))
        given = config.get("batch_shape") or config.get("batch_input_shape")
        if isinstance(given, list) and len(given) == 4:
            _, height, width, channels = given
            if config.get("data_format") == "channels_first":
                break
            return [1, channels, height, width]
        if given is not None:
            raise NetworkError(f"the Keras model takes input of shape {given}; an image is [None, H, W, 3]")
    return [1, 3, None, None]


class _Writer:
    def __init__(self, weights: Weights, *, before_3: bool) -> None:
        self.build: GraphBuilder
        self.ranks: dict[ir.Value, int] = {}
        self.aliases: dict[str, str] = {}
        self._weights = weights
        self._before_3 = before_3

    def model(self, kind: str, inner: Config, inputs: Sequence[ir.Value], depth: int) -> ir.Value:
        if depth > _DEEPEST:
            raise NetworkError("the Keras model nests models too deeply")
        owners = dict(
            zip((str(layer["config"].get("name")) for layer in _plain(inner)), owner_names(inner), strict=False)
        )
        if kind == "Sequential":
            value = inputs[0]
            for layer in _layers(inner):
                value = self._layer(layer, [value], depth, owners)
            return value
        return self._functional(inner, inputs, depth, owners)

    def _functional(self, inner: Config, inputs: Sequence[ir.Value], depth: int, owners: Mapping[str, str]) -> ir.Value:
        layers = {str(layer.get("name") or layer["config"].get("name")): layer for layer in _layers(inner)}
        known: dict[Key, ir.Value] = {}
        given = _keys(inner.get("input_layers"))
        if len(given) != len(inputs):
            raise NetworkError(f"the Keras model must have one input, an image; it has {len(given)}")
        known.update(zip(given, inputs, strict=True))
        calls = [
            ((name, index, 0), arguments)
            for name, layer in layers.items()
            for index, arguments in enumerate(_inbound(layer.get("inbound_nodes", [])))
        ]
        waiting = [call for call in calls if call[0] not in known]
        while waiting:
            later = []
            for key, arguments in waiting:
                if any(argument not in known for argument in arguments):
                    later.append((key, arguments))
                else:
                    known[key] = self._layer(layers[key[0]], [known[a] for a in arguments], depth, owners)
            if len(later) == len(waiting):
                break  # what is left hangs on nothing; the output may not need it
            waiting = later
        outputs = _keys(inner.get("output_layers"))
        if not outputs or outputs[0] not in known:
            raise NetworkError("the Keras model is damaged: nothing leads from its input to its output")
        return known[outputs[0]]

    def _layer(self, layer: Config, inputs: Sequence[ir.Value], depth: int, owners: Mapping[str, str]) -> ir.Value:
        kind = str(layer.get("class_name"))
        if kind in _MODELS:
            return self.model(*_model(layer), inputs, depth + 1)
        config = layer["config"]
        name = str(config.get("name") or layer.get("name") or kind.lower())
        if kind == "InputLayer":
            return inputs[0]
        if kind in IDENTITY:
            self.aliases[name] = str(inputs[0].name)
            return inputs[0]
        if kind not in LAYERS:
            raise NetworkError(
                f"the Keras model has a layer {name!r} of class {kind!r}, which is not supported; supported are "
                f"{', '.join(sorted(LAYERS))}. Others are exported to ONNX where they were made: "
                "model.export('model.onnx', format='onnx')"
            )
        if config.get("data_format") == "channels_first":
            raise NetworkError(f"layer {name!r} of the Keras model keeps channels first; channels_last is supported")
        weights = self._weights.get(name) or self._weights.get(owners.get(name, name), [])
        return LAYERS[kind](Layer(self.build, kind, name, config, inputs, weights, self.ranks, self._before_3))


def _plain(inner: Config) -> list[Config]:
    return [layer if isinstance(layer["config"], Mapping) else {"config": {}} for layer in _layers(inner)]


def _keys(value: Any) -> list[Key]:
    """``["input", 0, 0]``, or a list of such."""
    rows = [value] if isinstance(value, list) and value and isinstance(value[0], str) else value or []
    return [(str(row[0]), int(row[1]), int(row[2])) for row in rows]


def _inbound(nodes: Any) -> list[list[Key]]:
    """Of every call of a layer, what goes into it; the form of Keras 3, or the one before."""
    calls = []
    for node in nodes:
        if isinstance(node, Mapping):
            calls.append(_history(node.get("args", [])))
        else:
            rows = [node] if node and isinstance(node[0], str) else node
            calls.append([(str(row[0]), int(row[1]), int(row[2])) for row in rows])
    return calls


def _history(value: Any, depth: int = 0) -> list[Key]:
    if depth > _DEEPEST:
        raise ValueError("arguments nested too deeply")
    if isinstance(value, list):
        return [key for item in value for key in _history(item, depth + 1)]
    if isinstance(value, Mapping) and value.get("class_name") == "__keras_tensor__":
        return _keys([value["config"]["keras_history"]])
    return []
