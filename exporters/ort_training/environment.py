"""Finding the environment that onnxruntime-training is installed in."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from pixelgrad.errors import DeviceError

VARIABLE = "PIXELGRAD_ORT_TRAINING_PYTHON"
SET_UP = (
    "python3.11 -m venv ort-training && ort-training/bin/pip install onnxruntime-training-cpu==1.19.2 && "
    f"export {VARIABLE}=$PWD/ort-training/bin/python"
)


def training_python() -> Path:
    """The Python interpreter whose ONNX Runtime builds gradients: that of ``PIXELGRAD_ORT_TRAINING_PYTHON``, or this
    one where onnxruntime-training is the ONNX Runtime installed.

    Raises :class:`DeviceError` with the set-up command where there is none, or where it does not work.
    """
    chosen = os.environ.get(VARIABLE)
    if not chosen:
        if _installed_here():
            return Path(sys.executable)
        raise DeviceError(
            f"the gradient builder ort-training needs onnxruntime-training, in an environment of its own: {SET_UP}"
        )
    if not Path(chosen).is_file():
        raise DeviceError(f"{VARIABLE} is {chosen!r}, which is no file; set it up anew: {SET_UP}")
    probe = "import onnx; from onnxruntime.capi._pybind_state import GradientGraphBuilder"
    found = subprocess.run([chosen, "-c", probe], capture_output=True, text=True, check=False)
    if found.returncode:
        reason = (found.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise DeviceError(
            f"{chosen!r} ({VARIABLE}) has no working onnxruntime-training ({reason}); set it up: {SET_UP}"
        )
    return Path(chosen)


def _installed_here() -> bool:
    for name in ("onnxruntime-training", "onnxruntime-training-cpu"):
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        return True
    return False
