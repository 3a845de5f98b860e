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

import numpy as np
import pytest

Array = np.ndarray[Any, Any]
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


def normalised(image: Array) -> Any:
    """An image [1, 3, H, W] in [0, 1] as most of these networks want it, as a tensor."""
    torch = importlib.import_module("torch")
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    return (torch.from_numpy(image) - mean) / std


def patches_as_map(tokens: Array, like: Array) -> Array:
    """The last of the tokens [1, T, C], those of patches, as a map of the shape of ``like``."""
    patches = like.shape[2] * like.shape[3]
    return tokens[:, -patches:].transpose(0, 2, 1).reshape(like.shape)


def _declare_operators(torch: Any, folder: Path) -> None:
    source = (folder / "_meta_registrations.py").read_text("utf-8")
    names = set(re.findall(r"torchvision::(\w+)", source)) | set(re.findall(r"@register_meta\(\"(\w+)\"\)", source))
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in sorted(names):
        library.define(f"{name}(Tensor x) -> Tensor")
    _KEPT.append(library)


_KEPT: list[Any] = []  # a library takes its operators with it when it goes
