"""Finding ONNX Runtime: its wheels share one import name, so exactly one of them may be installed."""

from __future__ import annotations

import functools
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


@functools.cache
def onnxruntime() -> ModuleType:
    """The ``onnxruntime`` module.

    Raises :class:`DeviceError` with the exact pip line where there is none, or where several wheels have written
    over each other.
    """
    installed = installed_distributions()
    if len(installed) > 1:
        names = " ".join(installed)
        keep = (
            next((extra for name, extra in DISTRIBUTIONS.items() if name in installed and extra != "cpu"), "") or "cpu"
        )
        raise DeviceError(
            f"several ONNX Runtimes are installed over each other ({', '.join(installed)}); keep one: "
            f'pip uninstall -y {names} && pip install "pixelgrad[{keep}]"'
        )
    try:
        import onnxruntime as module
    except ImportError as error:
        raise DeviceError(
            f"ONNX Runtime cannot be imported ({error}); install one: "
            'pip install "pixelgrad[cpu]" (or cuda, directml, openvino, webgpu instead of cpu)'
        ) from error
    return cast(ModuleType, module)
