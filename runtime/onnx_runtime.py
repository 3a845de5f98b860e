"""Finding ONNX Runtime: its wheels share one import name, so exactly one of them may be installed."""

from __future__ import annotations

import functools
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from types import ModuleType
from typing import cast

from pixelgrad.errors import DeviceError

# Distribution -> the extra of pixelgrad that installs it.
DISTRIBUTIONS = {
    "onnxruntime": "cpu",
    "onnxruntime-gpu": "cuda",
    "onnxruntime-directml": "directml",
    "onnxruntime-openvino": "openvino",
    "onnxruntime-webgpu": "webgpu",
    "onnxruntime-training": "",
    "onnxruntime-training-cpu": "",
}


def installed_distributions() -> dict[str, str]:
    """The ONNX Runtime wheels that are installed, with their versions."""
    found = {}
    for name in DISTRIBUTIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@contextmanager
def _signals_held() -> Iterator[None]:
    """Let the handlers of signals wait until the end of the block.

    C code that is being imported turns an exception of a signal into an ImportError, or loses it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals go to the main thread, which is in no import of ours
        return
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    ours = [number for number, handler in before.items() if callable(handler)]
    for number in ours:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number])
        if came:
            signal.raise_signal(came[0])


@functools.cache
def onnxruntime() -> ModuleType:
    """The ``onnxruntime`` module, which is not to report to its maker what it runs, unless the environment says so.

    Raises :class:`DeviceError` with the exact pip line where there is none or a broken one, or where several wheels
    have written over each other.
    """
    installed = installed_distributions()
    keep = next((extra for name, extra in DISTRIBUTIONS.items() if name in installed and extra != "cpu"), "") or "cpu"
    again = f'pip uninstall -y {" ".join(installed)} && pip install "pixelgrad[{keep}]"'
    if len(installed) > 1:
        raise DeviceError(
            f"several ONNX Runtimes are installed over each other ({', '.join(installed)}); keep one: {again}"
        )
    # Its wheels since 1.29 keep a number for the user, and send it with hashes and file names of networks. Only what is
    # set before it is imported stops all of that; an application that has imported it already has decided.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        with _signals_held():
            import onnxruntime as module
    except Exception as error:  # one that is broken, or made for another NumPy, has many ways to say so
        fix = (
            f"install it again: {again}"
            if installed
            else 'install one: pip install "pixelgrad[cpu]" (or cuda, directml, openvino, webgpu instead of cpu)'
        )
        raise DeviceError(f"ONNX Runtime cannot be imported ({' '.join(str(error).split())}); {fix}") from error
    if not hasattr(module, "InferenceSession"):
        places = ", ".join(getattr(module, "__path__", [getattr(module, "__file__", None) or "?"]))
        fix = again if installed else 'pip install "pixelgrad[cpu]"'
        raise DeviceError(
            f"what is called onnxruntime in {places} is not ONNX Runtime, or what is left of one of two that were "
            f"installed over each other; install it again: {fix}"
        )
    return cast(ModuleType, module)
