"""Feature visualisation from start to finish."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pixelgrad.errors import SettingsError
from pixelgrad.models import class_name, find_class
from pixelgrad.networks import Model, NetworkSpec
from pixelgrad.runtime import Artifact, Choice, Picture, Seen, Unit, VisualizeEvent, VisualizeSettings, choose_device
from pixelgrad.runtime import visualize as run_visualize
from pixelgrad.runtime.settings import whole_numbers
from pixelgrad.tasks.common import OnStep, exporters, settings_of, several, task_artifact
from pixelgrad.tasks.memory import memory_limit

if TYPE_CHECKING:
    from pixelgrad.exporters import Network, Objective

__all__ = ["Visualization", "unit_kind", "visualization_units", "visualize", "visualize_artifact"]

#: What weighs a term that has no weight by default, where a setting asks for it.
_DEFAULT_DIVERSITY = 1.0
# On one CPU thread four pictures at once take 1.2 times as long as one after the other (tests/benchmarks/batch.py): the
# maps no longer fit the cache. Other devices have more hands than one picture keeps busy.
_BATCH = 8


class Visualization(Sequence[Seen]):
    """The pictures that were made, each with its unit; shows itself as their contact sheet in a notebook."""

    def __init__(self, seen: Sequence[Seen], sheet: Picture) -> None:
        self._seen, self.sheet = tuple(seen), sheet

    def __len__(self) -> int:
        return len(self._seen)

    def __getitem__(self, index: Any) -> Any:
        return self._seen[index]

    def save(self, path: str | Path, *, force: bool = False) -> Path | None:
        """Write the contact sheet (or the picture, where there is only one) to a file."""
        return self.sheet.save(path, force=force)

    def _repr_png_(self) -> bytes:
        return self.sheet._repr_png_()

    def __repr__(self) -> str:
        return f"<Visualization of {', '.join(seen.unit.name for seen in self._seen)}>"


def visualize_artifact(
    model: Model = None,
    *,
    layer: str | None = None,
    unit: str = "channel",
    settings: VisualizeSettings | None = None,
    diversity: int = 1,
    batch: int = 1,
    device: Choice | None = None,
) -> Path:
    """The folder of an artifact for feature visualisation, exported if it is not in the cache yet.

    unit: ``channel``, ``neuron``, ``class`` or ``direction``. settings: for which terms it must have. diversity:
    pictures of each unit. batch: pictures at once where that is one. device: which it is for; any by default. The rest
    as of :func:`pixelgrad.exporters.visualize_objective`; that and :func:`pixelgrad.load_network` say what is raised.
    """
    chosen = settings or VisualizeSettings()
    weights = {
        "tv_weight": chosen.tv_weight or 0.0,
        "norm_weight": chosen.norm_weight or 0.0,
        "diversity_weight": 0.0 if diversity == 1 else chosen.diversity_weight or _DEFAULT_DIVERSITY,
    }
    terms = {name: float(bool(weight)) if name != "diversity_weight" else weight for name, weight in weights.items()}
    key = {"layer": layer, "unit": unit, "batch": diversity if diversity > 1 else batch, **terms}

    def build(network: Network) -> Objective:
        objective: Objective = exporters().visualize_objective(network, **key)
        return objective

    return task_artifact("visualize", NetworkSpec.of(model), build, key, device)


def visualization_units(
    model: Model,
    *,
    layer: str | None = None,
    channels: Sequence[int] = (),
    neurons: Sequence[int] = (),
    classes: Sequence[str | int] = (),
    directions: Sequence[Any] = (),
) -> list[Unit]:
    """The units of a request; exactly one of ``channels``, ``neurons``, ``classes`` and ``directions`` must hold any.

    classes: names, synset ids or indices. directions: [channels] each. Raises :class:`SettingsError` for what names no
    class, and :class:`NetworkError` where the network has none.
    """
    kind = unit_kind(channels, neurons, classes, directions)
    if kind == "class":
        network = NetworkSpec.of(model).load()
        if layer is None:
            exporters().class_scores(network)  # says so where it is no classifier, whatever the classes are called
        indices = [find_class(network, text) for text in classes]
        return [Unit(index, class_name(network, index)) for index in indices]
    if layer is None:
        raise SettingsError(f"name the layer whose {kind} is to be seen (--layer NAME)")
    if kind == "direction":
        return [Unit(number, f"{layer} direction {number}", row) for number, row in enumerate(directions)]
    return [Unit(index, f"{layer} {kind} {index}") for index in whole_numbers(kind, [*channels, *neurons])]


def unit_kind(
    channels: Sequence[Any], neurons: Sequence[Any], classes: Sequence[Any], directions: Sequence[Any] = ()
) -> str:
    """``channel``, ``neuron``, ``class`` or ``direction``, whichever is asked for; :class:`SettingsError` for none or
    several.
    """
    kinds = {"channel": channels, "neuron": neurons, "class": classes, "direction": directions}
    given = [name for name, values in kinds.items() if len(values)]
    if len(given) != 1:
        found = f"{' and '.join(given)} are given" if given else "none is given"
        raise SettingsError(
            "ask for channels (--channel), neurons (--neuron), classes (--class) or directions (--direction), "
            f"one kind: {found}"
        )
    return given[0]


def direction_rows(directions: Any) -> Sequence[Any]:
    """One direction [channels], or several [number, channels], as several; :class:`SettingsError` for anything else."""
    try:
        rows = np.asarray(directions, np.float32)
    except (TypeError, ValueError):
        rows = np.zeros((), np.float32)
    if rows.ndim not in (1, 2):
        raise SettingsError("directions must be numbers, [channels] for one or [number, channels] for several")
    return list(np.atleast_2d(rows)) if rows.size else []


def visualize(
    *,
    layer: str | None = None,
    channels: int | Sequence[int] = (),
    neurons: int | Sequence[int] = (),
    classes: str | int | Sequence[str | int] = (),
    directions: Any = (),
    diversity: int = 1,
    model: Model = None,
    device: str = "auto",
    on_step: OnStep | None = None,
    **settings: Any,
) -> Visualization:
    """Make pictures that units of a network respond to (Olah, Mordvintsev & Schubert 2017).

    >>> pixelgrad.visualize(model="googlenet.onnx", classes=["banana", "volcano"]).save("classes.png")

    layer: its name; not needed for classes.
    channels, neurons, classes: one or several, of one kind; a neuron is that of a channel at the centre; a class is a
        name, a synset id or an index.
    directions: among the channels of the layer, an array [channels] or [number, channels]: what a position says of a
        picture, say, or, at the layer that a network compares with texts by, what it says of one.
    diversity: pictures of each unit, made to differ.
    model, device, on_step: as of :func:`pixelgrad.stylize`.
    settings: fields of :class:`VisualizeSettings`: ``size``, ``steps``, ``seed``, ``parameters``, ``jitter``,
        ``scale``, ``rotate``, ``tv_weight``, ``norm_weight``, ...

    Returns a sequence of :class:`Seen`, a picture with its unit each; ``.sheet`` is all in one. Raises
    :class:`PixelgradError`; see ``pixelgrad.errors``.
    """
    chosen = settings_of(VisualizeSettings, "visualize", settings, on_step=on_step)
    chosen.check()
    wanted = {
        "channels": several(channels),
        "neurons": several(neurons),
        "classes": several(classes),
        "directions": direction_rows(directions),
    }
    kind = unit_kind(*wanted.values())
    model = NetworkSpec.of(model)
    units = visualization_units(model, layer=layer, **wanted)
    choice = choose_device(device)
    folder = visualize_artifact(
        model,
        layer=layer,
        unit=kind,
        settings=chosen,
        diversity=check_diversity(diversity),
        batch=batch_for(choice, len(units)),
        device=choice,
    )
    event: VisualizeEvent | None = None
    limit = memory_limit(chosen, choice)
    for event in run_visualize(Artifact(folder, device=choice), units, chosen, max_memory=limit):
        if on_step is not None:
            on_step(event)
    assert event is not None
    return Visualization(event.seen(), event.picture())


def batch_for(choice: Choice, pictures: int) -> int:
    """How many pictures to work on at once on a device."""
    return 1 if choice.device.name == "cpu" else min(_BATCH, pictures)


def check_diversity(diversity: Any) -> int:
    """The number of pictures of each unit; :class:`SettingsError` for one that cannot be."""
    if isinstance(diversity, bool) or not isinstance(diversity, int) or not 1 <= diversity <= 64:
        raise SettingsError(f"diversity is {diversity}; it must be a number of pictures from 1 to 64")
    return diversity
