"""A pretrained network, ready to be looked into: RGB in [0, 1] in, named layers out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import onnx_ir as ir

from pixelgrad.errors import NetworkError, SettingsError
from pixelgrad.exporters.autodiff import NON_DIFFERENTIABLE, RULES
from pixelgrad.exporters.handlers import handlers_heard
from pixelgrad.exporters.networks.converted import Converted, convert_once
from pixelgrad.exporters.networks.geometry import Geometry, geometries
from pixelgrad.exporters.networks.layers import find_layer, short_names, structural_aliases, tensors
from pixelgrad.exporters.networks.layouts import Layout, layouts
from pixelgrad.exporters.networks.maps import as_map
from pixelgrad.exporters.networks.pooling import average_for_max
from pixelgrad.exporters.networks.positions import free_positions
from pixelgrad.exporters.networks.readers import Reading, damage, read_network
from pixelgrad.exporters.networks.sizes import fill_in_shapes, infer_again
from pixelgrad.exporters.opset18 import drop_zeros, infer_shapes, keep_numbers, to_opset18
from pixelgrad.exporters.opset18.shapes import Dim, dims
from pixelgrad.exporters.opset18.weights import add_weight
from pixelgrad.models import PREPROCESSINGS, Entry, Labels, Preprocessing, recognise
from pixelgrad.models.labels import label_set, parse_labels

IMAGE = "image"
POOLS = ("max", "avg")

_INTERPOLATED = "its embeddings of positions are interpolated where an image is not of the size that they were made for"
# A classifier of so many classes that nobody has named is taken to have these, as nearly all of that size do.
_LABELS_OF_SIZE = {1000: "imagenet", 1001: "imagenet-background"}


@dataclass(frozen=True)
class Network:
    """A network whose graph takes ``image``, float32 [1, 3, H, W], RGB in [0, 1], and normalises it itself.

    model: opset 18, with inferred shapes; H and W are free (see :func:`~pixelgrad.exporters.networks.settle_size`).
    name, licence, sha256: where it comes from; the hash is that of the file as it was read.
    preprocessing: how the image becomes the network's own input, already part of the graph.
    entry: its row in the catalogue, if it was recognised.
    aliases: names for layers beside the tensor names.
    declared_size: (height, width) that the file declares, or that it was traced at, if there is one.
    pool: how its max pooling is done.
    format: the format of its file, in words.
    class_names: what its classes are called, where its file tells.
    notes: what was assumed while reading it, one sentence each.
    """

    model: ir.Model
    name: str
    licence: str
    sha256: str
    preprocessing: Preprocessing
    entry: Entry | None
    aliases: Mapping[str, str]
    declared_size: tuple[int, int] | None
    pool: str
    format: str = "ONNX"
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def image(self) -> ir.Value:
        return self.model.graph.inputs[0]

    def layer(self, name: str) -> ir.Value:
        """The tensor of a layer; :class:`UnknownLayerError` offers close names."""
        return find_layer(name, tensors(self.model.graph), self.aliases)

    def features(self, name: str) -> ir.Value:
        """The features [N, C, h, w] of a layer, [N, K] of scores, to build upon: in a copy of the network.

        Of a layer that keeps them otherwise, as tokens or with its channels last, they are computed from it, and have
        its name from then on. Raises as :meth:`layer` does.
        """
        value = self.layer(name)
        layout = self.layouts().get(value)
        return value if layout is None or layout.is_first else as_map(value, layout)

    def shape(self, value: ir.Value) -> tuple[Dim, ...]:
        """The shape of the features that the tensor ``value`` holds, [N, C, h, w] wherever it keeps them."""
        layout = self.layouts().get(value)
        return dims(value) if layout is None else layout.shape(value)

    @property
    def classes(self) -> int | None:
        """How many classes it tells apart; ``None`` where its output is no list of scores."""
        shape = self.model.graph.outputs[0].shape
        if shape is None or shape.rank() not in (2, 4) or not isinstance(shape[1], int):
            return None
        return shape[1] if all(size == 1 for size in shape[2:]) else None

    @property
    def labels(self) -> Labels | None:
        """What its classes are called: as its owner, its file or the catalogue says, ImageNet's for 1000 unnamed ones,
        else ``None``.
        """
        named = self.entry.labels if self.entry is not None else None
        if isinstance(named, Labels):
            return named
        if self.class_names and len(self.class_names) == self.classes:
            return _named(self.class_names, self.name)
        name = named or _LABELS_OF_SIZE.get(self.classes or 0)
        return label_set(name) if name is not None else None

    def geometries(self) -> dict[ir.Value, Geometry]:
        """Where each tensor looks in the image."""
        own = dims(self.image)[2]
        height = own if isinstance(own, int) else self.declared_size[0] if self.declared_size is not None else None
        return geometries(self.model.graph, self.image, self.layouts(), height)

    def layouts(self) -> dict[ir.Value, Layout]:
        """Where each tensor that holds features by position keeps them."""
        return layouts(self.model.graph, self.image, self.declared_size)

    def short_name(self, name: str) -> str:
        """The path of the PyTorch module that computes the tensor ``name``, where there is one: ``blocks.6``."""
        paths = [alias for alias, target in self.aliases.items() if target == name and "/" not in alias]
        return min((path for path in paths if "." in path or name.isdecimal()), key=len, default=name)

    def modules(self, names: Sequence[str], least: int = 1) -> list[str]:
        """Of tensors, those that a PyTorch module returns, by its path; all, as they are, where those are few."""
        known = [path for name in names if (path := self.short_name(name)) != name]
        return known if len(known) >= least else list(names)

    def clone(self) -> Network:
        """A copy whose graph can be built upon."""
        return replace(self, model=self.model.clone())

    @handlers_heard()
    def with_pool(self, pool: str) -> Network:
        """It with its max pooling done as ``pool`` says (see :func:`load_network`).

        Raises :class:`SettingsError` for what is no way to pool, and for ``max`` where it has been replaced already.
        """
        _check_pool(pool)
        if pool == self.pool:
            return self
        if pool == "max":
            raise SettingsError(
                f"the max poolings of {self.name!r} were replaced when it was read; read it with pool='max'"
            )
        copy = self.clone()
        average_for_max(copy.model.graph)
        infer_shapes(copy.model)
        return replace(copy, pool=pool)

    def contents(self) -> str:
        """SHA-256, in hexadecimal, of all that it is: what it computes, and what is known of it."""
        digest = hashlib.sha256(repr(replace(self, model=None)).encode())  # type: ignore[arg-type]
        for name, value in self.model.graph.initializers.items():
            digest.update(f"{name} {value.dtype} {value.shape}".encode())
            digest.update(b"" if value.const_value is None else np.ascontiguousarray(value.const_value.numpy()).data)
        for node in self.model.graph:
            digest.update(ir.serde.serialize_node(node).SerializeToString(deterministic=True))
        return digest.hexdigest()


@cache
def _named(classes: tuple[str, ...], network: str) -> Labels:
    """Labels are asked for class by class."""
    return parse_labels("\n".join(classes), network)


@handlers_heard()
def load_network(
    path: str | Path,
    *,
    preprocess: str | Preprocessing | None = None,
    pool: str = "max",
    prototxt: str | Path | None = None,
    entry: Entry | None = None,
    cache: Path | None = None,
) -> Network:
    """Read a network from a file of any format that :func:`read_network` knows.

    preprocess: how it wants its input, by name (``pixelgrad.models.PREPROCESSINGS``) or in full; ``None`` takes
        what the file itself says, else that of the network recognised in it, else the convention of its format.
    pool: ``avg`` replaces max pooling by average pooling (Gatys et al. 2015 found that the smoother gradient
        gives more appealing pictures).
    prototxt: the description of a Caffe network, where it is not the one beside it.
    entry: its row in the catalogue, where that is known and need not be recognised; what it says holds.
    cache: a folder to keep the conversion of the file in, so that the next time is quick.

    Raises :class:`NetworkError` for a file that cannot be used, :class:`SettingsError` for an unknown setting.
    """
    path = Path(path)
    _check_pool(pool)
    with damage(path.name):
        converted = convert_once(
            path,
            cache if prototxt is None else None,
            lambda path: _convert(read_network(path, prototxt=prototxt), path.name),
        )
        return _assemble(converted, path.name, preprocess, entry).with_pool(pool)


def network_of(
    reading: Reading,
    name: str,
    *,
    preprocess: str | Preprocessing | None = None,
    pool: str = "max",
    size: tuple[int, int] | None = None,
) -> Network:
    """The network of what a reader returned; ``name`` is that of its file. Arguments as of :func:`load_network`.

    size: a (height, width) that it is known to take, where the file declares none.
    """
    return _assemble(_convert(reading, name, size), name, preprocess, None).with_pool(pool)


def _check_pool(pool: str) -> None:
    if pool not in POOLS:
        raise SettingsError(f"pool is {pool!r}; it must be one of {', '.join(POOLS)}")


def _convert(reading: Reading, name: str, size: tuple[int, int] | None = None) -> Converted:
    """Rewrite what a reader returned in opset 18, and work out its shapes for an image of any size."""
    shape = _image_input(reading.model, name).shape
    assert shape is not None
    height, width = shape[2], shape[3]
    model = to_opset18(reading.model, primitives=RULES.keys() | NON_DIFFERENTIABLE, fixed_weights=True)
    model.graph.inputs[0].shape = ir.Shape([1, 3, "H", "W"])
    infer_again(model)
    declared = (height, width) if isinstance(height, int) and isinstance(width, int) else size
    if declared is not None:
        fill_in_shapes(model, declared)
    drop_zeros(model.graph)
    freed = free_positions(model, declared)
    if freed is not None:
        model, reading = freed, replace(reading, notes=(*reading.notes, _INTERPOLATED))
    keep_numbers(model.graph)
    return Converted(replace(reading, model=model), declared)


def _assemble(converted: Converted, name: str, preprocess: str | Preprocessing | None, known: Entry | None) -> Network:
    reading, model = converted.reading, converted.reading.model
    entry = known or recognise(tensors(model.graph))
    chosen = _preprocessing(preprocess, known, reading, entry)
    notes = reading.notes
    if preprocess is None and entry is None and reading.preprocessing is None:
        notes += (
            f"it is not a known network, so its input is taken to be {chosen.name}; --preprocess (preprocess=...) says "
            "otherwise",
        )
    _normalise_input(model, chosen)
    layers = tensors(model.graph)
    aliases = {
        **short_names(list(layers)),
        **structural_aliases(model.graph),
        **reading.aliases,
        **(entry.aliases if entry is not None else {}),
    }
    return Network(
        model=model,
        name=entry.name if entry is not None else Path(name).stem,
        licence=entry.licence if entry is not None else "unknown",
        sha256=reading.sha256,
        preprocessing=chosen,
        entry=entry,
        aliases={alias: target for alias, target in aliases.items() if target in layers and alias not in layers},
        declared_size=converted.declared_size,
        pool="max",
        format=reading.format,
        class_names=reading.class_names,
        notes=notes,
    )


def _preprocessing(
    wanted: str | Preprocessing | None, known: Entry | None, reading: Reading, recognised: Entry | None
) -> Preprocessing:
    """What was asked for, else what its row says, else its file, else the row that it looks like, else its format."""
    if isinstance(wanted, Preprocessing):
        return wanted
    name = wanted if wanted is not None else known.preprocessing if known is not None else None
    if name is None and reading.preprocessing is not None:
        return reading.preprocessing
    if name is None:
        name = recognised.preprocessing if recognised is not None else reading.convention
    if name not in PREPROCESSINGS:
        raise SettingsError(f"preprocess is {name!r}; it must be one of {', '.join(PREPROCESSINGS)}")
    return PREPROCESSINGS[name]


def _image_input(model: ir.Model, name: str) -> ir.Value:
    inputs = [value for value in model.graph.inputs if value.const_value is None]
    listed = ", ".join(f"{v.name} {v.shape}" for v in inputs) or "none"
    if len(inputs) != 1:
        raise NetworkError(f"{name!r} must have one input, an image; it has {len(inputs)}: {listed}")
    value = inputs[0]
    channels = value.shape[1] if value.shape is not None and value.shape.rank() == 4 else None
    if value.shape is None or value.shape.rank() != 4 or not (channels == 3 or isinstance(channels, ir.SymbolicDim)):
        raise NetworkError(f"{name!r} has no image input: its input is {listed}, and an image is [N, 3, H, W]")
    if value.dtype != ir.DataType.FLOAT:
        raise NetworkError(f"{name!r} takes {value.dtype} images; export it in float32")
    return value


def _normalise_input(model: ir.Model, preprocessing: Preprocessing) -> None:
    """Rename the input to ``image``; where needed, put a 1x1 convolution behind it that normalises it."""
    graph = model.graph
    image = graph.inputs[0]
    order = ["RGB".index(channel) for channel in preprocessing.order]
    gain = preprocessing.scale / np.asarray(preprocessing.std)
    matrix = np.zeros((3, 3), dtype=np.float64)
    matrix[range(3), order] = gain
    offset = -np.asarray(preprocessing.mean) / np.asarray(preprocessing.std)
    if not (np.array_equal(matrix, np.eye(3)) and not offset.any()):
        uses = list(image.uses())
        weight, bias = (
            add_weight(graph, f"preprocess/{name}", array.astype(np.float32))
            for name, array in (("weight", matrix.reshape(3, 3, 1, 1)), ("bias", offset))
        )
        node = ir.node("Conv", [image, weight, bias], attributes={"kernel_shape": [1, 1]}, name="preprocess")
        node.outputs[0].name, node.outputs[0].type, node.outputs[0].shape = (
            "preprocessed",
            image.type,
            image.shape,
        )
        graph.insert_before(graph[0], node)
        for use in uses:
            use.node.replace_input_with(use.idx, node.outputs[0])
    for node in graph:
        for output in node.outputs:
            if output.name == IMAGE:
                output.name = "image_1"
    image.name = IMAGE
