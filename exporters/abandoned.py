"""What a process that was killed while it wrote an artifact has left beside it."""

from __future__ import annotations

import re
import shutil
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["remove_abandoned"]

_DAY = 24 * 3600  # seconds; whoever has written for as long does not write any more


def remove_abandoned(directory: Path, manifest: str) -> None:
    """Remove hidden folders of more than a day ago in which ``directory`` was being written, or was set aside.

    manifest: the file that is written last. A folder that has it is nobody's leftover, unless it bears the name that
    an artifact has while another takes its place.
    """
    ours = re.compile(rf"\.{re.escape(directory.name)}\.([a-z0-9_]{{8}}|old-\d+)")
    with suppress(OSError):
        for folder in directory.parent.iterdir():
            name = ours.fullmatch(folder.name)
            if name is None or folder.is_symlink() or not folder.is_dir():
                continue
            if time.time() - folder.stat().st_mtime < _DAY:
                continue
            names = {entry.name for entry in folder.iterdir()}
            set_aside = name[1].startswith("old-") and directory.exists()
            if set_aside or (manifest not in names and all(n.endswith((".onnx", ".bin")) for n in names)):
                shutil.rmtree(folder, ignore_errors=True)
