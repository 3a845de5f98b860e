"""Every reader on damaged files: an error or a network each time, no crash, no hang, no memory blow-up.

Ten thousand cases in all are marked slow; a handful of each run by default.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import fuzz
from helpers.network_files import FILES

CASES = {
    "onnx": 1500, "onnx quantised": 500, "onnx external weights": 300, "onnx with external weights": 700,
    "caffemodel": 1500, "prototxt": 1000,
    "torch zip": 1000, "torch legacy": 1000, "torch tar": 500, "safetensors": 500, "keras h5": 1000, "keras": 500,
}  # fmt: skip
FEW = 12


def run(reader: str, folder: Path, first: int, count: int) -> dict[str, int]:
    command = [sys.executable, fuzz.__file__, reader, str(folder), str(first), str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"exit {done.returncode}: {done.stderr[-3000:]}"
    outcomes: dict[str, int] = json.loads(done.stdout)
    assert outcomes["refused"] + outcomes.get("loaded", 0) == count
    assert outcomes["megabytes"] < 1500
    return outcomes


def test_there_are_ten_thousand_cases_and_a_reader_is_missing_in_none() -> None:
    assert sum(CASES.values()) == 10_000
    assert CASES.keys() == FILES.keys()


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory by Linux's means")
@pytest.mark.parametrize("reader", sorted(FILES))
def test_a_few_damaged_files(tmp_path: Path, reader: str) -> None:
    run(reader, tmp_path, 0, FEW)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits memory by Linux's means")
@pytest.mark.parametrize("reader", sorted(FILES))
def test_damaged_files(tmp_path: Path, reader: str) -> None:
    outcomes = run(reader, tmp_path, FEW, CASES[reader])
    assert outcomes["refused"] > CASES[reader] // 10
