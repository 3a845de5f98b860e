"""Keras files -> the configuration of a model, and its weights by layer name.

The configuration gains ``keras_version``, as the file gives it; without, "" for ``.h5`` and "3" for ``.keras``.

- ``.h5`` (Keras 1 to 3, legacy): HDF5; the configuration is an attribute, each layer's weights a group.
- ``.keras`` (Keras 2.12 and later): a zip archive of ``config.json``, ``metadata.json`` and
  ``model.weights.h5``.
- Weights alone, of VGG-16 or VGG-19 as Keras publishes them: the configuration is made from the layers' names.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.networks.builder import Array
from pixelgrad.exporters.networks.readers.source import Source

Config = Mapping[str, Any]
Weights = dict[str, list[Array]]

_INSTALL = "pip install 'pixelgrad[readers]'"


def open_hdf5(source: Source) -> tuple[Config, Weights]:
    """Configuration and weights in a ``.h5`` file."""
    with _hdf5(source, source.path) as file:
        if "caffe" in file.attrs or "diff" in file:
            raise NetworkError(f"{source.name!r} is a Caffe snapshot in HDF5; snapshot it as BINARYPROTO (.caffemodel)")
        group = file.get("model_weights", file)
        weights = _Reader(source, source.size)
        found = weights.new(group) if "layers" in group or "vars" in group else weights.legacy(group)
        text = file.attrs.get("model_config")
        if text is None:
            return _vgg_config(source, found), found
        return {**_config(source, text), "keras_version": _text(file.attrs.get("keras_version", ""))}, found


def open_keras(source: Source, archive: zipfile.ZipFile) -> tuple[Config, Weights]:
    """Configuration and weights in a ``.keras`` archive."""
    contents = {"metadata.json": b"{}"}  # of use, but its absence is no reason to refuse a model
    for name in ("metadata.json", "config.json", "model.weights.h5"):
        try:
            info = archive.getinfo(name)
            if info.file_size > 8 * source.size + (1 << 20):
                raise NetworkError(f"{source.name!r} is damaged: {name!r} in it claims {info.file_size} bytes")
            contents[name] = archive.read(info)
        except KeyError:
            if name in contents:
                continue
            raise NetworkError(
                f"{source.name!r} lacks {name!r}; save the model again: model.save('model.keras')"
            ) from None
    with _hdf5(source, io.BytesIO(contents["model.weights.h5"])) as file:
        weights = _Reader(source, len(contents["model.weights.h5"])).new(file)
    version = _config(source, contents["metadata.json"]).get("keras_version", "3")
    return {**_config(source, contents["config.json"]), "keras_version": str(version)}, weights


def _hdf5(source: Source, target: Any) -> Any:
    try:
        import h5py
    except ImportError:
        raise NetworkError(f"{source.name!r} is a Keras model, and reading those needs h5py: {_INSTALL}") from None
    try:
        return h5py.File(target, "r")
    except (OSError, RuntimeError, KeyError) as error:
        raise NetworkError(f"{source.name!r} is damaged, or was not downloaded completely: {error}") from error


def _config(source: Source, text: Any) -> Config:
    try:
        config = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise NetworkError(f"{source.name!r} is damaged: its configuration is no JSON ({error})") from error
    if not isinstance(config, dict):
        raise NetworkError(f"{source.name!r} is damaged: its configuration is no model")
    return config


class _Reader:
    """Reads arrays that are in the file itself, and no more than it can hold."""

    def __init__(self, source: Source, size: int) -> None:
        self._name = source.name
        self._left = 8 * size + (1 << 20)  # HDF5 may compress

    def _array(self, item: Any) -> Array:
        if not hasattr(item, "dtype") or item.is_virtual or item.external or item.dtype.kind not in "fiu":
            raise NetworkError(f"{self._name!r} is damaged, or holds weights that are no numbers")
        self._left -= item.size * item.dtype.itemsize
        if self._left < 0:
            raise NetworkError(f"{self._name!r} is damaged: its weights claim more than the file holds")
        return np.asarray(item[()], dtype=np.float32)

    def legacy(self, group: Any) -> Weights:
        """A group per layer, whose attribute ``weight_names`` has them in order; a model in a model has them all."""
        weights: Weights = {}
        for layer in _names(group, "layer_names") or list(group):
            if layer not in group or not hasattr(group[layer], "keys"):
                continue
            for name in _names(group[layer], "weight_names"):
                array = self._array(group[layer][name])
                parts = name.split("/")
                owner = parts[-2] if len(parts) > 1 else layer
                for key in {layer, owner}:
                    weights.setdefault(key, []).append(array)
        return weights

    def new(self, file: Any) -> Weights:
        """Groups ``vars`` of numbered arrays; their attribute ``name`` is the layer's (since Keras 3.6)."""
        weights: Weights = {}
        for path, group in _groups(file):
            name = group.attrs.get("name")
            owner = path.split("/")[-1] if name is None else _text(name)
            arrays = [self._array(group[key]) for key in sorted(group, key=int)]
            if arrays:
                weights.setdefault(owner, []).extend(arrays)
        return weights


def _groups(group: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    for key in group:
        if depth > 12 or not hasattr(group[key], "keys"):
            continue
        if key == "vars":
            yield path, group[key]
        else:
            yield from _groups(group[key], f"{path}/{key}", depth + 1)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _names(group: Any, attribute: str) -> list[str]:
    """A list in an attribute, or in several if it is long (``layer_names0``, ``layer_names1``, ...)."""
    if attribute in group.attrs:
        return [_text(name) for name in np.ravel(group.attrs[attribute])]
    names: list[str] = []
    while f"{attribute}{len(names)}" in group.attrs and len(names) < 1000:
        names.append(f"{attribute}{len(names)}")
    return [_text(name) for part in names for name in np.ravel(group.attrs[part])]


_BLOCK = re.compile(r"block(\d)_conv(\d)$")


def _vgg_config(source: Source, weights: Iterable[str]) -> Config:
    names = set(weights)
    depths = [
        max((int(m[2]) for n in names if (m := _BLOCK.match(n)) and int(m[1]) == b), default=0) for b in range(1, 6)
    ]
    known = {"22333": "vgg16", "22444": "vgg19"}.get("".join(map(str, depths)))
    if known is None:
        raise NetworkError(
            f"{source.name!r} holds weights without the model that they belong to (and they are not VGG-16's or "
            "VGG-19's); save the whole model where it was made: model.save('model.keras')"
        )
    layers: list[dict[str, Any]] = []

    def add(kind: str, name: str, **config: Any) -> None:
        layers.append({"class_name": kind, "config": {"name": name, **config}})

    size = 224 if "fc1" in names else None
    add("InputLayer", "input", batch_shape=[None, size, size, 3])
    for block, depth in enumerate(depths, 1):
        for index in range(1, depth + 1):
            add("Conv2D", f"block{block}_conv{index}", kernel_size=[3, 3], padding="same", activation="relu")
        add("MaxPooling2D", f"block{block}_pool", pool_size=[2, 2], strides=[2, 2])
    if "fc1" in names:
        add("Flatten", "flatten")
        for name, activation in (("fc1", "relu"), ("fc2", "relu"), ("predictions", "softmax")):
            add("Dense", name, activation=activation)
    return {"class_name": "Sequential", "config": {"name": known, "layers": layers}}


def owner_names(config: Config) -> Iterator[str]:
    """The names that Keras 3 gives the groups of layers, where it does not say the layers' own: class and number."""
    used: dict[str, int] = {}
    for layer in config.get("layers", []):
        snake = re.sub(r"\W+", "", layer["class_name"])
        snake = re.sub(r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", snake)).lower()
        count = used.get(snake, 0)
        used[snake] = count + 1
        yield f"{snake}_{count}" if count else snake
