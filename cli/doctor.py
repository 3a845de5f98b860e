"""``pixelgrad doctor``: what is installed, what works, what is in the way and how to get it out of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import typer

from pixelgrad.cli import options
from pixelgrad.cli.console import print_json, reports_errors, tell
from pixelgrad.cli.devices import print_devices
from pixelgrad.errors import DeviceError, OutputError
from pixelgrad.probe import probe_artifact
from pixelgrad.runtime.doctor import DeviceReport, Problem, check_devices, describe_machine, find_problems


@reports_errors
def doctor_command(json: options.Json = False) -> None:
    """Check the installation and every device; the exit code is 1 where something is wrong.

    Example: pixelgrad doctor --json > report.json
    """
    machine = describe_machine()
    devices: list[DeviceReport] = []
    closed: list[Problem] = []
    try:
        devices = list(check_devices(probe_artifact()))
    except DeviceError:
        pass  # no usable ONNX Runtime, or no exporters: find_problems says why, and the rest is still worth saying
    except OutputError as error:
        closed.append(
            Problem(f"no device could be tried: {error}", "set PIXELGRAD_HOME to a folder that can be written")
        )
    problems = closed + find_problems(machine, devices)
    if json:
        print_json(
            {
                "machine": machine,
                "devices": [asdict(report) for report in devices],
                "problems": [asdict(problem) for problem in problems],
            }
        )
    else:
        _print_machine(machine)
        print_devices(devices)
        for problem in problems:
            tell(f"\nproblem: {problem.what}\n    fix: {problem.fix}")
        if not problems:
            tell("nothing is wrong")
    if problems:
        raise typer.Exit(1)


def _print_machine(machine: dict[str, Any]) -> None:
    runtime = machine["onnxruntime"]
    wheels = ", ".join(f"{name} {version}" for name, version in runtime["distributions"].items()) or "not installed"
    lines = {
        "pixelgrad": f"{machine['pixelgrad']}, Python {machine['python']}, {machine['platform']}",
        "processor": f"{machine['processor']}, {machine['cores']} cores",
        "ONNX Runtime": wheels,
        "providers": ", ".join(runtime.get("providers", [])),
        "plugins": ", ".join(f"{p['distribution']} {p['version']}" for p in runtime.get("plugins", [])),
        "drivers": ", ".join(f"{name}: {said}" for name, said in machine["drivers"].items()),
        "variables": ", ".join(f"{name}={value}" for name, value in machine["variables"].items()),
    }
    for name, value in lines.items():
        if value:
            tell(f"{name:<12} {value}")
    tell("")
