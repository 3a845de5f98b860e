"""``pixelgrad devices``: what there is to run on, each tried."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from pixelgrad.cli import options
from pixelgrad.cli.console import print_json, reports_errors, tell
from pixelgrad.errors import DeviceError
from pixelgrad.probe import probe_artifact
from pixelgrad.runtime import choose_device
from pixelgrad.runtime.doctor import DeviceReport, check_devices


@reports_errors
def devices_command(json: options.Json = False) -> None:
    """List the devices, and try a short gradient step on each one that is installed.

    Example: pixelgrad devices
    """
    automatic = choose_device("auto")
    reports = list(check_devices(probe_artifact()))
    if json:
        rows = [asdict(report) for report in reports]
        print_json({"auto": automatic.name, "rejected": dict(automatic.rejected), "devices": rows})
    else:
        print_devices(reports)
        tell(f"--device auto takes {automatic.name}")
    if not any(report.state in {"works", "slow"} for report in reports):
        raise DeviceError("no device computes a right gradient; pixelgrad doctor says more")


def print_devices(reports: Iterable[DeviceReport]) -> None:
    """A line for each device, and below it what is to be said of it."""
    for report in reports:
        facts = []
        if report.milliseconds is not None and report.size is not None and report.error is not None:
            facts.append(f"{report.milliseconds:.1f} ms a step of {report.size}x{report.size}")
            if report.name != "cpu":
                facts[0] += f" (CPU {report.cpu_milliseconds:.1f} ms)"
                facts.append(f"gradient error {report.error:.1e}")
                facts.append(_left(report.left))
        else:
            facts.append(report.reason)
        tell(f"{report.name:<9} {report.state:<12} {', '.join(facts)}")
        if report.state == "wrong":
            tell(f"{'':22} {report.reason}")
        if report.install and report.state == "unavailable":
            tell(f"{'':22} {report.install}")


def _left(left: dict[str, int] | None) -> str:
    if left is None:
        return "nodes left to the CPU unknown (ONNX Runtime before 1.24)"
    if not left:
        return "no node left to the CPU"
    most = sorted(left.items(), key=lambda item: -item[1])
    return f"{sum(left.values())} nodes left to the CPU ({', '.join(f'{count} {name}' for name, count in most)})"
