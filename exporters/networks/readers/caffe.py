"""Caffe: a ``.caffemodel`` with its ``.prototxt`` -> a forward graph.

Tensor names. A blob of Caffe is written again by every in-place layer, so ``net.blobs["conv1"]`` is what the last of
them (its ReLU, as a rule) left there, and that is what users of Caffe mean by ``conv1``. Here too: the tensor
``conv1`` is the blob's last state, with the in-place layers' own names as aliases (``relu1`` -> ``conv1``). The
state before the in-place layer ``relu1`` is the tensor ``conv1/before_relu1``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import onnx_ir as ir

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.networks.builder import Array, GraphBuilder
from pixelgrad.exporters.networks.readers.caffe_layers import INPUTS, LAYERS, TRAINING, Writer
from pixelgrad.exporters.networks.readers.caffe_net import (
    Layer,
    Net,
    blob_array,
    input_sizes,
    parse_prototxt,
    parse_weights,
)
from pixelgrad.exporters.networks.readers.reading import Reading
from pixelgrad.exporters.networks.readers.source import Source, digest
from pixelgrad.models import PREPROCESSINGS, Preprocessing

_WEIGHTED = {"Convolution", "Deconvolution", "InnerProduct", "BatchNorm", "PReLU"}
_IDENTITY = {"Dropout", "Split"}


def read_caffe(source: Source, prototxt: Path | None = None) -> Reading:
    """The network of a ``.caffemodel``.

    prototxt: its description. ``None`` looks in the same folder for one with the same layers, and prefers one that
        declares its input (a deploy file) to one that trains; where there is none, the graph that the
        ``.caffemodel`` itself holds is taken, which says nothing of the image size.

    Raises :class:`NetworkError` where the files do not fit together, where two descriptions serve equally well, and
    for layer types that are not supported.
    """
    own, weights = parse_weights(source.read(), source.name)
    if prototxt is None:
        chosen, net = _beside(source.path, weights)
    else:
        chosen, given = prototxt, parse_prototxt(prototxt)
        if given is None:
            raise NetworkError(f"{prototxt.name!r} describes no network (a solver, perhaps); give the network's own")
        lacking = _lacking(given, weights)
        if lacking:
            raise NetworkError(
                f"{prototxt.name!r} is not the description of {source.name!r}, which has no weights for its layers "
                f"{', '.join(lacking[:5])}"
            )
        net = given
    graph = net or own
    model, aliases = _write(graph, weights)
    means = _mean_file(source.path.parent, graph, own)
    files = [source.path, *([chosen] if chosen else []), *means]
    preprocessing, notes = _preprocessing(graph, own, means)
    notes.append(
        f"its layers are as {chosen.name} has them" if chosen else "its layers are as the file itself has them"
    )
    return Reading(
        model=model,
        format="Caffe",
        sha256=digest(*files),
        preprocessing=preprocessing,
        convention="caffe",
        aliases=aliases,
        notes=tuple(notes),
    )


def _lacking(net: Net, weights: dict[str, list[Array]]) -> list[str]:
    return [layer.name for layer in net.layers if layer.type in _WEIGHTED and layer.name not in weights]


def _beside(path: Path, weights: dict[str, list[Array]]) -> tuple[Path | None, Net | None]:
    """The description in the folder of ``path`` that fits best; ``None`` where none does."""
    ranked: list[tuple[int, Path, Net]] = []
    for candidate in sorted(path.parent.glob("*.prototxt")):
        try:
            net = parse_prototxt(candidate)
        except NetworkError:
            continue  # of something else
        if net is None or _lacking(net, weights) or not any(layer.name in weights for layer in net.layers):
            continue
        declared = bool(net.inputs) or any(layer.type == "Input" for layer in net.layers)
        ranked.append((2 * (candidate.stem == path.stem) + declared, candidate, net))
    if not ranked:
        return None, None
    best = max(rank for rank, _, _ in ranked)
    chosen = [(candidate, net) for rank, candidate, net in ranked if rank == best]
    if len(chosen) > 1:
        names = ", ".join(candidate.name for candidate, _ in chosen)
        raise NetworkError(
            f"several descriptions beside {path.name!r} fit it: {names}; say which (prototxt=..., --prototxt FILE)"
        )
    return chosen[0]


def _write(net: Net, weights: dict[str, list[Array]]) -> tuple[ir.Model, dict[str, str]]:
    layers = [layer for layer in net.layers if layer.type not in TRAINING]
    unknown = sorted({layer.type for layer in layers} - LAYERS.keys() - INPUTS - _IDENTITY)
    if unknown:
        raise NetworkError(
            f"the Caffe network has layers of a type that is not supported: {', '.join(unknown)}; supported are "
            f"{', '.join(sorted(LAYERS))}"
        )
    declared = dict(net.inputs)
    for layer in layers:
        if layer.type in INPUTS:
            declared |= input_sizes(layer)
    used = {bottom for layer in layers for bottom in layer.bottoms}
    inputs = {blob: sizes for blob, sizes in declared.items() if blob in used}
    if len(inputs) != 1:
        listed = ", ".join(f"{blob} {sizes}" for blob, sizes in inputs.items()) or "none"
        raise NetworkError(f"the Caffe network must have one input, an image; it has {len(inputs)}: {listed}")
    ((image, shape),) = inputs.items()
    build = GraphBuilder(net.name or "caffe", image=image, shape=shape)
    env, aliases = {image: build.image}, {}
    body = [layer for layer in layers if layer.type not in INPUTS]
    names = _tensor_names(body)
    for index, layer in enumerate(body):
        if any(blob not in env for blob in layer.bottoms):
            blob = next(blob for blob in layer.bottoms if blob not in env)
            if blob in declared or _trains(net, blob):
                continue  # of a label, or of a loss
            raise NetworkError(f"layer {layer.name!r} ({layer.type}) takes {blob!r}, which no layer before it makes")
        values = [env[blob] for blob in layer.bottoms]
        if layer.type in _IDENTITY:
            env.update(dict.fromkeys(layer.tops, values[0]))
            aliases.update(dict.fromkeys([*layer.tops, layer.name], layer.bottoms[0]))
            continue
        if not layer.tops:
            continue
        writer = Writer(build, layer, values, weights.get(layer.name, []), names[index])
        env.update(zip(layer.tops, LAYERS[layer.type](writer), strict=True))
        in_place = layer.tops[0] in layer.bottoms
        aliases[layer.name] = names[index][0] if in_place else layer.tops[0]
    last = next((env[layer.tops[0]] for layer in reversed(body) if layer.tops and layer.tops[0] in env), build.image)
    if last is build.image:
        raise NetworkError("the Caffe network has no layers that compute anything")
    return build.model(last), _resolved(aliases, env)


def _resolved(aliases: dict[str, str], env: dict[str, ir.Value]) -> dict[str, str]:
    """Aliases to tensor names, through blobs that are only other names of a tensor."""
    return {alias: str(env[blob].name) if blob in env else blob for alias, blob in aliases.items()}


def _trains(net: Net, blob: str) -> bool:
    return any(blob in layer.tops for layer in net.layers if layer.type in TRAINING)


def _tensor_names(body: Sequence[Layer]) -> list[list[str]]:
    """For each layer the names of its tops: the blob for who writes it last, else what it is before the next does."""
    names: list[list[str]] = []
    for index, layer in enumerate(body):
        row = []
        for top in layer.tops:
            later = (other for other in body[index + 1 :] if top in other.tops and other.type not in _IDENTITY)
            following = next(later, None)
            row.append(top if following is None else f"{top}/before_{following.name}")
        names.append(row)
    return names


# The mean of CIFAR-10's training images, whose channels Caffe keeps in the data set's own order, RGB.
_CIFAR10 = Preprocessing(
    "caffe-cifar10",
    order="RGB",
    scale=255.0,
    mean=(125.307, 122.950, 113.865),
    note="CIFAR-10 as Caffe's example converts it: RGB in [0, 255] minus the mean of the training images",
)


def _transforms(*nets: Net) -> list[tuple[str, Sequence[float], float]]:
    """Mean file, mean values and scale that the data layers of ``nets`` tell, the telling ones only."""
    found: list[tuple[str, Sequence[float], float]] = []
    for net in nets:
        for layer in net.every_layer:
            if layer.type not in INPUTS:
                continue
            new, old = layer.message.transform_param, layer.message.data_param
            if layer.type == "ImageData":
                old = layer.message.image_data_param
            file = new.mean_file or old.mean_file
            scale = new.scale if new.HasField("scale") else old.scale
            if file or new.mean_value or scale != 1:
                found.append((file, list(new.mean_value), scale))
    return found


def _mean_file(folder: Path, *nets: Net) -> list[Path]:
    """The mean image that the network was trained with, where it lies beside it."""
    for file, _, _ in _transforms(*nets):
        path = folder / file.replace("\\", "/").rpartition("/")[2]
        if file and path.is_file():
            return [path]
    return []


def _preprocessing(graph: Net, own: Net, means: Sequence[Path]) -> tuple[Preprocessing | None, list[str]]:
    transforms = _transforms(graph, own)
    if not transforms:
        return None, []
    file, values, scale = transforms[0]
    cifar10 = "cifar10" in file.replace("-", "").lower()
    base = _CIFAR10 if cifar10 else replace(PREPROCESSINGS["caffe"], name="caffe-file", note="as its data layer says")
    base = replace(base, std=(1 / (scale or 1),) * 3)
    if means:
        array = blob_array(means[0])
        array = array.reshape(array.shape[-3:]).mean((1, 2)) if array.ndim >= 3 else array.reshape(-1)
        values = [float(v) for v in array]
    elif file:
        known = "CIFAR-10" if cifar10 else "ImageNet"
        return base, [f"its mean image {file} is not there; the mean colour of {known} is taken instead"]
    if len(values) == 1:
        values = list(values) * 3
    if not values:
        values = [0.0] * 3
    if len(values) != 3:
        raise NetworkError(f"the mean of the Caffe network has {len(values)} channels; an image has 3")
    mean = (values[0], values[1], values[2])
    return replace(base, mean=mean), []
