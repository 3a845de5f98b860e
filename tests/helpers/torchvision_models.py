"""torchvision beside a CPU build of PyTorch, for its classifiers only.

Its wheels hold compiled operators for detection, which do not load without CUDA; importing torchvision then fails
where it gives them shapes. Declaring them, without kernels, lets all that is written in Python work.
"""

from __future__ import annotations

import importlib
import re
import warnings
from pathlib import Path
from typing import Any

import pytest

_GIVES_A_SHAPE = re.compile(r"register_fake\(\"torchvision::(\w+)\"\)\s*\n?def \w+\(([^)]*)\)", re.MULTILINE)


def torchvision_models() -> Any:
    """``torchvision.models``; the test is skipped where it cannot be had."""
    torch = pytest.importorskip("torch", reason="needs PyTorch, from the 'peers' extra")
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None:
        pytest.skip("needs torchvision: pip install --no-deps torchvision")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module("torchvision.models")
        except RuntimeError as error:
            if "does not exist" not in str(error):
                raise
        _declare_operators(torch, Path(found.origin).parent)
        return importlib.import_module("torchvision.models")


def _declare_operators(torch: Any, folder: Path) -> None:
    source = (folder / "_meta_registrations.py").read_text("utf-8")
    names = set(re.findall(r"torchvision::(\w+)", source)) | set(re.findall(r"@register_meta\(\"(\w+)\"\)", source))
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in sorted(names):
        library.define(f"{name}(Tensor x) -> Tensor")
    _KEPT.append(library)


_KEPT: list[Any] = []  # a library takes its operators with it when it goes
