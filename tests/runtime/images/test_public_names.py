"""The package's promise to those who import it."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from types import ModuleType

import pixelgrad.runtime.images as images


def test_all_lists_what_is_there_and_nothing_else() -> None:
    public = {
        name for name, value in vars(images).items() if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert public == set(images.__all__)


def test_imports_numpy_and_pillow_only() -> None:
    assert images.__file__ is not None
    files = list(Path(images.__file__).parent.glob("*.py"))
    assert len(files) > 5
    allowed = {*sys.stdlib_module_names, "numpy", "PIL"}
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                ours = name == "pixelgrad.errors" or name.startswith("pixelgrad.runtime.images.")
                assert ours or name.partition(".")[0] in allowed, f"{file.name} imports {name}"
