"""Artifacts whose gradient ONNX Runtime built itself, run by its on-device training API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from pixelgrad.errors import ArtifactError, DeviceError
from pixelgrad.runtime.devices import Choice
from pixelgrad.runtime.onnx_runtime import onnxruntime

__all__ = ["TrainingModule"]

Array = np.ndarray[Any, Any]
_IMAGE = "image"


class TrainingModule:
    """training_model.onnx and checkpoint behind the face of an inference session.

    default_weights: the value of each ``weight.*`` input, which a training graph cannot hold itself.
    Raises :class:`DeviceError` where the ONNX Runtime installed is not onnxruntime-training, or the device not the CPU.
    """

    def __init__(self, folder: Path, choice: Choice, default_weights: Mapping[str, float]) -> None:
        ort = onnxruntime()
        try:
            from onnxruntime.capi import _pybind_state as native

            make, load = native.Module, native.load_checkpoint
        except (ImportError, AttributeError):
            raise DeviceError(
                f"the artifact {str(folder)!r} was exported with --gradient ort-training, and the ONNX Runtime "
                "installed is not onnxruntime-training; run it where onnxruntime-training-cpu==1.19.2 is, or export it "
                "again with --gradient standard"
            ) from None
        if choice.device.name != "cpu":
            raise DeviceError(f"an artifact of ort-training runs on the CPU, not on {choice.name!r}; use --device cpu")
        options = ort.SessionOptions()
        options.enable_mem_pattern = False
        options.log_severity_level = 3
        place = native.OrtDevice(native.OrtDevice.cpu(), native.OrtDevice.default_memory(), 0)
        try:
            self._state = load(str(folder / "checkpoint"))
            self._module = make(str(folder / "training_model.onnx"), self._state, None, place, options)
        except Exception as error:  # ONNX Runtime raises bare RuntimeErrors
            reason = str(error).strip().splitlines()[-1]
            raise ArtifactError(f"onnxruntime-training cannot load {folder.name!r}: {reason}") from error
        # Kept alive: the module does not own them.
        self._options, self._place, self._native, self._ort = options, place, native, ort
        self._inputs = list(self._module.input_names(True))
        self._outputs = list(self._module.output_names(True))
        self._defaults = {f"weight.{name}": np.asarray(value, np.float32) for name, value in default_weights.items()}

    def get_inputs(self) -> list[Any]:
        """The inputs, of which the names are known."""
        return [SimpleNamespace(name=name) for name in (_IMAGE, *self._inputs)]

    def run(self, names: Sequence[str], feeds: Mapping[str, Array], options: Any = None) -> list[Array]:
        """The outputs ``names``; ``gradient`` is that of the loss with respect to ``feeds["image"]``."""
        parameter = self._state.get_parameter(_IMAGE)
        image = self._ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(feeds[_IMAGE], np.float32))
        parameter.copy_from(self._state, image._ortvalue)
        self._module.lazy_reset_grad()
        given = {**self._defaults, **feeds}
        fetched = self._native.OrtValueVector()
        self._module.train_step([np.asarray(given[name], np.float32) for name in self._inputs], fetched)
        found = dict(zip(self._outputs, (value.numpy() for value in fetched), strict=True))
        found["gradient"] = self._state.get_parameter(_IMAGE).grad.numpy().reshape(feeds[_IMAGE].shape)
        return [found[name] for name in names]
