"""Another Python, with an ONNX Runtime of its own, that is to run pixelgrad from this checkout."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

__all__ = ["plant", "reports"]

ROOT = Path(__file__).resolve().parents[2]
_RUNS, _EXPORTS = ("runtime", "models"), ("cli", "exporters")


def plant(folder: Path, *, exports: bool = False) -> Path:
    """pixelgrad and these helpers by their import names, for a Python without them.

    exports: all of it, not only what runs.
    """
    package = folder / "pixelgrad"
    package.mkdir()
    for entry in [*(ROOT / "pixelgrad").iterdir(), *(ROOT / name for name in _RUNS + _EXPORTS * exports)]:
        (package / entry.name).symlink_to(entry)
    (folder / "helpers").symlink_to(Path(__file__).parent)
    return folder


def reports(python: str, script: str, *arguments: str, tree: Path, **environment: str) -> list[dict[str, Any]]:
    """The lines of JSON that ``script`` prints there; it must succeed."""
    command = [python, "-P", script, *arguments]
    everything = {**os.environ, "PYTHONPATH": str(tree), **environment}
    found = subprocess.run(command, env=everything, capture_output=True, text=True, timeout=900, check=False)
    assert found.returncode == 0, found.stderr[-2000:]
    return [json.loads(line) for line in found.stdout.splitlines() if line.startswith("{")]
