"""Sessions set up for this kind of graph, on the device asked for or not at all."""

from __future__ import annotations

import contextlib
import functools
import logging
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pixelgrad.errors import ArtifactError, DeviceError
from pixelgrad.runtime.devices import CAPTURE, Choice
from pixelgrad.runtime.failures import is_of_onnx_runtime, reason_of, silent
from pixelgrad.runtime.heap import tidy_heap
from pixelgrad.runtime.onnx_runtime import onnxruntime
from pixelgrad.runtime.placement import placement
from pixelgrad.runtime.plugins import endpoints

__all__ = ["open_session", "shrinking", "try_device"]

_LOG = logging.getLogger("pixelgrad")

# y = Relu(x) of one float32, as ONNX (IR 8, opset 18): the least that a provider must run to count as working.
_LEAST = bytes.fromhex(
    "08083a330a0c0a0178120179220452656c7512016c5a0f0a0178120a0a08080112040a020801620f0a0179120a0a08080112040a02080142040a001012"
)


@functools.cache
def _shared_arena() -> bool:
    """One CPU arena for all sessions: targets and steps are computed in turn, and each leaves the other its memory.

    A style transfer up to 512 x 512 through VGG-19 peaks at 1.0 GB so, against 1.17 GB with an arena for each.
    """
    ort = onnxruntime()
    place = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    try:
        ort.create_and_register_allocator(place, None)
    except Exception as error:  # the application that we are part of has registered its own
        if not is_of_onnx_runtime(error):
            raise
        return False
    return True


def shrinking() -> Any:
    """Run options that give the arena's unused memory back afterwards; for the first run at a new size."""
    options = silent()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


@functools.cache
def _cuda_libraries() -> None:
    """Load CUDA and cuDNN from the ``nvidia-*`` wheels where they are installed; the system's are found anyway."""
    preload = getattr(onnxruntime(), "preload_dlls", None)
    if preload is not None:
        with contextlib.redirect_stdout(sys.stderr):  # it prints what it does not find
            preload()


def open_session(model: Path | bytes, choice: Choice, *, sizes: Mapping[str, int] | None = None) -> Any:
    """An ``onnxruntime.InferenceSession`` on the chosen device. model: a file, or its content.

    sizes: values of the graph's symbolic dimensions, for a session that takes no others. Only such a one may be
        captured as a CUDA graph, if the CPU does nothing in it; for all others that option is left out.

    Raises :class:`DeviceError` where ONNX Runtime put another provider in its place, or where the choice is strict
    and some node was left to the CPU; :class:`ArtifactError` where the graph cannot be loaded. What was left to the
    CPU otherwise goes to the log ``pixelgrad`` as a warning.
    """
    ort = onnxruntime()
    options = ort.SessionOptions()
    # A plan for one image size would be made anew for each scale, and its arena kept: 1.6 GB against 1.0 GB for a
    # VGG-19 step at 512 x 512, at no gain in time.
    options.enable_mem_pattern = False
    # What an exception says is not printed as well; why a device does not start, ONNX Runtime says in its log alone.
    options.log_severity_level = 4 if choice.device.name == "cpu" else 3
    for dimension, size in (sizes or {}).items():
        options.add_free_dimension_override_by_name(dimension, size)
    captures = sizes is not None and choice.captures
    if not captures:
        choice = replace(choice, options={k: v for k, v in choice.options.items() if k != CAPTURE})
    on_cpu = choice.device.name == "cpu"
    if on_cpu and _shared_arena():
        options.add_session_config_entry("session.use_env_allocators", "1")
    if not on_cpu:
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    if choice.device.name == "cuda":
        _cuda_libraries()
    name = model.name if isinstance(model, Path) else "the graph"
    source = str(model) if isinstance(model, Path) else model
    if isinstance(source, str) and source != source.encode("utf-8", "replace").decode("utf-8"):
        raise ArtifactError(
            f"ONNX Runtime cannot open {source!r}: its path holds bytes that are no text; move it to another folder "
            "(PIXELGRAD_HOME names the one that pixelgrad keeps things in)"
        )
    try:
        # With its fallback enabled, Python's ONNX Runtime would print to stdout and go on with the CPU.
        with tidy_heap():
            session = ort.InferenceSession(source, options, enable_fallback=0, **_provider(ort, options, choice))
    except Exception as error:
        if not (is_of_onnx_runtime(error) or isinstance(error, ValueError | MemoryError)):
            raise
        reason = reason_of(error)
        if on_cpu:
            raise ArtifactError(f"ONNX Runtime cannot load {name!r}: {reason}") from error
        what = f"leave {CAPTURE} out" if captures else "try --device cpu"
        raise DeviceError(f"device {choice.name!r} failed to start: {reason}; {what}") from error
    placed = session.get_providers()
    if not placed or placed[0] != choice.device.provider:
        raise DeviceError(
            f"device {choice.name!r} failed to start and ONNX Runtime fell back to {''.join(placed[:1]) or 'nothing'}; "
            "its log on stderr says why (often a driver or library of another version). Try --device cpu, or "
            "pixelgrad doctor"
        )
    if not on_cpu:
        _check_placement(session, choice, name)
    return session


def _provider(ort: Any, options: Any, choice: Choice) -> dict[str, Any]:
    """How to ask for the provider: by name where it is built in, by its hardware where it is a plugin."""
    device = choice.device
    if device.provider in ort.get_available_providers():
        return {"providers": [(device.provider, dict(choice.options))]}
    rest = {key: value for key, value in choice.options.items() if key != "device_id"}
    found, number = endpoints(device.provider), int(choice.options.get("device_id", 0))
    if number >= len(found):
        raise DeviceError(f"device {choice.name!r} is not there: its provider found {len(found)} of its kind")
    options.add_provider_for_devices([found[number]], rest)
    return {}


def _check_placement(session: Any, choice: Choice, name: str) -> None:
    found = placement(session, choice.device.provider)
    if choice.captures and found is not None and (found.left or found.sizes):
        nodes = found.summary or f"{found.sizes} that compute sizes run on the CPU"
        raise DeviceError(f"{CAPTURE}=1 needs every node of {name!r} on the device: {nodes}; leave the option out")
    if found is None:
        if choice.strict:
            raise DeviceError(
                "this ONNX Runtime does not say where it runs each node, so PIXELGRAD_STRICT=1 cannot be kept; "
                "update it to 1.24 or later"
            )
        return
    if found.left:
        if choice.strict:
            examples = ", ".join(repr(node) for _, node in found.left[:3])
            raise DeviceError(
                f"device {choice.name!r} does not run all of {name!r}: {found.summary} (such as {examples}); unset "
                "PIXELGRAD_STRICT to run it all the same"
            )
        _LOG.warning("%s on %s: %s", name, choice.name, found.summary)


def try_device(choice: Choice) -> None:
    """Start a device and run one operator on it; raises :class:`DeviceError` where that does not work."""
    import numpy as np

    session = open_session(_LEAST, choice)
    try:
        (found,) = session.run(None, {"x": np.asarray([2], np.float32)})
    except Exception as error:
        if not is_of_onnx_runtime(error):
            raise
        reason = " ".join(str(error).split())
        raise DeviceError(f"device {choice.name!r} starts and does not run: {reason}") from error
    if found[0] != 2:
        raise DeviceError(f"device {choice.name!r} computes that the positive part of 2 is {found[0]}")
