"""The layout that ``torch.save`` had before 0.1.10, a tar archive; the library only reads it nowadays.

Written from ``legacy_load`` in ``torch/serialization.py``, which must read what this writes.
"""

from __future__ import annotations

import io
import pickle
import struct
import tarfile
from pathlib import Path
from typing import Any

import torch


def save_tar(state: dict[str, torch.Tensor], path: Path, *, wrap: Any = lambda state: state) -> Path:
    """``state`` in ``wrap(state)``; every second storage is written as a view into a longer one."""
    storages, tensors, views = io.BytesIO(), io.BytesIO(), []
    pickle.dump(len(state), storages, 2)
    pickle.dump(len(state), tensors, 2)
    keys: dict[int, int] = {}
    for number, tensor in enumerate(state.values()):
        kind = getattr(torch, {torch.float32: "FloatStorage", torch.float64: "DoubleStorage"}[tensor.dtype])
        storage, key = 1000 + 2 * number, 2000 + number
        values = tensor.contiguous().flatten().numpy()
        before = 3 if number % 2 else 0
        padded = values.tobytes() if not before else bytes(before * values.itemsize) + values.tobytes()
        pickle.dump((storage, "cpu", kind), storages, 2)
        storages.write(struct.pack("<q", values.size + before) + padded)
        if before:
            views.append((storage + 1, storage, before, values.size))
            storage += 1
        pickle.dump((key, storage, torch.FloatTensor), tensors, 2)
        tensors.write(struct.pack("<iI", tensor.ndim, 0))
        tensors.write(struct.pack(f"<{2 * tensor.ndim}q", *tensor.shape, *tensor.contiguous().stride()))
        tensors.write(struct.pack("<q", 0))
        keys[id(tensor)] = key
    pickle.dump(views, storages, 2)

    class Pickler(pickle.Pickler):
        def persistent_id(self, value: Any) -> str | None:
            return str(keys[id(value)]) if id(value) in keys else None

    tree = io.BytesIO()
    Pickler(tree, 2).dump(wrap(state))
    with tarfile.open(path, "w:", format=tarfile.PAX_FORMAT) as archive:
        for name, content in (("sys_info", b""), ("pickle", tree), ("tensors", tensors), ("storages", storages)):
            data = content if isinstance(content, bytes) else content.getvalue()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path
