"""Which reader a file is for: decided by its content, whatever it is called."""

from __future__ import annotations

import mmap
import zipfile
from pathlib import Path

import numpy as np
import onnx_ir as ir

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.networks.readers import wire
from pixelgrad.exporters.networks.readers.caffe import read_caffe
from pixelgrad.exporters.networks.readers.checkpoint import read_legacy, read_tar, read_zip
from pixelgrad.exporters.networks.readers.guard import damage
from pixelgrad.exporters.networks.readers.keras import read_keras
from pixelgrad.exporters.networks.readers.keras_file import open_hdf5, open_keras
from pixelgrad.exporters.networks.readers.onnx_file import read_onnx
from pixelgrad.exporters.networks.readers.pytorch import read_checkpoint
from pixelgrad.exporters.networks.readers.reading import Reading
from pixelgrad.exporters.networks.readers.safetensors_file import read_safetensors
from pixelgrad.exporters.networks.readers.source import Source

FORMATS = (
    "ONNX (.onnx), PyTorch checkpoints (.pth, .pt), safetensors, Caffe (.caffemodel with its .prototxt) and Keras "
    "(.keras, .h5)"
)

# What a file begins with -> what it is, and what to do with it.
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "the placeholder of a file in Git LFS; get the file itself: git lfs pull"),
    (b"<!DOCTYPE", "a web page, not the file that it offers; download it by its direct address"),
    (b"<html", "a web page, not the file that it offers; download it by its direct address"),
    (b"\x1f\x8b", "compressed by gzip; unpack it first: gunzip FILE"),
    (b"7z\xbc\xaf", "a 7-zip archive; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GGUF", "a GGUF file of a language model"),
    (b"MATLAB 5.0 MAT-file", "a MATLAB file (MatConvNet, perhaps); take the same network as ONNX or PyTorch weights"),
    (b"<?xml", "XML (OpenVINO, perhaps); take the ONNX file that it was made from"),
)
_AFTER_FOUR: dict[bytes, str] = {
    b"TFL3": "a TensorFlow Lite model; convert it: python -m tf2onnx.convert --tflite FILE --output network.onnx",
    b"ORTM": "a model in ONNX Runtime's own .ort format; take the .onnx file that it was made from",
}


def read_network(path: str | Path, *, prototxt: str | Path | None = None) -> Reading:
    """The forward graph in a network file of any known format, with its weights in memory.

    prototxt: the description of a Caffe network; looked for beside the file by default.

    Raises :class:`NetworkError` where the file is missing, empty, damaged, of an unknown format, lacks a file that
    belongs to it, or holds weights that are not finite numbers.
    """
    source = Source.open(path)
    with damage(source.name):
        reading = _read(source, None if prototxt is None else Path(prototxt))
        if prototxt is not None and not reading.format.startswith("Caffe"):
            raise NetworkError(
                f"{source.name!r} is no Caffe network ({reading.format}), so no prototxt describes it; leave that out"
            )
        _check_finite(reading.model, source.name)
    return reading


def _read(source: Source, prototxt: Path | None) -> Reading:
    head = source.head
    for start, what in _OTHERS:
        if head.lstrip().lower().startswith(start.lower()):
            raise NetworkError(f"{source.name!r} is {what}. Networks are read from {FORMATS}")
    if head[4:8] in _AFTER_FOUR:
        raise NetworkError(f"{source.name!r} is {_AFTER_FOUR[head[4:8]]}")
    if head.startswith(b"PK\3\4"):
        return _read_archive(source)
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return read_keras(source, *open_hdf5(source))
    if head[257:262] == b"ustar":
        return read_checkpoint(source, read_tar(source))
    if head[:1] == b"\x80" and len(head) > 1 and 2 <= head[1] <= 5:
        return read_checkpoint(source, read_legacy(source))
    if len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < max(source.size, 1 << 27):
        return read_safetensors(source)
    return _read_message(source, prototxt)


def _read_archive(source: Source) -> Reading:
    try:
        with zipfile.ZipFile(source.path) as archive:
            names = set(archive.namelist())
            if "config.json" in names and "model.weights.h5" in names:
                return read_keras(source, *open_keras(source, archive))
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError, RuntimeError) as error:
        raise NetworkError(f"{source.name!r} is damaged, or was not downloaded completely: {error}") from error
    if any(name.endswith(".npy") for name in names):
        raise NetworkError(
            f"{source.name!r} is a NumPy archive, without a network in it. Networks are read from {FORMATS}"
        )
    return read_checkpoint(source, read_zip(source))


def _read_message(source: Source, prototxt: Path | None) -> Reading:
    """A protobuf message: these have no signature, so the fields decide, and the file's name where they do not."""
    with source.path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        fields = wire.top_fields(content)
    suffix = source.path.suffix.lower()
    if wire.is_onnx(fields) or (suffix == ".onnx" and not wire.is_caffe(fields)):
        return read_onnx(source)
    if suffix == ".prototxt":
        raise NetworkError(
            f"{source.name!r} describes a Caffe network and holds no weights; name its .caffemodel, and this file by "
            "prototxt=... (--prototxt FILE) where it does not lie beside it"
        )
    if wire.is_tensorflow(fields) and suffix != ".caffemodel":
        raise NetworkError(
            f"{source.name!r} is a TensorFlow graph. tf2onnx converts it, where TensorFlow is installed: python -m "
            f"tf2onnx.convert --graphdef {source.name} --output network.onnx --inputs INPUT:0 --outputs OUTPUT:0 "
            "(--saved-model FOLDER for a SavedModel)"
        )
    if wire.is_caffe(fields) or suffix == ".caffemodel":
        return read_caffe(source, prototxt)
    raise NetworkError(f"{source.name!r} is not a network, or it is damaged. Networks are read from {FORMATS}")


def _check_finite(model: ir.Model, file: str) -> None:
    for name, value in model.graph.initializers.items():
        tensor = value.const_value
        if tensor is None or not tensor.dtype.is_floating_point() or tensor.size == 1:  # what a mask hides is -infinity
            continue
        if not bool(np.isfinite(np.asarray(tensor.numpy(), dtype=np.float32)).all()):
            raise NetworkError(
                f"the weights {name!r} of {file!r} hold NaN or infinity, so no picture can come of it; use an "
                "earlier checkpoint, or export it again"
            )
