"""Sessions set up for this kind of graph, on the device asked for or not at all."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from pixelgrad.errors import ArtifactError, DeviceError
from pixelgrad.runtime.devices import Choice
from pixelgrad.runtime.onnx_runtime import onnxruntime


@functools.cache
def _shared_arena() -> bool:
    """One CPU arena for all sessions: targets and steps are computed in turn, and each leaves the other its memory.

    A style transfer up to 512 x 512 through VGG-19 peaks at 1.0 GB so, against 1.17 GB with an arena for each.
    """
    ort = onnxruntime()
    place = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    try:
        ort.create_and_register_allocator(place, None)
    except Exception:  # the application that we are part of has registered its own
        return False
    return True


def shrinking() -> Any:
    """Run options that give the arena's unused memory back afterwards; for the first run at a new size."""
    options = onnxruntime().RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


def open_session(model: Path, choice: Choice) -> Any:
    """An ``onnxruntime.InferenceSession`` on the chosen device.

    Raises :class:`DeviceError` where ONNX Runtime put another provider in its place, :class:`ArtifactError` where
    the graph cannot be loaded.
    """
    ort = onnxruntime()
    options = ort.SessionOptions()
    # A plan for one image size would be made anew for each scale, and its arena kept: 1.6 GB against 1.0 GB for a
    # VGG-19 step at 512 x 512, at no gain in time.
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    if _shared_arena():
        options.add_session_config_entry("session.use_env_allocators", "1")
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
