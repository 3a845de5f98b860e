"""PyTorch checkpoints in the three layouts that ``torch.save`` has had, read without PyTorch.

- zip (since PyTorch 1.6): ``NAME/data.pkl`` and one file of raw numbers per storage, ``NAME/data/KEY``; TorchScript
  archives have the same, and code.
- legacy stream (0.1.10 to 1.5): five pickles (a magic number, the protocol, the machine, the object, the storages'
  keys), then each storage as a count and its numbers.
- tar (before): members ``storages``, ``tensors`` and ``pickle``.

Source: ``torch/serialization.py``.
"""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.networks.builder import Array
from pixelgrad.exporters.networks.readers.pickles import Inert, Unpickler
from pixelgrad.exporters.networks.readers.source import Source
from pixelgrad.exporters.networks.readers.torch_names import NAMES, Storage, TensorRef, dtype_of, tensor, whole_numbers
from pixelgrad.exporters.networks.readers.torch_script import CLASSES, SCRIPT_NAMES, TORCH_SCRIPT, state_of

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_LARGEST_PICKLE = 1 << 26


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds, tensors as :class:`TensorRef`. numbers: those of a storage, one-dimensional.
    kind: what sort of file it is, in words.
    """

    tree: Any
    numbers: Callable[[Storage], Array]
    kind: str = "PyTorch checkpoint"

    def array(self, ref: TensorRef) -> Array:
        """A read-only view of a tensor in its storage."""
        numbers = self.numbers(ref.storage)
        step = numbers.itemsize
        return np.lib.stride_tricks.as_strided(
            numbers[ref.offset :], ref.shape, [stride * step for stride in ref.strides], writeable=False
        )


def read_zip(source: Source) -> Checkpoint:
    try:
        archive = zipfile.ZipFile(source.path)
        names = {info.filename: info for info in archive.infolist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise _damaged(source, error) from error
    pickle = next((name for name in names if name == "data.pkl" or name.endswith("/data.pkl")), None)
    if pickle is None:
        raise NetworkError(f"{source.name!r} is a zip archive without a PyTorch checkpoint in it")
    root = pickle.removesuffix("data.pkl")
    script = any(name.startswith(f"{root}code/") for name in names)

    def member(name: str, size: int | None = None) -> bytes:
        info = names.get(name)
        if info is None:
            raise NetworkError(f"{source.name!r} is damaged: {name!r} is missing in it")
        if info.compress_type != zipfile.ZIP_STORED or info.file_size > source.size:
            raise NetworkError(f"{source.name!r} was packed again, compressed; unpack it, or save it by torch.save")
        if size is not None and info.file_size < size:
            raise NetworkError(f"{source.name!r} is damaged: {name!r} has {info.file_size} bytes, not {size}")
        try:
            return archive.read(info)
        except (
            zipfile.BadZipFile,
            OSError,
            ValueError,
            RuntimeError,
            EOFError,
            NotImplementedError,
            zlib.error,
        ) as error:
            raise _damaged(source, error) from error

    order = ">" if f"{root}byteorder" in names and member(f"{root}byteorder").strip() == b"big" else "<"
    storages = _Storages(source)
    if names[pickle].file_size > _LARGEST_PICKLE:
        raise NetworkError(f"{source.name!r} is damaged: its pickle claims {names[pickle].file_size} bytes")
    known, classes = (SCRIPT_NAMES, CLASSES) if script else (NAMES, {})
    reader = Unpickler(member(pickle), source.name, known, storages.persistent, classes)
    tree = state_of(reader.load(), source.name)
    cache: dict[str, Array] = {}
    spent = 0

    def numbers(storage: Storage) -> Array:
        nonlocal spent
        size = storages.bytes(storage.key)
        if storage.key not in cache:
            spent += size
            if spent > source.size:  # entries that share their bytes
                raise NetworkError(f"{source.name!r} is damaged: its storages claim more than the file holds")
            cache[storage.key] = np.frombuffer(member(f"{root}data/{storage.key}", size), dtype=np.uint8)
        return _typed(cache[storage.key], storage, order)

    return Checkpoint(tree, numbers, TORCH_SCRIPT if script else "PyTorch checkpoint")


def read_legacy(source: Source) -> Checkpoint:
    content = source.read()
    storages = _Storages(source)
    pickles = Unpickler(content, source.name, NAMES, storages.persistent)
    if pickles.load() != LEGACY_MAGIC or pickles.load() != _PROTOCOL:
        raise NetworkError(
            f"{source.name!r} is a pickle, and none that torch.save wrote; save the weights by "
            "torch.save(model.state_dict(), 'weights.pth')"
        )
    machine = pickles.load()
    order = ">" if isinstance(machine, dict) and machine.get("little_endian") is False else "<"
    tree, keys = pickles.load(), pickles.load()
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise NetworkError(f"{source.name!r} is damaged: it does not list its storages")
    places = _counted(source, content, pickles.position, keys, storages, order)
    return Checkpoint(tree, lambda storage: _typed(_place(source, places, storage), storage, order))


def read_tar(source: Source) -> Checkpoint:
    try:
        members = {}
        with tarfile.open(fileobj=io.BytesIO(source.read()), mode="r:") as archive:
            for name in ("storages", "tensors", "pickle"):
                info = archive.getmember(name)
                plain = info.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and info.size <= source.size
                stream = archive.extractfile(info) if plain else None  # a sparse file can claim any size
                if stream is None:
                    raise NetworkError(f"{source.name!r} is damaged: {name!r} in it is no plain file of its size")
                members[name] = stream.read()
    except KeyError:
        raise NetworkError(f"{source.name!r} is a tar archive without a PyTorch checkpoint in it") from None
    except (tarfile.TarError, OSError, EOFError) as error:
        raise _damaged(source, error) from error
    storages = _Storages(source)
    known: dict[str, Any] = {}  # storages and tensors, by the number that the file gave them
    places: dict[str, Array] = {}
    content = members["storages"]
    reader = Unpickler(content, source.name, NAMES, storages.persistent)
    for _ in range(_count(reader.load(), source)):
        key, _location, kind = _triple(reader.load(), source)
        dtype = dtype_of(kind)
        position = reader.position
        (count,) = struct.unpack_from("<q", content, position)
        end = position + 8 + count * dtype.itemsize
        if count < 0 or end > len(content):
            raise NetworkError(f"{source.name!r} is damaged: a storage of {count} numbers does not fit in it")
        places[str(key)] = np.frombuffer(content, np.uint8, count * dtype.itemsize, position + 8)
        known[str(key)] = Storage(str(key), dtype, 0, count)
        reader.seek(end)
    for view in _list(reader.load(), source):
        target, root, offset, count = view
        base = known[str(root)]
        first, length = whole_numbers([offset, count])
        if first + length > base.count:
            raise NetworkError(f"{source.name!r} is damaged: a view of a storage lies outside it")
        known[str(target)] = Storage(base.key, base.dtype, first, length)
    content = members["tensors"]
    reader = Unpickler(content, source.name, NAMES, storages.persistent)
    for _ in range(_count(reader.load(), source)):
        key, storage, _kind = _triple(reader.load(), source)
        (rank,) = struct.unpack_from("<i", content, reader.position)
        if not 0 <= rank <= 8:
            raise NetworkError(f"{source.name!r} is damaged: a tensor of {rank} dimensions")
        numbers = struct.unpack_from(f"<{2 * rank + 1}q", content, reader.position + 8)
        reader.seek(reader.position + 8 + 8 * (2 * rank + 1))
        known[str(key)] = tensor(known[str(storage)], numbers[-1], numbers[:rank], numbers[rank:-1])

    def persistent(name: Any) -> Any:
        return known.get(str(name)) if isinstance(name, str | int | bytes) else Inert()

    tree = Unpickler(members["pickle"], source.name, NAMES, persistent).load()
    return Checkpoint(tree, lambda storage: _typed(_place(source, places, storage), storage, "<"))


class _Storages:
    """The storages that a pickle mentions, each with the size that it must have."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._sizes: dict[str, tuple[int, int]] = {}  # bytes, and bytes per number

    def persistent(self, name: Any) -> Storage:
        """``('storage', class, key, device, count)``, and in the legacy stream a view or ``None``."""
        if not isinstance(name, tuple) or len(name) not in (5, 6) or name[0] not in ("storage", b"storage"):
            raise ValueError("a persistent id that is no storage")
        _, kind, key, _device, count = name[:5]
        dtype = dtype_of(kind)
        (count,) = whole_numbers([count])
        if not isinstance(key, str) or count * dtype.itemsize > self._source.size:
            raise ValueError(f"a storage of {count} numbers in a file of {self._source.size} bytes")
        size = max(self._sizes.get(key, (0, 0))[0], count * dtype.itemsize)
        self._sizes[key] = (size, dtype.itemsize)
        view = name[5] if len(name) == 6 else None
        if view is None:
            return Storage(key, dtype, 0, count)
        if not isinstance(view, tuple) or len(view) != 3:
            raise ValueError("a view of a storage that is none")
        offset, length = whole_numbers(view[1:])
        if offset + length > count:
            raise ValueError("a view of a storage that lies outside it")
        return Storage(key, dtype, offset, length)

    def bytes(self, key: str) -> int:
        return self._sizes[key][0]

    def width(self, key: str) -> int:
        return self._sizes[key][1]

    def __contains__(self, key: str) -> bool:
        return key in self._sizes


def _counted(
    source: Source, content: bytes, position: int, keys: list[str], storages: _Storages, order: str
) -> dict[str, Array]:
    """Where the numbers of each storage of a legacy stream are."""
    places: dict[str, Array] = {}
    for key in keys:
        if key not in storages or position + 8 > len(content):
            raise NetworkError(f"{source.name!r} is damaged: storage {key[:40]!r} is not in it")
        (count,) = struct.unpack_from(f"{order}q", content, position)
        size = count * storages.width(key)
        if size != storages.bytes(key) or position + 8 + size > len(content):
            raise NetworkError(f"{source.name!r} is damaged or breaks off: storage {key[:40]!r} is not whole")
        places[key] = np.frombuffer(content, np.uint8, size, position + 8)
        position += 8 + size
    return places


def _place(source: Source, places: dict[str, Array], storage: Storage) -> Array:
    if storage.key not in places:
        raise NetworkError(f"{source.name!r} is damaged: storage {storage.key[:40]!r} is not in it")
    return places[storage.key]


def _typed(content: Array, storage: Storage, order: str) -> Array:
    """The numbers of a storage, from its bytes."""
    width = storage.dtype.itemsize
    part = content[storage.offset * width : (storage.offset + storage.count) * width]
    if part.size != storage.count * width:
        raise ValueError(f"storage {storage.key!r} is not whole")
    return part.view(storage.dtype.newbyteorder(">") if width > 1 and order == ">" else storage.dtype)


def _count(value: Any, source: Source) -> int:
    if type(value) is not int or not 0 <= value <= source.size:
        raise NetworkError(f"{source.name!r} is damaged: it does not say how many tensors it holds")
    return value


def _triple(value: Any, source: Source) -> tuple[Any, Any, Any]:
    if not isinstance(value, tuple) or len(value) != 3:
        raise NetworkError(f"{source.name!r} is damaged: an entry of its archive makes no sense")
    return value


def _list(value: Any, source: Source) -> list[Any]:
    if not isinstance(value, list) or not all(isinstance(row, tuple | list) and len(row) == 4 for row in value):
        raise NetworkError(f"{source.name!r} is damaged: its views of storages make no sense")
    return value


def _damaged(source: Source, error: Exception) -> NetworkError:
    return NetworkError(f"{source.name!r} is damaged, or was not downloaded completely: {error}")
