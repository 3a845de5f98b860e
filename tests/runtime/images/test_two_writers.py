"""Two programs that write the same picture, one of which is killed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

from pixelgrad.runtime.images import check_output, read_image

_WRITER = """
import sys, numpy as np
from pixelgrad.runtime import Picture, write_image
shade, path = int(sys.argv[1]), sys.argv[2]
picture = Picture.from_array(np.full((400, 400, 3), shade, np.uint8) + np.arange(3, dtype=np.uint8))
while True:
    write_image(picture, path, force=True)
    print(".", end="", flush=True)
"""


def test_one_of_two_writers_is_killed(tmp_path: Path) -> None:
    """Whoever wrote last, the file is whole; what was left in the middle has a name of its own, and goes in time."""
    path = tmp_path / "out.png"

    def writer(shade: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", _WRITER, str(shade), str(path)], stdout=subprocess.PIPE)

    with writer(10) as stays:
        assert stays.stdout is not None
        stays.stdout.read(1)
        for _ in range(4):
            with writer(200) as goes:
                assert goes.stdout is not None
                goes.stdout.read(3)
                goes.kill()
            assert round(float(np.asarray(read_image(path))[0, 0, 0]) * 255) in (10, 200)
        stays.kill()
    assert round(float(np.asarray(read_image(path))[0, 0, 0]) * 255) in (10, 200)
    (tmp_path / ".pixelgrad-0123456789abcdef.tmp").touch()
    left_over = [entry for entry in tmp_path.iterdir() if entry != path]
    assert all(re.fullmatch(r"\.pixelgrad-[0-9a-f]{16}\.tmp", entry.name) for entry in left_over)
    check_output(tmp_path / "next.png")
    assert [entry for entry in left_over if entry.exists()] == left_over  # somebody may be at work
    for entry in left_over:
        os.utime(entry, (0, 0))
    check_output(tmp_path / "next.png")
    assert list(tmp_path.iterdir()) == [path]
