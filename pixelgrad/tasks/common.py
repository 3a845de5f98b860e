"""What every task does around its own run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pixelgrad.cache import cached_artifact
from pixelgrad.errors import DeviceError, NetworkError
from pixelgrad.models import BUNDLED, bundled_network
from pixelgrad.runtime import Picture, StepEvent

if TYPE_CHECKING:
    from pixelgrad.exporters import Network, Objective

__all__ = [
    "Layers",
    "OnStep",
    "exporters",
    "find_network",
    "last_picture",
    "plain_layers",
    "settings_of",
    "task_artifact",
]

Layers = Sequence[str] | Mapping[str, float]
OnStep = Callable[[StepEvent], object]
S = TypeVar("S")


def find_network(model: str | Path | None) -> Path:
    """The file of a network: the bundled one for ``None`` or its name, else a path to an ONNX file.

    Raises :class:`NetworkError` where there is no such file.
    """
    if model is None or str(model) == BUNDLED:
        bundled = bundled_network()
        if bundled is None:
            raise NetworkError("this installation has no bundled network; name a network file: --model PATH.onnx")
        return bundled
    path = Path(model).expanduser()
    if not path.exists():
        raise NetworkError(
            f"there is no network {str(model)!r}: neither a file nor a name that is known. Known: {BUNDLED} (bundled); "
            "else give the path of an .onnx file"
        )
    return path


def task_artifact(
    kind: str,
    model: str | Path | None,
    build: Callable[[Network], Objective],
    settings: Mapping[str, Any],
    *,
    pool: str = "max",
    preprocess: str | None = None,
) -> Path:
    """The folder of an artifact, exported if it is not in the cache yet.

    kind: the objective's. build: makes it over the network. settings: JSON-able, all that ``build`` depends on.
    model, pool, preprocess: as of :func:`find_network` and :func:`pixelgrad.exporters.load_network`.
    """
    export = exporters()
    path = find_network(model)
    key = {
        "objective": kind,
        "network": export.read_onnx(path)[1],
        "preprocess": preprocess,
        "pool": pool,
        **settings,
    }

    def write(folder: Path) -> None:
        network = export.load_network(path, preprocess=preprocess, pool=pool)
        export.write_artifact(network, build(network), folder)

    return cached_artifact(key, write)


def settings_of(cls: type[S], task: str, given: Mapping[str, Any]) -> S:
    """The settings of a task from keyword arguments; ``TypeError`` for one that it does not have."""
    known = {field.name for field in fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(given) - known)
    if unknown:
        raise TypeError(
            f"{task}() got an unexpected keyword argument {unknown[0]!r}; settings are {', '.join(sorted(known))}"
        )
    return cls(**given)


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
    return dict(layers) if isinstance(layers, Mapping) else None if layers is None else list(layers)


def exporters() -> Any:
    """The exporters; :class:`DeviceError` with the pip line where what they need is not installed."""
    try:
        import pixelgrad.exporters as module
    except ImportError as error:
        raise DeviceError(
            f"exporting a network needs more than running an artifact does ({error}): pip install 'pixelgrad[export]'"
        ) from error
    return module
