"""What the C heap is told around the loading of a session."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from pixelgrad.runtime import heap

# Blocks of 4 MB made and freed one in two, as a session does with its weights: the rest hold the heap's end up.
_PROGRAM = """
import contextlib, ctypes, json, sys
from pixelgrad.runtime.heap import tidy_heap

def resident():
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
libc.free(libc.malloc(24 << 20))  # from here on glibc keeps blocks up to this on its heap
before = resident()
with tidy_heap() if sys.argv[1] == "tidy" else contextlib.nullcontext():
    blocks = [libc.malloc(4 << 20) for _ in range(40)]
    for block in blocks:
        ctypes.memset(block, 1, 4 << 20)
    for block in blocks[:-1]:
        libc.free(block)
print(json.dumps(resident() - before))
"""


@pytest.mark.skipif(heap._glibc() is None, reason="this system's C library is not glibc")
def test_what_a_session_frees_goes_back_to_the_system() -> None:
    kept = [
        json.loads(subprocess.run([sys.executable, "-c", _PROGRAM, how], check=True, capture_output=True).stdout)
        for how in ("tidy", "plain")
    ]
    assert kept[0] < 10, f"{kept[0]:.0f} MB kept of 160, of which 4 are in use"
    assert kept[1] > 100, "the heap gives everything back by itself: what this is for is gone"


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap, "_glibc", lambda: None)
    with heap.tidy_heap():
        pass
