"""Which network a file holds: a hash of it and of what belongs to it.

It is worked out at every run, to find what was exported before, so it does without importing the exporters' libraries
wherever it can.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from pixelgrad.errors import NetworkError

__all__ = ["HUB_DESCRIPTIONS", "HUB_SUFFIXES", "companions", "fingerprint"]

_CHUNK = 1 << 22
#: Files of weights in repositories of the Hugging Face hub, and what describes them there: by transformers, by timm, by
#: OpenCLIP.
HUB_SUFFIXES = (".safetensors", ".bin")
HUB_DESCRIPTIONS = ("preprocessor_config.json", "config.json", "open_clip_config.json")
# What a Caffe network's graph and mean may be in, beside its weights.
_CAFFE_COMPANIONS = ("*.prototxt", "*.binaryproto")
# Of files that stand alone, by path: what the file system said of them, and their hash. A task that takes a network
# layer by layer asks for the same hash as many times.
_known: dict[Path, tuple[tuple[int, ...], str]] = {}


def fingerprint(path: Path) -> str:
    """SHA-256, in hexadecimal, of a network file and of its :func:`companions`.

    A file that stands alone is hashed once in a process, as long as its size and its time of change stay the same.
    Raises :class:`NetworkError` where the file is not there or cannot be read.
    """
    digest = hashlib.sha256()
    place = path.absolute()
    try:
        found = path.stat()
        stamp = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        known, result = _known.get(place, ((), ""))
        if stamp == known:
            return result
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
        beside = companions(path)
        for companion in beside:
            digest.update(companion.name.encode() + b"\0" + companion.read_bytes())
        if not beside and path.suffix.lower() != ".caffemodel":
            _known[place] = (stamp, digest.hexdigest())
    except FileNotFoundError:
        raise NetworkError(f"there is no network file {path.name!r} in {str(path.parent)!r}") from None
    except IsADirectoryError:
        raise NetworkError(f"{path.name!r} is a folder; name the network file inside it") from None
    except OSError as error:
        raise NetworkError(f"the network file {path.name!r} cannot be read: {error.strerror or error}") from error
    return digest.hexdigest()


def companions(path: Path) -> list[Path]:
    """The files beside a network file that it may need: an ONNX file's external weights, a Caffe network's graph, what
    describes weights from the Hugging Face hub.
    """
    if path.suffix.lower() == ".caffemodel":
        return sorted(found for pattern in _CAFFE_COMPANIONS for found in path.parent.glob(pattern))
    if path.suffix.lower() in HUB_SUFFIXES:
        return [path.with_name(name) for name in HUB_DESCRIPTIONS if path.with_name(name).is_file()]
    if path.suffix.lower() != ".onnx" or b"location" not in path.read_bytes():
        return []
    import onnx
    from google.protobuf.message import DecodeError

    try:
        graph = onnx.load_model(str(path), load_external_data=False).graph
    except DecodeError:
        return []
    names = {entry.value for tensor in graph.initializer for entry in tensor.external_data if entry.key == "location"}
    return [path.parent / name for name in sorted(names) if (path.parent / name).is_file()]
