"""Tensors that stay on the device between steps: pixels, moments and targets cross the bus for a preview only."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from pixelgrad.runtime.failures import is_of_onnx_runtime, silent
from pixelgrad.runtime.onnx_runtime import onnxruntime

__all__ = ["DeviceArray", "Memory", "memory_of"]

Array = np.ndarray[Any, Any]

# Provider -> the name that ONNX Runtime's OrtValue gives its memory. On OpenVINO and CoreML tensors are the host's.
_KINDS = {"CUDAExecutionProvider": "cuda", "DmlExecutionProvider": "dml", "WebGpuExecutionProvider": "webgpu"}


class DeviceArray(NDArrayOperatorsMixin):
    """A float tensor on a device that passes for a NumPy array: whoever looks at its numbers gets a copy, made once.

    ``value``: ONNX Runtime's ``OrtValue``. ``shape`` costs nothing.
    """

    def __init__(self, value: Any) -> None:
        self.value = value
        self.shape = tuple(value.shape())
        self._copy: Array | None = None

    def numpy(self) -> Array:
        """The numbers, read-only."""
        if self._copy is None:
            self._copy = self.value.numpy()
            self._copy.flags.writeable = False
        return self._copy

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        array = self.numpy()
        return array.astype(array.dtype if dtype is None else dtype, copy=bool(copy))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if "out" in options:  # NumPy says that what is on the device is not to be written to
            options["out"] = tuple(_host(value) for value in options["out"])
        return getattr(ufunc, method)(*(_host(value) for value in inputs), **options)

    def __getitem__(self, key: Any) -> Any:
        return self.numpy()[key]

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.numpy(), name)


def _host(value: Any) -> Any:
    return value.numpy() if isinstance(value, DeviceArray) else value


class Memory:
    """The memory of one device. kind: ``cuda``, ``dml`` or ``webgpu``. index: which of several."""

    def __init__(self, kind: str, index: int = 0) -> None:
        self.kind, self.index = kind, index

    def put(self, array: Any) -> DeviceArray:
        """A copy of an array on the device; what is there already stays."""
        if isinstance(array, DeviceArray):
            return array
        # Not ascontiguousarray, which makes a scalar an array of one dimension.
        value = onnxruntime().OrtValue.ortvalue_from_numpy(np.asarray(array, order="C"), self.kind, self.index)
        return DeviceArray(value)

    def run(
        self,
        session: Any,
        outputs: Sequence[str],
        feeds: Mapping[str, Any],
        *,
        host: Collection[str] = (),
        into: Mapping[str, DeviceArray] | None = None,
    ) -> list[Any]:
        """Run a session on what is on the device.

        feeds: arrays, copied there, and :class:`DeviceArray`, which are not. host: outputs that are wanted as NumPy
        arrays. into: tensors that outputs may overwrite; the others get memory of their own.
        """
        binding = session.io_binding()
        ort_value = onnxruntime().OrtValue
        kept = []  # ONNX Runtime borrows the memory of arrays until the run is over
        for name, feed in feeds.items():
            value = feed.value if isinstance(feed, DeviceArray) else ort_value.ortvalue_from_numpy(np.asarray(feed))
            kept.append(value)
            binding.bind_ortvalue_input(name, value)
        for name in outputs:
            if into and name in into:
                binding.bind_ortvalue_output(name, into[name].value)
            elif name in host:
                binding.bind_output(name, "cpu")
            else:
                binding.bind_output(name, self.kind, self.index)
        session.run_with_iobinding(binding, silent())
        # What was overwritten is its own OrtValue again: it owns the memory, which the binding's copy does not.
        values = [
            into[name].value if into and name in into else value
            for name, value in zip(outputs, binding.get_outputs(), strict=True)
        ]
        results = [DeviceArray(value) for value in values]
        return [found.numpy() if name in host else found for name, found in zip(outputs, results, strict=True)]


def memory_of(session: Any) -> Memory | None:
    """The memory of the device that a session runs on; ``None`` where that is the host's, or cannot be used.

    On a CPU binding saves copies that take no time to speak of: an Adam step at 512 x 512 takes as long either way.
    """
    providers = session.get_providers() if hasattr(session, "get_providers") else []
    kind = _KINDS.get(providers[0]) if providers else None
    if kind is None:
        return None
    options = session.get_provider_options().get(providers[0], {})
    return _tried(kind, int(options.get("device_id", 0) or 0))


@functools.cache
def _tried(kind: str, index: int) -> Memory | None:
    """Whether numbers come back from there as they went: some builds have a provider and no access to its memory."""
    probe = np.arange(7, dtype=np.float32)
    try:
        memory = Memory(kind, index)
        return memory if np.array_equal(memory.put(probe).numpy(), probe) else None
    except Exception as error:
        if not is_of_onnx_runtime(error):
            raise
        return None
