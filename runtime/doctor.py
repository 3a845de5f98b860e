"""What this machine can run on, found out by trying, and what stands in the way."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixelgrad.errors import DeviceError, PixelgradError
from pixelgrad.runtime.devices import DEVICES, Device
from pixelgrad.runtime.onnx_runtime import installed_distributions, onnxruntime
from pixelgrad.runtime.plugins import plugins
from pixelgrad.runtime.probing import WRONG, answer
from pixelgrad.version import __version__

__all__ = ["DeviceReport", "Problem", "check_devices", "describe_machine", "find_problems"]

# A first start compiles kernels: WebGPU on a software Vulkan takes half a minute.
_PATIENCE = 300
# What drivers print is in any encoding.
_CAPTURED: dict[str, Any] = {"capture_output": True, "text": True, "errors": "replace", "check": False}
_VARIABLES = ("CUDA_VISIBLE_DEVICES", "PIXELGRAD_HOME", "PIXELGRAD_STRICT", "VK_ICD_FILENAMES", "LD_LIBRARY_PATH")


@dataclass(frozen=True)
class DeviceReport:
    """One device, tried.

    state: ``works``, ``slow`` (right, and slower than the CPU), ``wrong`` (its gradient differs from the CPU's),
        ``fails`` (it is installed and does not start or run), or ``unavailable``.
    reason: why it fails or is not there. install: the command that brings it, where one does.
    error, size, milliseconds, cpu_milliseconds, left: as of :func:`pixelgrad.runtime.probing.probe`.
    """

    name: str
    provider: str
    state: str
    reason: str = ""
    install: str = ""
    error: float | None = None
    size: int | None = None
    milliseconds: float | None = None
    cpu_milliseconds: float | None = None
    left: dict[str, int] | None = None


@dataclass(frozen=True)
class Problem:
    """Something that stands in the way. fix: what to do about it, a command where there is one."""

    what: str
    fix: str


def check_devices(artifact: Path) -> Iterator[DeviceReport]:
    """Try a gradient step of ``artifact`` on every device, each in a process of its own, and compare with the CPU.

    In a frozen application, whose executable is no Python, in this process: a driver may then take it down.
    Raises :class:`DeviceError` where there is no usable ONNX Runtime at all.
    """
    for row in DEVICES.values():
        if row.available:
            yield judge(row, _try(row, artifact))
        else:
            yield DeviceReport(row.name, row.provider, "unavailable", row.missing, row.install)


def judge(row: Device, result: dict[str, Any]) -> DeviceReport:
    """The verdict on what a probe gave."""
    if "failure" in result:
        return DeviceReport(row.name, row.provider, "fails", result["failure"])
    wrong = not result["error"] <= WRONG
    slow = row.name != "cpu" and result["milliseconds"] > result["cpu_milliseconds"]
    reason = ""
    if wrong:
        reason = f"its gradient is off by {result['error']:.2g} of its length; do not use it for this kind of network"
    elif slow:
        reason = "it is slower than the CPU"
    state = "wrong" if wrong else "slow" if slow else "works"
    return DeviceReport(row.name, row.provider, state, reason, **{k: v for k, v in result.items() if k != "provider"})


def _try(row: Device, artifact: Path) -> dict[str, Any]:
    if _packed():
        return answer(row.name, artifact)
    # -P: whatever folder this runs in, its modules are not ours.
    command = [sys.executable, "-P", "-m", "pixelgrad.runtime.probing", row.name, str(artifact)]
    try:
        run = subprocess.run(command, timeout=_PATIENCE, **_CAPTURED)
    except subprocess.TimeoutExpired:
        return {"failure": f"no answer within {_PATIENCE} seconds; its driver may hang"}
    result = _answer(run.stdout)
    if run.returncode == 0 and result is not None:
        if "failure" in result:
            result["failure"] = f"{result['failure'].partition('; its log')[0]}{_logged(run.stderr)}"
        return result
    said = [line for line in run.stderr.strip().splitlines() if line.strip()]
    how = f"signal {-run.returncode}" if run.returncode < 0 else f"exit code {run.returncode}"
    return {"failure": f"it took the process down ({how}){': ' + said[-1] if said else ''}"}


def _packed() -> bool:
    """Whether no other process could import this: an application that is frozen, or one file, or brings its Python."""
    return getattr(sys, "frozen", False) or not sys.executable or not Path(__file__).is_file()


def _answer(stdout: str) -> dict[str, Any] | None:
    """The line of JSON among what else a driver prints, before and after it."""
    for line in reversed(stdout.splitlines()):
        with contextlib.suppress(ValueError):
            if isinstance(found := json.loads(line), dict):
                return found
    return None


def _logged(stderr: str) -> str:
    """What ONNX Runtime's log gives as the reason of a failure, where it gives one."""
    found = re.findall(r"(?:with error: |Failed to create \w+\. )([^\x1b\n]+)", stderr)
    return f": {found[0].strip()}" if found else ""


def describe_machine() -> dict[str, Any]:
    """Versions, ONNX Runtime distributions, providers, plugins, hardware and drivers; JSON-able. Never raises."""
    facts: dict[str, Any] = {
        "pixelgrad": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "onnxruntime": {"distributions": installed_distributions()},
        "drivers": _drivers(),
        "variables": {name: os.environ[name] for name in _VARIABLES if name in os.environ},
    }
    try:
        ort = onnxruntime()
    except PixelgradError:
        return facts
    facts["onnxruntime"] |= {
        "version": ort.__version__,
        "providers": [name for name in ort.get_available_providers() if name != "AzureExecutionProvider"],
        "plugins": [
            {"distribution": p.distribution, "version": p.version, "providers": list(p.providers), "error": p.error}
            for p in plugins()
        ],
        "hardware": [
            {
                "provider": device.ep_name,
                "kind": device.device.type.name,
                "vendor": device.device.vendor,
                **dict(device.device.metadata),
            }
            for device in (ort.get_ep_devices() if hasattr(ort, "get_ep_devices") else [])
        ],
    }
    return facts


def _processor() -> str:
    """The name that Linux gives the CPU, elsewhere what Python knows."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor()


def _drivers() -> dict[str, str]:
    """What the drivers say of themselves."""
    found = {}
    queries = {
        "nvidia": ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"],
        "vulkan": ["vulkaninfo", "--summary"],
    }
    for name, command in queries.items():
        if shutil.which(command[0]) is None:
            continue
        try:
            run = subprocess.run(command, timeout=20, **_CAPTURED)
        except (OSError, subprocess.TimeoutExpired):
            continue
        lines = [line.strip() for line in run.stdout.splitlines()]
        if name == "vulkan":
            lines = [line.partition("=")[2].strip() for line in lines if line.startswith("deviceName")]
        if run.returncode == 0 and any(lines):
            found[name] = "; ".join(line for line in lines if line)
    return found


def find_problems(machine: dict[str, Any], devices: list[DeviceReport]) -> list[Problem]:
    """What stands in the way, worst first."""
    problems = []
    try:
        onnxruntime()
    except DeviceError as error:
        what, _, fix = str(error).partition(": pip")
        problems.append(Problem(what, f"pip{fix}" if fix else "install ONNX Runtime again"))
    problems += [
        Problem(f"plugin {plugin['distribution']}: {plugin['error']}", f"pip install -U {plugin['distribution']}")
        for plugin in machine["onnxruntime"].get("plugins", [])
        if plugin["error"]
    ]
    for report in devices:
        if report.state == "fails":
            problems.append(
                Problem(f"device {report.name} is installed and fails: {report.reason}", _cure(report.name))
            )
        if report.state == "wrong":
            problems.append(
                Problem(
                    f"device {report.name} computes a wrong gradient: {report.reason}",
                    "update its driver and ONNX Runtime, or use --device cpu",
                )
            )
    if "nvidia" in machine["drivers"] and not any(r.name == "cuda" and r.state != "unavailable" for r in devices):
        problems.append(
            Problem(
                f"there is an NVIDIA GPU ({machine['drivers']['nvidia']}) that is not used", DEVICES["cuda"].install
            )
        )
    if importlib.util.find_spec("onnx_ir") is None or importlib.util.find_spec("onnx") is None:
        problems.append(
            Problem("networks cannot be exported here, only finished artifacts run", "pip install 'pixelgrad[export]'")
        )
    return problems


def _cure(name: str) -> str:
    return {
        "cuda": "check the driver with nvidia-smi; pip install 'onnxruntime-gpu[cuda,cudnn]' brings CUDA and cuDNN",
        "webgpu": "install a Vulkan driver (Debian: mesa-vulkan-drivers libvulkan1); vulkaninfo must list a GPU",
        "openvino": "pip install -U onnxruntime-openvino",
    }.get(name, "update its driver, or use --device cpu")
