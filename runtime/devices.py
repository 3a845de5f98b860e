"""Devices by name, as rows of data, and the choice among them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pixelgrad.errors import DeviceError, SettingsError
from pixelgrad.runtime.onnx_runtime import onnxruntime

__all__ = ["DEVICES", "Choice", "Device", "choose_device"]


@dataclass(frozen=True)
class Device:
    """One execution provider of ONNX Runtime under the name that people use.

    extra: the extra of pixelgrad that installs it. automatic: whether ``auto`` may choose it.
    """

    name: str
    provider: str
    extra: str
    automatic: bool = False
    options: Mapping[str, str] = field(default_factory=dict)


_ROWS = (
    Device("cuda", "CUDAExecutionProvider", "cuda", automatic=True),
    Device("directml", "DmlExecutionProvider", "directml", automatic=True),
    Device("coreml", "CoreMLExecutionProvider", "cpu"),
    Device("openvino", "OpenVINOExecutionProvider", "openvino"),
    Device("webgpu", "WebGpuExecutionProvider", "webgpu"),
    Device("cpu", "CPUExecutionProvider", "cpu", automatic=True),
)
DEVICES: dict[str, Device] = {row.name: row for row in _ROWS}
_NAMED = re.compile(r"(?P<name>[a-z]+)(?::(?P<index>\d+))?")


@dataclass(frozen=True)
class Choice:
    """The device to use, the provider options for it, and why each better one was passed over."""

    device: Device
    options: Mapping[str, str]
    rejected: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        index = self.options.get("device_id")
        return self.device.name if index is None else f"{self.device.name}:{index}"


def choose_device(wanted: str = "auto") -> Choice:
    """The device for a name: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``directml``, ``webgpu``, ...

    Raises :class:`SettingsError` for an unknown name, :class:`DeviceError` where the installed ONNX Runtime does
    not have that device: another one is never taken silently.
    """
    available = set(onnxruntime().get_available_providers())
    if wanted == "auto":
        rejected: dict[str, str] = {}
        for row in _ROWS:
            if not row.automatic:
                continue
            if row.provider in available:
                return Choice(row, row.options, rejected)
            rejected[row.name] = f"not in the installed ONNX Runtime (pip install 'pixelgrad[{row.extra}]')"
        raise DeviceError("the installed ONNX Runtime has no device at all; install it again")
    match = _NAMED.fullmatch(wanted)
    device = DEVICES.get(match["name"]) if match else None
    if match is None or device is None:
        raise SettingsError(f"there is no device {wanted!r}; choose auto, {', '.join(DEVICES)} or cuda:N")
    if match["index"] is not None and device.name not in {"cuda", "directml"}:
        raise SettingsError(f"device {device.name!r} takes no number; only cuda:N and directml:N do")
    if device.provider not in available:
        there = ", ".join(d.name for d in DEVICES.values() if d.provider in available)
        raise DeviceError(
            f"device {wanted!r} is not in the installed ONNX Runtime, which has {there}; another wheel brings it: "
            f"pip uninstall -y onnxruntime && pip install 'pixelgrad[{device.extra}]'"
        )
    options = dict(device.options)
    if match["index"] is not None:
        options["device_id"] = match["index"]
    return Choice(device, options)
