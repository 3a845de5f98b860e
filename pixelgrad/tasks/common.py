"""What every task does around its own run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from pixelgrad.cache import cached_artifact
from pixelgrad.errors import SettingsError
from pixelgrad.networks import NetworkSpec
from pixelgrad.networks.lookup import exporters
from pixelgrad.runtime import Choice, Picture, StepEvent, read_image
from pixelgrad.runtime.images import ImageSource

if TYPE_CHECKING:
    from pixelgrad.exporters import Network, Objective

__all__ = [
    "Layers",
    "OnStep",
    "check_paths",
    "exporters",
    "last_picture",
    "network_artifact",
    "plain",
    "plain_layers",
    "read_source",
    "settings_of",
    "several",
    "task_artifact",
]

Layers = Sequence[str] | Mapping[str, float]
OnStep = Callable[[StepEvent], object]
S = TypeVar("S")


def task_artifact(
    kind: str,
    network: NetworkSpec,
    build: Callable[[Network], Objective],
    settings: Mapping[str, Any],
    device: Choice | None = None,
    *,
    tiles: bool = False,
) -> Path:
    """The folder of an artifact, exported if it is not in the cache yet.

    kind: the objective's. build: makes it over the network. settings: JSON-able, all that ``build`` depends on.
    device: which it is for; any by default. tiles: whether it can look at images in tiles, if its layers allow.
    """
    precision = network.precision
    # The form for a CPU runs there only; see docs/devices.md.
    profile = "fast" if device is not None and device.device.name == "cpu" and precision == "fp32" else "portable"

    def write(loaded: Network, folder: Path) -> None:
        objective = build(loaded)
        able = tiles and exporters().can_tile(loaded, objective)
        exporters().write_artifact(loaded, objective, folder, profile=profile, precision=precision, tiles=able)

    return network_artifact(kind, network, write, {**settings, "profile": profile, "tiles": tiles})


def network_artifact(
    kind: str, network: NetworkSpec, write: Callable[[Network, Path], object], settings: Mapping[str, Any]
) -> Path:
    """:func:`task_artifact` for an artifact of any kind, which ``write(network, folder)`` writes."""
    key = {"objective": kind, **network.key(), **settings}
    return cached_artifact(key, lambda folder: write(network.load(), folder))


def settings_of(cls: type[S], task: str, given: Mapping[str, Any], *, others: Collection[str] = (), **calls: Any) -> S:
    """The settings of a task from keyword arguments; ``TypeError`` for one that it does not have.

    others: settings that the task has besides, for the message. calls: functions or ``None``, by argument;
    :class:`SettingsError` for what is neither, before any work is done.
    """
    known = {field.name for field in fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(given) - known)
    if unknown:
        name = unknown[0]
        about_network = name in {field.name for field in fields(NetworkSpec)}
        raise TypeError(
            f"{task}() got an unexpected keyword argument {name!r}; "
            + (
                f"it is said of the network: model=pixelgrad.NetworkSpec(..., {name}=...)"
                if about_network
                else f"settings are {', '.join(sorted({*known, *others}))}"
            )
        )
    for name, call in calls.items():
        if call is not None and not callable(call):
            raise SettingsError(f"{name} is {call!r}; it must be a function")
    return cls(**{name: plain(value) for name, value in given.items()})


def plain(value: Any) -> Any:
    """NumPy's numbers as Python's own, which settings and recipes hold; pictures stay."""
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim < 2):
        return value.tolist()
    return type(value)(map(plain, value)) if type(value) in (list, tuple) else value


def check_paths(*optional: str, **given: Any) -> None:
    """Raise :class:`SettingsError` for what must be a path and is none. optional: which of them may be ``None``."""
    for name, value in given.items():
        if not isinstance(value, str | PathLike) and not (value is None and name in optional):
            raise SettingsError(f"{name} must be a path, not {type(value).__name__}")


def read_source(source: ImageSource, name: str) -> Picture:
    """:func:`pixelgrad.read_image`, with messages that call what is no file by the ``name`` of the argument."""
    return read_image(source, name=None if isinstance(source, str | PathLike) else name)


def last_picture(events: Iterable[StepEvent], on_step: OnStep | None = None) -> Picture:
    """Run to the end; the last event's picture."""
    event: StepEvent | None = None
    for event in events:
        if on_step is not None:
            on_step(event)
    assert event is not None  # there is at least one step
    return event.picture()


def plain_layers(layers: Layers | None) -> Any:
    """Layers as JSON has them, for the key of an artifact."""
    if layers is None:
        return None
    return dict(layers) if isinstance(layers, Mapping) else several(layers)


def several(value: Any) -> list[Any]:
    """One or several of something, as a list: a text, or a number of any kind, is one, and ``None`` is none."""
    if value is None:
        return []
    return list(value) if isinstance(value, Iterable) and not isinstance(value, str | bytes) else [value]
