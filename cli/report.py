"""What ``--json`` says of a run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from pixelgrad.runtime import Picture, StepEvent


def run_report(output: str, picture: Picture, device: str, first: StepEvent, last: StepEvent) -> dict[str, Any]:
    """output, width, height, device, steps, seconds, loss (first and last, in all and per term),
    peak memory in MB, and the measures of a task that has some."""
    width, height = picture.size
    losses = {name: {"first": first.losses.get(name), "last": last.losses[name]} for name in last.losses}
    return {
        "output": output,
        "width": width,
        "height": height,
        "device": device,
        "steps": last.step,
        "seconds": round(last.seconds, 3),
        "loss": {"total": {"first": first.loss, "last": last.loss}, **losses},
        "peak_memory_mb": round(peak_memory() / 2**20, 1),
        **({"measures": dict(last.measures)} if last.measures else {}),
    }


def peak_memory() -> int:
    """The most memory that this process has had, in bytes."""
    if sys.platform == "linux":
        # Not ru_maxrss: that is at least what the parent had when it started this process.
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)
