"""A step as a CUDA graph: launched as one, with nothing looked up or allocated between its kernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pixelgrad.errors import DeviceError
from pixelgrad.runtime.devices import Choice
from pixelgrad.runtime.memory import DeviceArray, memory_of
from pixelgrad.runtime.onnx_runtime import onnxruntime
from pixelgrad.runtime.session import open_session

__all__ = ["CapturedStep"]

Array = np.ndarray[Any, Any]

# y = x, float32 of four dimensions, as ONNX (IR 8, opset 18): copies an image from one place on a device to another.
_COPY = bytes.fromhex(
    "08083a570a100a017812017922084964656e746974791201635a1f0a0178121a0a18080112140a031201610a031201620a03"
    "1201630a03120164621f0a0179121a0a18080112140a031201610a031201620a031201630a0312016442040a001012"
)


class CapturedStep:
    """A graph at one size, whose inputs and outputs are always in the same places.

    ONNX Runtime captures the first run as a CUDA graph and replays it from then on, with the addresses of that run. So
    what is given is copied to those addresses and what comes out is copied from them, on the device.

    feeds: every input of the graph, as for the first run; later ones have the same shapes. outputs: those wanted.
    Raises :class:`DeviceError` where the device has no memory that can be reached, or leaves any node to the CPU.
    """

    def __init__(self, model: Path, choice: Choice, feeds: Mapping[str, Any], outputs: Sequence[str]) -> None:
        self.shapes = {name: np.shape(feed) for name, feed in feeds.items()}
        self._session = open_session(model, choice, sizes=_sizes(self.shapes))
        memory = memory_of(self._session)
        if memory is None:
            raise DeviceError(
                f"enable_cuda_graph=1 needs tensors in the memory of {choice.name!r}, which this ONNX Runtime "
                "cannot reach; leave the option out"
            )
        self._memory = memory
        self._copier = open_session(_COPY, choice)
        self._given: dict[str, Any] = {}
        self._inputs = {name: memory.put(np.array(feed, np.float32)) for name, feed in feeds.items()}
        self._binding = self._session.io_binding()
        for name, place in self._inputs.items():
            self._binding.bind_ortvalue_input(name, place.value)
        shapes = {value.name: value.shape for value in self._session.get_outputs()}
        self._outputs = {name: self._empty(name, shapes[name]) for name in outputs}
        for name, place in self._outputs.items():
            self._binding.bind_ortvalue_output(name, place.value)

    def fits(self, feeds: Mapping[str, Any]) -> bool:
        """Whether these have the shapes that it was made for."""
        return {name: np.shape(feed) for name, feed in feeds.items()} == self.shapes

    def run(self, feeds: Mapping[str, Any], host: Sequence[str]) -> list[Any]:
        """The outputs in order: those in ``host`` as NumPy arrays, the others in new memory on the device."""
        for name, feed in feeds.items():
            self._put(name, feed)
        self._session.run_with_iobinding(self._binding)
        return [place.value.numpy() if name in host else self._copied(place) for name, place in self._outputs.items()]

    def _put(self, name: str, feed: Any) -> None:
        if name != "image" and self._given.get(name) is feed:  # a target: it is there already
            return
        if isinstance(feed, DeviceArray):
            self._memory.run(self._copier, ["y"], {"x": feed}, into={"y": self._inputs[name]})
        else:
            self._inputs[name].value.update_inplace(np.array(feed, np.float32, order="C"))
        self._given[name] = feed

    def _copied(self, place: DeviceArray) -> DeviceArray:
        (copy,) = self._memory.run(self._copier, ["y"], {"x": place})
        assert isinstance(copy, DeviceArray)
        return copy

    def _empty(self, name: str, shape: Sequence[Any]) -> DeviceArray:
        if not all(isinstance(size, int) for size in shape):
            raise DeviceError(
                f"enable_cuda_graph=1 needs every size known beforehand, and that of {name!r} is {list(shape)}; leave "
                "the option out"
            )
        value = onnxruntime().OrtValue.ortvalue_from_shape_and_type(
            list(shape), np.float32, self._memory.kind, self._memory.index
        )
        return DeviceArray(value)


def _sizes(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """The names that the sizes of images and masks have in a graph, with their values."""
    sizes = dict(zip(("H", "W"), shapes["image"][2:], strict=True))
    for name, shape in shapes.items():
        if name.startswith("mask."):
            sizes |= {f"{name}.height": shape[2], f"{name}.width": shape[3]}
    return sizes
