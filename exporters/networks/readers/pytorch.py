"""PyTorch checkpoints and safetensors: weights without a graph -> the graph of the architecture they belong to."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.networks.architectures import build_architecture
from pixelgrad.exporters.networks.builder import Array
from pixelgrad.exporters.networks.readers.checkpoint import Checkpoint
from pixelgrad.exporters.networks.readers.hub import described
from pixelgrad.exporters.networks.readers.reading import Reading
from pixelgrad.exporters.networks.readers.source import Source
from pixelgrad.exporters.networks.readers.torch_names import TensorRef
from pixelgrad.exporters.networks.readers.torch_script import TORCH_SCRIPT
from pixelgrad.models import PREPROCESSINGS

_DEEPEST, _MOST = 6, 100_000


def read_checkpoint(source: Source, checkpoint: Checkpoint) -> Reading:
    """The network of a checkpoint: a state dict, or a training checkpoint with one in it."""

    def array(ref: TensorRef) -> Array:
        return floats(checkpoint.array(ref))

    states = state_dicts(checkpoint.tree)
    if not states:
        frozen = ", as a TorchScript program that was frozen does" if checkpoint.kind == TORCH_SCRIPT else ""
        raise NetworkError(
            f"{source.name!r} holds no weights by name{frozen}; save them by "
            "torch.save(model.state_dict(), 'weights.pth')"
        )
    return weights_reading(source, checkpoint.kind, states, array)


def weights_reading(source: Source, kind: str, states: Sequence[Mapping[str, Any]], array: Any) -> Reading:
    beside = described(source.path)
    model, row, aliases, notes = build_architecture(states, array, source.name, beside.gelu)
    preprocessing = PREPROCESSINGS[row.preprocessing]
    if beside.preprocessing is not None:
        preprocessing, name = beside.preprocessing
        notes.append(f"its input is normalised as {name} beside it says")
    return Reading(
        model=model,
        format=f"{kind}, {row.name}",
        sha256=source.sha256,
        preprocessing=preprocessing,
        aliases=aliases,
        class_names=beside.class_names,
        notes=(f"its tensors are those of {row.name}, so its layers are too", *notes),
    )


def state_dicts(tree: Any) -> list[Mapping[str, TensorRef]]:
    """Every dictionary of named tensors in ``tree``, outermost first, in the file's order."""
    found: list[Mapping[str, TensorRef]] = []
    waiting: deque[tuple[Any, int]] = deque([(tree, 0)])
    seen: set[int] = set()
    for _ in range(_MOST):
        if not waiting:
            break
        value, depth = waiting.popleft()
        if not isinstance(value, dict) or id(value) in seen:
            continue
        seen.add(id(value))
        tensors = {key: item for key, item in value.items() if isinstance(key, str) and isinstance(item, TensorRef)}
        if tensors:
            found.append(tensors)
        if depth < _DEEPEST:
            waiting.extend((item, depth + 1) for item in value.values() if isinstance(item, dict))
    return found


def floats(array: Array) -> Array:
    """As float32; :class:`NetworkError` for whole numbers."""
    if array.dtype.kind in "iub":
        raise NetworkError(
            f"the weights are of type {array.dtype}, so they are quantised; export the network to ONNX in float32"
        )
    return np.asarray(array, dtype=np.float32)
