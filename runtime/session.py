"""Sessions set up for this kind of graph, on the device asked for or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pixelgrad.errors import ArtifactError, DeviceError
from pixelgrad.runtime.devices import Choice
from pixelgrad.runtime.onnx_runtime import onnxruntime


def open_session(model: Path, choice: Choice) -> Any:
    """An ``onnxruntime.InferenceSession`` on the chosen device.

    Raises :class:`DeviceError` where ONNX Runtime put another provider in its place, :class:`ArtifactError` where
    the graph cannot be loaded.
    """
    ort = onnxruntime()
    options = ort.SessionOptions()
    # A plan for one image size would be made anew for each scale, and its arena kept: 1.7 GB against 1.0 GB for a
    # VGG-19 step at 512 x 512, at no gain in time.
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    provider = (choice.device.provider, dict(choice.options))
    try:
        session = ort.InferenceSession(str(model), options, providers=[provider])
    except Exception as error:  # ONNX Runtime raises a type of its own for each status code
        reason = str(error).strip().splitlines()[-1]
        if choice.device.name == "cpu":
            raise ArtifactError(f"ONNX Runtime cannot load {model.name!r}: {reason}") from error
        raise DeviceError(f"device {choice.name!r} failed to start: {reason}; try --device cpu") from error
    placed = session.get_providers()
    if not placed or placed[0] != choice.device.provider:
        raise DeviceError(
            f"device {choice.name!r} failed to start and ONNX Runtime fell back to {''.join(placed[:1]) or 'nothing'}; "
            "its log on stderr says why (often a driver or library of another version). Try --device cpu"
        )
    return session
