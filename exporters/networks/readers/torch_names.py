"""The names that a PyTorch checkpoint may mention, and the plain data that each stands for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from pixelgrad.exporters.networks.readers.pickles import Call, Inert, Name, dictionary

_LARGEST = 1 << 40


@dataclass(frozen=True)
class Storage:
    """A run of numbers in the file. offset, count: in elements, of the whole that is stored under ``key``."""

    key: str
    dtype: np.dtype[Any]
    offset: int
    count: int


@dataclass(frozen=True)
class TensorRef:
    """A tensor that was not read yet; sizes, strides and offset are within its storage."""

    storage: Storage
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int


_DTYPES: dict[str, Any] = {
    "Float": np.float32, "Double": np.float64, "Half": np.float16, "BFloat16": ml_dtypes.bfloat16, "Long": np.int64,
    "Int": np.int32, "Short": np.int16, "Char": np.int8, "Byte": np.uint8, "Bool": np.bool_,
}  # fmt: skip
_TORCH_DTYPES: dict[str, Any] = {
    "float32": np.float32, "float": np.float32, "float64": np.float64, "double": np.float64, "float16": np.float16,
    "half": np.float16, "bfloat16": ml_dtypes.bfloat16, "int64": np.int64, "int32": np.int32, "int16": np.int16,
    "int8": np.int8, "uint8": np.uint8, "bool": np.bool_, "uint16": np.uint16, "uint32": np.uint32, "uint64": np.uint64,
}  # fmt: skip


def dtype_of(name: Any) -> np.dtype[Any]:
    """The element type of a storage class (``torch.FloatStorage``) or of a ``torch.dtype``."""
    text = name.text if isinstance(name, Name) else ""
    if text in {"torch.storage.UntypedStorage", "torch.UntypedStorage"}:
        return np.dtype(np.uint8)
    short = text.removeprefix("torch.cuda.").removeprefix("torch.")
    found = _TORCH_DTYPES.get(short, _DTYPES.get(short.removesuffix("Storage").removesuffix("Tensor")))
    if found is None:
        raise ValueError(f"{text or 'something'} is no type of numbers")
    dtype: np.dtype[Any] = np.dtype(found)
    return dtype


def tensor(storage: Any, offset: Any, shape: Any, strides: Any) -> TensorRef:
    """A view into ``storage`` that lies within it and is no larger than it; ``ValueError`` otherwise."""
    if not isinstance(storage, Storage):
        raise ValueError("a tensor without a storage")
    shape, strides = whole_numbers(shape), whole_numbers(strides)
    (offset,) = whole_numbers([offset])
    if len(shape) != len(strides) or len(shape) > 8:
        raise ValueError(f"a tensor of shape {shape} with strides {strides}")
    count = math.prod(shape)
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if count > storage.count or (count and last >= storage.count) or offset > storage.count:
        raise ValueError(
            f"a tensor of shape {shape}, strides {strides} and offset {offset} in a storage of {storage.count}"
        )
    return TensorRef(storage, shape, strides, offset)


def whole_numbers(values: Any) -> tuple[int, ...]:
    if not isinstance(values, tuple | list) or not all(type(v) is int and 0 <= v < _LARGEST for v in values):
        raise ValueError("sizes that are no sizes")
    return tuple(values)


def _rebuild_tensor(arguments: tuple[Any, ...]) -> TensorRef:
    return tensor(*arguments[:4])


def _rebuild_tensor_v3(arguments: tuple[Any, ...]) -> TensorRef:
    """As before, over a storage of bytes; the type of the numbers comes as the seventh argument."""
    storage, dtype = arguments[0], dtype_of(arguments[6])
    if not isinstance(storage, Storage):
        raise ValueError("a tensor without a storage")
    size = storage.count * storage.dtype.itemsize
    typed = Storage(
        storage.key, dtype, storage.offset * storage.dtype.itemsize // dtype.itemsize, size // dtype.itemsize
    )
    return tensor(typed, *arguments[1:4])


def _first(arguments: tuple[Any, ...]) -> TensorRef:
    if not arguments or not isinstance(arguments[0], TensorRef):
        raise ValueError("a parameter without a tensor")
    return arguments[0]


def _from_type(arguments: tuple[Any, ...]) -> Any:
    """``torch._tensor._rebuild_from_type_v2``: another of these calls, with attributes."""
    function, _, inner = arguments[:3]
    if not isinstance(function, Name) or function.call is None or not isinstance(inner, tuple):
        raise ValueError("a tensor made by something else")
    return function.call(inner)


def _ordered_dict(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    pairs: Sequence[Any] = arguments[0] if arguments else ()
    if not isinstance(pairs, list | tuple) or not all(isinstance(p, list | tuple) and len(p) == 2 for p in pairs):
        raise ValueError("an ordered dictionary of what are no pairs")
    return dictionary([value for pair in pairs for value in pair])


def _size(arguments: tuple[Any, ...]) -> tuple[int, ...]:
    return whole_numbers(arguments[0])


def inert(arguments: tuple[Any, ...]) -> Inert:
    return Inert()


_INERT = (
    "torch.device argparse.Namespace types.SimpleNamespace collections.defaultdict collections.Counter "
    "collections.deque pathlib.Path pathlib.PosixPath pathlib.WindowsPath pathlib.PurePosixPath "
    "datetime.datetime datetime.timedelta datetime.date _codecs.encode set frozenset builtins.set "
    "builtins.frozenset numpy.dtype numpy.ndarray numpy.core.multiarray.scalar numpy._core.multiarray.scalar "
    "numpy.core.multiarray._reconstruct numpy._core.multiarray._reconstruct numpy.core.numeric._frombuffer "
    "numpy._core.numeric._frombuffer"
)
_MENTIONED = (
    "dict list int float str bool tuple builtins.dict builtins.list builtins.int builtins.float builtins.str "
    "builtins.bool builtins.tuple torch.Tensor torch.nn.Parameter"
)

NAMES: dict[str, Call | None] = {
    **dict.fromkeys(_INERT.split(), inert),
    **dict.fromkeys(_MENTIONED.split(), None),
    **{f"torch.{kind}{what}": None for kind in _DTYPES for what in ("Storage", "Tensor")},
    **{f"torch.cuda.{kind}{what}": None for kind in _DTYPES for what in ("Storage", "Tensor")},
    **{f"torch.{name}": None for name in _TORCH_DTYPES},
    "torch.storage.UntypedStorage": None,
    "torch.UntypedStorage": None,
    "collections.OrderedDict": _ordered_dict,
    "torch.Size": _size,
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v3": _rebuild_tensor_v3,
    "torch._utils._rebuild_parameter": _first,
    "torch.nn.parameter.Parameter": _first,  # called with its tensor, before 0.4
    "torch.autograd.variable.Variable": _first,
    "torch._utils._rebuild_parameter_with_state": _first,
    "torch._tensor._rebuild_from_type_v2": _from_type,
}  # fmt: skip
