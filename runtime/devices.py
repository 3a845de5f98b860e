"""Devices by name, as rows of data."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from pixelgrad.errors import SettingsError
from pixelgrad.runtime.onnx_runtime import installed_distributions, onnxruntime
from pixelgrad.runtime.plugins import endpoints, plugins
from pixelgrad.runtime.settings import memory_size

__all__ = ["DEVICES", "Choice", "Device", "parse_device"]


#: The option of CUDA that has a graph of kernels launched as one.
CAPTURE = "enable_cuda_graph"


@dataclass(frozen=True)
class Device:
    """One execution provider of ONNX Runtime under the name that people use.

    extra: the extra of pixelgrad that installs it. plugin: a wheel that adds it to another ONNX Runtime.
    platforms: the values of ``sys.platform`` that it exists on; all where empty.
    automatic: whether ``auto`` may choose it. numbered: whether ``name:1`` means the second one.
    options: provider options that pixelgrad sets. allowed: those that a user may set.
    """

    name: str
    provider: str
    extra: str
    plugin: str = ""
    platforms: tuple[str, ...] = ()
    automatic: bool = False
    numbered: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    allowed: tuple[str, ...] = ()

    @property
    def available(self) -> bool:
        """Whether the ONNX Runtime that is installed has it; not whether it starts."""
        return self.provider in onnxruntime().get_available_providers() or bool(endpoints(self.provider))

    @property
    def elsewhere(self) -> str:
        """Where it exists, if not here."""
        if not self.platforms or sys.platform in self.platforms:
            return ""
        return f"it exists on {' and '.join(_PLATFORMS[p] for p in self.platforms)} only"

    @property
    def missing(self) -> str:
        """Why it is not available, as far as that is known."""
        if self.elsewhere:
            return self.elsewhere
        for plugin in plugins():
            if self.provider in plugin.providers:
                hint = "; ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER=1 lets it use the CPU" if self.name == "webgpu" else ""
                return f"{plugin.distribution} is installed and {plugin.error or 'finds no GPU here' + hint}"
        return f"it is not in the installed {' and '.join(installed_distributions()) or 'ONNX Runtime'}"

    @property
    def install(self) -> str:
        """The command that installs it, whatever ONNX Runtime there is now; empty where there is none."""
        if self.elsewhere or any(self.provider in plugin.providers for plugin in plugins()):
            return ""
        present = [name for name in installed_distributions() if name != "onnxruntime" or self.extra != "cpu"]
        command = f"pip install 'pixelgrad[{self.extra}]'"
        command = f"pip uninstall -y {' '.join(present)} && {command}" if present else command
        if self.plugin and installed_distributions().keys() == {"onnxruntime"}:
            return f"pip install {self.plugin} (beside the ONNX Runtime that is there), or {command}"
        return command


_PLATFORMS = {"win32": "Windows", "darwin": "macOS"}

# Best first. The options of CUDA, after onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html:
# - cudnn_conv_algo_search: EXHAUSTIVE, the default, times every algorithm at every new image size, and each run has
#   several sizes; HEURISTIC asks cuDNN.
# - arena_extend_strategy: the default doubles the arena whenever it grows, which a run from coarse to fine makes it do.
# - use_tf32: tensor cores for float32 on Ampere and later, 10 bits of mantissa; ONNX Runtime's default, named here so
#   that it can be seen and switched off (cuda,use_tf32=0).
# - enable_cuda_graph: off, because each image size is then captured anew, with a session and its weights to itself.
_ROWS = (
    Device(
        "cuda",
        "CUDAExecutionProvider",
        "cuda",
        platforms=("linux", "win32"),
        automatic=True,
        numbered=True,
        options={
            "cudnn_conv_algo_search": "HEURISTIC",
            "arena_extend_strategy": "kSameAsRequested",
            "use_tf32": "1",
        },
        allowed=(
            "arena_extend_strategy",
            "cudnn_conv_algo_search",
            "cudnn_conv_use_max_workspace",
            CAPTURE,
            "gpu_mem_limit",
            "prefer_nhwc",
            "use_tf32",
        ),
    ),
    Device(
        "directml",
        "DmlExecutionProvider",
        "directml",
        platforms=("win32",),
        automatic=True,
        numbered=True,
        allowed=("device_filter", "disable_metacommands", "performance_preference"),
    ),
    Device(
        "coreml",
        "CoreMLExecutionProvider",
        "cpu",
        platforms=("darwin",),
        options={"ModelFormat": "MLProgram"},
        allowed=("MLComputeUnits", "ModelCacheDirectory", "ModelFormat", "RequireStaticInputShapes"),
    ),
    Device(
        "openvino",
        "OpenVINOExecutionProvider",
        "openvino",
        platforms=("linux", "win32"),
        allowed=("cache_dir", "device_type", "load_config", "num_of_threads", "num_streams", "precision"),
    ),
    Device(
        "webgpu",
        "WebGpuExecutionProvider",
        "webgpu",
        plugin="onnxruntime-ep-webgpu",
        allowed=("dawnBackendType", "enableInt64", "powerPreference", "preferredLayout", "validationMode"),
    ),
    Device("cpu", "CPUExecutionProvider", "cpu", automatic=True),
)
DEVICES: dict[str, Device] = {row.name: row for row in _ROWS}
_NAMED = re.compile(r"(?P<name>[a-z]+)(?::(?P<index>[0-9]+))?")
_BOTH = ("0", "1")
# What ONNX Runtime takes for these; its own message names neither the value nor what is allowed.
_VALUES = {
    "arena_extend_strategy": ("kNextPowerOfTwo", "kSameAsRequested"),
    "cudnn_conv_algo_search": ("EXHAUSTIVE", "HEURISTIC", "DEFAULT"),
    "cudnn_conv_use_max_workspace": _BOTH,
    CAPTURE: _BOTH,
    "prefer_nhwc": _BOTH,
    "use_tf32": _BOTH,
}


@dataclass(frozen=True)
class Choice:
    """The device to use, the provider options for it, and why each other one was passed over.

    strict: whether a node of the graph that ONNX Runtime puts on the CPU instead is an error.
    """

    device: Device
    options: Mapping[str, str] = field(default_factory=dict)
    rejected: Mapping[str, str] = field(default_factory=dict)
    strict: bool = False

    @property
    def captures(self) -> bool:
        """Whether gradient steps are to be captured as CUDA graphs."""
        return self.options.get(CAPTURE) == "1"

    @property
    def name(self) -> str:
        index = self.options.get("device_id")
        return self.device.name if index is None else f"{self.device.name}:{index}"


def parse_device(wanted: str) -> tuple[Device, dict[str, str]]:
    """The row and the provider options for ``cuda``, ``cuda:1``, ``cuda,use_tf32=0,gpu_mem_limit=6GB``, ...

    Raises :class:`SettingsError` for a name, a number or an option that does not exist.
    """
    first, *pairs = (part.strip() for part in wanted.split(","))
    match = _NAMED.fullmatch(first)
    if match and match["name"] == "auto":
        raise SettingsError(f"{wanted!r}: auto takes neither a number nor options; name the device that they are for")
    device = DEVICES.get(match["name"]) if match else None
    if match is None or device is None:
        raise SettingsError(f"there is no device {first!r}; choose auto, {', '.join(DEVICES)} or cuda:N")
    if match["index"] is not None and not device.numbered:
        numbered = " and ".join(f"{row.name}:N" for row in _ROWS if row.numbered)
        raise SettingsError(f"device {device.name!r} takes no number; only {numbered} do")
    options = dict(device.options)
    if match["index"] is not None:
        options["device_id"] = str(int(match["index"]))
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not value or key not in device.allowed:
            known = ", ".join(f"{name}=..." for name in device.allowed) or "none"
            raise SettingsError(f"device {device.name!r} has no option {pair!r}; it has {known}")
        if value not in _VALUES.get(key, (value,)):
            raise SettingsError(f"{key} is {value!r}; it must be {' or '.join(_VALUES[key])}")
        options[key] = str(memory_size(value, key)) if key == "gpu_mem_limit" else value
    return device, options
