"""Which device to run on: the one asked for or none, and ``auto`` the first that starts."""

from __future__ import annotations

import os
from dataclasses import replace

from pixelgrad.errors import DeviceError, SettingsError
from pixelgrad.runtime.devices import DEVICES, Choice, parse_device
from pixelgrad.runtime.session import try_device

__all__ = ["choose_device"]


def choose_device(wanted: str = "auto", *, strict: bool | None = None) -> Choice:
    """The device for a name.

    wanted: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``directml``, ``webgpu``, ``openvino`` or ``coreml``, with options
        of its provider behind it if need be: ``cuda,use_tf32=0,gpu_mem_limit=6GB``. ``auto`` takes the first of
        CUDA, DirectML and the CPU that starts.
    strict: refuse a graph of which ONNX Runtime runs a part on the CPU; by default where ``PIXELGRAD_STRICT`` is 1.

    Raises :class:`SettingsError` for an unknown name, number or option, :class:`DeviceError` where the installed
    ONNX Runtime does not have that device: another one is never taken silently.
    """
    if not isinstance(wanted, str):
        raise SettingsError(f"the device is {wanted!r}; it must be a name: auto, {', '.join(DEVICES)} or cuda:N")
    if strict is None:
        strict = os.environ.get("PIXELGRAD_STRICT") == "1"
    if wanted.strip() == "auto":
        return replace(_automatic(), strict=strict)
    device, options = parse_device(wanted)
    if not device.available:
        there = ", ".join(row.name for row in DEVICES.values() if row.available)
        install = f"; for {device.name}: {device.install}" if device.install else ""
        raise DeviceError(f"device {wanted!r} cannot be used: {device.missing}. There is {there}{install}")
    return Choice(device, options, strict=strict)


def _automatic() -> Choice:
    rejected: dict[str, str] = {}
    for row in DEVICES.values():
        reason = _against(row.name)
        if not reason:
            return Choice(row, row.options, rejected)
        rejected[row.name] = reason
    raise DeviceError("the installed ONNX Runtime has no device at all; install it again: pip install 'pixelgrad[cpu]'")


def _against(name: str) -> str:
    """Why ``auto`` does not take a device; empty where it does."""
    row = DEVICES[name]
    if not row.available:
        return f"{row.missing} ({row.install})" if row.install else row.missing
    if not row.automatic:
        return f"taken only when asked for (--device {name})"
    if name == "cpu":
        return ""
    try:
        try_device(Choice(row, row.options))
    except DeviceError as error:
        return str(error)
    return ""
