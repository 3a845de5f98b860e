"""CUDA and cuDNN without a GPU, for ONNX Runtime's own CUDA provider to start: where it puts nodes is then real.

What kernels compute is not: they do nothing, and device memory is zeros until something is copied into it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

__all__ = ["build", "missing"]

_TOOLS = ("gcc", "nm", "readelf")
_HERE = Path(__file__).resolve().parent
# Loaded by name while it runs, so they are in no table of the provider.
_LOADED = ("libcudnn.so.9", "libcufft.so.11", "libcufft.so.12")
_LOADED_SYMBOL = re.compile(rb"(?:cudnn|cufft)[A-Z][A-Za-z0-9_]+(?=\0)")
_LINKED_SYMBOL = re.compile(r" U ((?:__)?cu[A-Za-z0-9_]+)(?:@+(\S+))?$", re.MULTILINE)


def build(provider: Path, folder: Path) -> Path:
    """``folder``, for LD_LIBRARY_PATH, with every library that ``libonnxruntime_providers_cuda.so`` asks for.

    It is one library under many names, with the symbols that are looked up in each, and their versions.
    """
    folder.mkdir(parents=True, exist_ok=True)
    linked = dict(_LINKED_SYMBOL.findall(_out("nm", "-D", "--undefined-only", str(provider))))
    loaded = {name.decode() for name in _LOADED_SYMBOL.findall(provider.read_bytes())}
    written = folder / "written.o"
    _out("gcc", "-c", "-fPIC", "-O1", "-w", str(_HERE / "stub.c"), "-o", str(written))
    there = set(re.findall(r" T (\w+)$", _out("nm", "-g", "--defined-only", str(written)), re.MULTILINE))
    rest = folder / "rest.c"
    rest.write_text("".join(f"int {name}(void) {{ return 0; }}\n" for name in sorted({*linked, *loaded} - there)))
    versions = folder / "versions"
    versions.write_text(
        "".join(
            f"{version} {{ {' '.join(f'{name};' for name, its in linked.items() if its == version)} }};\n"
            for version in sorted({version for version in linked.values() if version})
        )
    )
    library = folder / "libcudastub.so"
    _out(
        "gcc", "-shared", "-fPIC", "-w", str(written), str(rest), "-o", str(library), f"-Wl,--version-script={versions}"
    )
    asked = re.findall(r"NEEDED.*\[(libcu\S+)\]", _out("readelf", "-d", str(provider)))
    for name in (*asked, *_LOADED):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(library.name)
    return folder


def missing() -> str:
    """The tools that it takes and that are not here."""
    return " and ".join(tool for tool in _TOOLS if shutil.which(tool) is None)


def _out(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
