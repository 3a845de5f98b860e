"""TorchScript archives: a program and the weights it runs on. The weights are read; the program is not, let alone run.

``data.pkl`` holds the module as an object of a class of the program's own, with its attributes: its parameters, other
modules, and settings. Source: ``torch/csrc/jit/serialization/pickler.cpp`` and ``export_module.cpp``.
"""

from __future__ import annotations

from typing import Any

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.networks.readers.pickles import Attributes, Call
from pixelgrad.exporters.networks.readers.torch_names import NAMES, TensorRef, inert

__all__ = ["CLASSES", "SCRIPT_NAMES", "TORCH_SCRIPT", "state_of"]

#: What such a file is called.
TORCH_SCRIPT = "TorchScript archive"
_DEEPEST, _MOST = 32, 100_000


def _tagged(arguments: tuple[Any, ...]) -> Any:
    """A value, and in words what type it has."""
    return arguments[0]


_LISTS = ("intlist", "doublelist", "boollist", "tensorlist")
SCRIPT_NAMES: dict[str, Call | None] = {
    **NAMES,
    **{f"torch.jit._pickle.build_{kind}": inert for kind in _LISTS},
    "torch.jit._pickle.restore_type_tag": _tagged,
}
#: How names of the program's own classes begin.
CLASSES: dict[str, Call] = {"__torch__.": lambda _: Attributes()}


def state_of(module: Any, file: str) -> Any:
    """The state dict of a module, as PyTorch would name its tensors; anything else as it is."""
    if not isinstance(module, Attributes):
        return module
    state: dict[str, TensorRef] = {}
    waiting: list[tuple[str, Attributes, int]] = [("", module, 0)]
    steps = 0
    while waiting:
        prefix, attributes, depth = waiting.pop()
        for name, value in attributes.items():
            steps += 1
            if steps > _MOST or depth > _DEEPEST:  # modules that hold each other
                raise NetworkError(f"{file!r} is damaged: its modules have no end")
            if isinstance(value, TensorRef):
                state[f"{prefix}{name}"] = value
            elif isinstance(value, Attributes):
                waiting.append((f"{prefix}{name}.", value, depth + 1))
    return state
