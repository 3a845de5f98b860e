"""From a state dict to the architecture that it belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import onnx_ir as ir

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.networks.architectures.hugging_face import Made, translated
from pixelgrad.exporters.networks.architectures.table import ARCHITECTURES, Architecture
from pixelgrad.exporters.networks.builder import Array

# What wraps a network in training code, and so precedes its parameters' names.
_WRAPPERS = (
    "module.",
    "model.",
    "net.",
    "network.",
    "backbone.",
    "encoder.",
    "_orig_mod.",
    "base_model.",
    "vgg.",
    "cnn.",
    "visual.",
    "trunk.",
)
_COUNTERS = re.compile(r"(^|\.)num_batches_tracked$")
# As published files still have it: norm.1.weight for a DenseNet's norm1.weight, mlp.linear_1 for a transformer's mlp.0.
_OLD_NAMES = (
    (re.compile(r"(\.denselayer\d+\.(?:norm|relu|conv))\.([12]\.)"), r"\1\2"),
    (re.compile(r"(\.encoder_layer_\d+\.mlp)\.linear_1\."), r"\1.0."),
    (re.compile(r"(\.encoder_layer_\d+\.mlp)\.linear_2\."), r"\1.3."),
)

_GELUS = {"quick_gelu": "QuickGELU, as OpenAI's", "gelu": "the exact one, as most but OpenAI's"}
_FAMILY = re.compile(r"(?<!\S)[a-z]+(?:_resnet|(?<=dinov)2)?")


class Shaped(Protocol):
    @property
    def shape(self) -> tuple[int, ...]: ...


@dataclass(frozen=True)
class Fit:
    """How well names and shapes fit an architecture. strange: shapes that differ; other: names that it has not."""

    architecture: Architecture
    missing: Sequence[str]
    strange: Mapping[str, Sequence[int]]
    other: Sequence[str]
    matched: int

    @property
    def perfect(self) -> bool:
        return not (self.missing or self.strange or self.other)

    @property
    def distance(self) -> float:
        apart = len(self.missing) + len(self.strange) + len(self.other)
        return apart / (apart + self.matched)


def build_architecture(
    states: Sequence[Mapping[str, Any]], array: Any, file: str, gelu: str | None = None
) -> tuple[ir.Model, Architecture, Mapping[str, str], list[str]]:
    """The graph of the first of ``states`` that is the state dict of a known architecture, with its weights.

    states: names -> objects with a ``shape``. array: turns such an object into an array. gelu: which one it has, where
    something beside the file says so.
    Returns the graph, the architecture, aliases for its layers and notes on what was left out. Raises
    :class:`NetworkError` that names the closest architecture and what differs.
    """
    fits: list[Fit] = []
    for state in states:
        for variant in _variants(state):
            for row in ARCHITECTURES.values():
                fit = _fit(row, variant)
                if fit.perfect:
                    return _build(row, variant, array, gelu)
                fits.append(fit)
    raise NetworkError(_unknown(file, states, fits))


def _build(
    row: Architecture, state: Mapping[str, Any], array: Any, gelu: str | None
) -> tuple[ir.Model, Architecture, Mapping[str, str], list[str]]:
    wanted = row.specification()
    notes = []

    def loaded(name: str) -> Array:
        value = state[name]
        return value.array(array) if isinstance(value, Made) else np.asarray(array(value))

    weights = {name: loaded(name) for name in wanted.required}
    head = {name: loaded(name) for name in wanted.head} if _has_head(row, state) else {}
    # A published VGG-16 of features only fills its classifier with NaN.
    if head and all(np.isfinite(values).all() for values in head.values()):
        weights |= head
    elif wanted.head:
        notes.append(f"it has no classifier that is {row.name}'s own, so the last layers are those before it")
    if row.gelus and gelu not in row.gelus:
        gelu = row.gelus[0]
        notes.append(f"nothing beside it says which GELU it was trained with: taken for {_GELUS[gelu]}")
    model, aliases = row.build(weights, gelu)
    return model, row, aliases, notes


def _has_head(row: Architecture, state: Mapping[str, Shaped]) -> bool:
    head = row.specification().head
    return all(name in state and _same(state[name].shape, shape) for name, shape in head.items())


def _same(actual: Sequence[int], expected: Sequence[int | None]) -> bool:
    return len(actual) == len(expected) and all(e in (None, a) for a, e in zip(actual, expected, strict=True))


def _fit(row: Architecture, state: Mapping[str, Shaped]) -> Fit:
    wanted = row.specification()
    present = [name for name in wanted.required if name in state]
    strange = {n: state[n].shape for n in present if not _same(state[n].shape, wanted.required[n])}
    known = wanted.required.keys() | wanted.head.keys()
    allowed = (row.head, *row.ignored)
    other = [name for name in state if name not in known and not name.startswith(allowed)]
    missing = [name for name in wanted.required if name not in state]
    return Fit(row, missing, strange, other, len(present) - len(strange))


def _variants(state: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The state dict without counters, then without the wrappers around it, then as the features of a network."""
    plain = {_today(name): value for name, value in state.items() if not _COUNTERS.search(name)}
    yield translated(plain) or plain
    for _ in range(4):
        wrapper = next((w for w in _WRAPPERS if any(name.startswith(w) for name in plain)), None)
        if wrapper is None:
            break
        plain = {name.removeprefix(wrapper): value for name, value in plain.items() if name.startswith(wrapper)}
        yield translated(plain) or plain
    if plain and all(re.match(r"\d+\.", name) for name in plain):
        yield {f"features.{name}": value for name, value in plain.items()}


def _today(name: str) -> str:
    for old, new in _OLD_NAMES:
        name = old.sub(new, name)
    return name


def _unknown(file: str, states: Sequence[Mapping[str, Shaped]], fits: Sequence[Fit]) -> str:
    families = ", ".join(dict.fromkeys(_FAMILY.findall(" ".join(ARCHITECTURES))))
    largest = max(states, key=len, default={})
    if not largest:
        return f"{file!r} holds no weights by name; save them by torch.save(model.state_dict(), 'weights.pth')"
    best = min(fits, key=lambda fit: fit.distance)
    parts = []
    if best.distance < 0.9:
        wanted = best.architecture.specification().required
        if best.missing:
            parts.append(f"it lacks {_some(best.missing)}")
        if best.strange:
            first, shape = next(iter(best.strange.items()))
            parts.append(f"{first} is {list(shape)}, not {list(wanted[first])}" + _more(len(best.strange) - 1))
        if best.other:
            parts.append(f"{best.architecture.name} has no {_some(best.other)}")
    closest = f"The closest is {best.architecture.name}: {'; '.join(parts)}. " if parts else ""
    sample = _some([f"{name} {list(value.shape)}" for name, value in largest.items()])
    return (
        f"the weights in {file!r} ({sample}) are of no architecture that is known. {closest}Known are, in "
        f"torchvision's names, in timm's for vision transformers and in Hugging Face's for some, {families}. Any "
        "other network is exported to ONNX where it was made: torch.onnx.export(model, example_image, 'network.onnx')"
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(name[:60] for name in names[:2]) + _more(len(names) - 2)


def _more(count: int) -> str:
    return f" and {count} more" if count > 0 else ""
