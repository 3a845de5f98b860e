"""Imported first, by a benchmark that runs where pixelgrad is not installed: it is then found in this clone."""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from helpers.elsewhere import plant

__all__: list[str] = []

_TREE = tempfile.TemporaryDirectory()  # for as long as the process runs
if importlib.util.find_spec("pixelgrad") is None:
    sys.path.insert(0, str(plant(Path(_TREE.name), exports=True)))
    # For the processes that it starts.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [_TREE.name, os.environ.get("PYTHONPATH")]))
