"""Lay the packages out by import name under build/types, for tools that look for files by that name.

The repository keeps ``pixelgrad.runtime`` in ``runtime/``; mypy and import-linter look for ``pixelgrad/runtime/``.
"""

from __future__ import annotations

import shutil
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    folders = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"]
    for package, folder in sorted(folders.items()):
        place = target / Path(*package.split("."))
        shutil.copytree(
            ROOT / folder, place, ignore=shutil.ignore_patterns("__pycache__", "training"), dirs_exist_ok=True
        )
    print(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "types")
