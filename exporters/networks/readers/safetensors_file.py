"""safetensors files: weights by name, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.networks.builder import Array
from pixelgrad.exporters.networks.readers.pytorch import floats, weights_reading
from pixelgrad.exporters.networks.readers.reading import Reading
from pixelgrad.exporters.networks.readers.source import Source

_DTYPES: dict[str, Any] = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16, "I64": np.int64,
    "I32": np.int32, "I16": np.int16, "I8": np.int8, "U8": np.uint8, "BOOL": np.bool_,
}  # fmt: skip


@dataclass(frozen=True)
class _Tensor:
    shape: tuple[int, ...]
    dtype: str
    data: bytes


def read_safetensors(source: Source) -> Reading:
    """The network of a safetensors file, by the architecture that its tensors belong to."""
    try:
        import safetensors
    except ImportError:
        raise NetworkError(
            f"{source.name!r} is a safetensors file, and reading those needs safetensors: "
            "pip install 'pixelgrad[readers]'"
        ) from None
    try:
        rows: Any = safetensors.deserialize(source.read())  # type: ignore[no-untyped-call]
    except safetensors.SafetensorError as error:
        raise NetworkError(f"{source.name!r} is damaged, or was not downloaded completely: {error}") from error
    state = {str(name): _Tensor(tuple(row["shape"]), row["dtype"], row["data"]) for name, row in rows}

    def array(tensor: _Tensor) -> Array:
        if tensor.dtype not in _DTYPES:
            raise NetworkError(f"{source.name!r} holds weights of type {tensor.dtype}, which are not supported")
        return floats(np.frombuffer(tensor.data, dtype=_DTYPES[tensor.dtype]).reshape(tensor.shape))

    return weights_reading(source, "safetensors", [state], array)
