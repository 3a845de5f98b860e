"""The package's promise to those who import it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pixelgrad.runtime.images as images


def test_all_lists_what_is_there_and_nothing_else() -> None:
    public = {
        name
        for name, value in vars(images).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert public == set(images.__all__)


def test_imports_numpy_and_pillow_only(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "import pixelgrad.runtime.images\n"
        "allowed = {'numpy', 'PIL', 'pixelgrad', *sys.stdlib_module_names}\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "with_files = {n for n in new if getattr(sys.modules.get(n), '__file__', None)}\n"
        "print(*sorted(n for n in with_files - allowed if not n.startswith('_')))\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert (result.returncode, result.stdout.strip()) == (0, ""), result.stderr
