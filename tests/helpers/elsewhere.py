"""Another Python, with an ONNX Runtime of its own, that is to run pixelgrad from this checkout."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from helpers import data

__all__ = ["plant", "reports"]


def plant(folder: Path) -> Path:
    """pixelgrad and these helpers by their import names, for a Python without them: what runs, not what exports."""
    package = folder / "pixelgrad"
    package.mkdir()
    for entry in [*(data.ROOT / "pixelgrad").iterdir(), *(data.ROOT / n for n in ("runtime", "models"))]:
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
