"""Features over training, from start to finish."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pixelgrad.errors import SettingsError, UnknownLayerError
from pixelgrad.networks import NetworkSpec
from pixelgrad.runtime import Choice, EvolveEvent, EvolveResult, EvolveSettings, Projector, Snapshot
from pixelgrad.runtime import evolve as run_evolve
from pixelgrad.tasks.common import check_paths, exporters, settings_of, several
from pixelgrad.tasks.deconv import projection_artifact, scan_index

__all__ = ["evolve", "in_training_order", "open_snapshots"]

#: As many curves as can be told apart in a chart.
MOST_LAYERS = 7


def in_training_order(checkpoints: Sequence[str | Path]) -> list[tuple[Path, int]]:
    """Checkpoint files by iteration: the number in their names in which they differ (the last such one), else by name
    with 10 after 9. Returns each with its iteration, or with its place in the row from 1 where there is none.
    """
    paths = sorted((Path(checkpoint) for checkpoint in checkpoints), key=lambda path: _natural(path.name))
    numbers = [[int(part) for part in re.findall(r"\d+", path.stem)] for path in paths]
    if numbers and all(len(row) == len(numbers[0]) > 0 for row in numbers):
        for column in reversed(range(len(numbers[0]))):
            found = [row[column] for row in numbers]
            if len(set(found)) == len(found):
                return sorted(zip(paths, found, strict=True), key=lambda pair: pair[1])
    return [(path, place) for place, path in enumerate(paths, 1)]


def _natural(name: str) -> list[tuple[int, int, str]]:
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]


def open_snapshots(
    checkpoints: Sequence[str | Path | NetworkSpec],
    settings: EvolveSettings,
    *,
    layer: str,
    layers: Sequence[str] | None = None,
    rule: str = "deconvnet",
    device: str | Choice = "auto",
) -> list[Snapshot]:
    """The snapshots in order of training, exported where they are not in the cache; arguments as of :func:`evolve`."""
    specs = {spec.file: spec for spec in map(NetworkSpec.of, several(checkpoints))}
    for path in specs:
        if path.is_dir():
            raise SettingsError(f"{str(path)!r} is a folder; name the checkpoints in it, {path / '*'} say")
    if len(specs) < 2:
        raise SettingsError(f"an evolution takes at least two checkpoints of one network; different ones: {len(specs)}")
    ordered = in_training_order(list(specs))
    if layers is None:
        layers = exporters().learnt_layers(specs[ordered[0][0]].load(), MOST_LAYERS)
    snapshots = []
    for path, when in ordered:
        try:
            folder = projection_artifact(specs[path], layer=layer, rule=rule, watched=several(layers))
        except UnknownLayerError as error:
            raise UnknownLayerError(f"{path.name}, one of the checkpoints: {error}", error.matches) from error
        projector = Projector(folder, device=device)
        snapshots.append(Snapshot(path.stem, when, projector, scan_index(projector, settings)))
    return snapshots


def evolve(
    checkpoints: Sequence[str | Path | NetworkSpec],
    images: str | Path,
    *,
    layer: str,
    layers: Sequence[str] | None = None,
    rule: str = "deconvnet",
    device: str = "auto",
    on_event: Callable[[EvolveEvent], object] | None = None,
    **settings: Any,
) -> EvolveResult:
    """How channels of a layer came about in training, and which layers settled first (Zeiler & Fergus 2013, figure 4).

    >>> pixelgrad.evolve(glob("net_iter_*.caffemodel"), "photos", layer="conv2").picture().save("evolution.png")

    checkpoints: files of one network, in any order: the iteration number in their names tells it. A
        :class:`NetworkSpec` in place of a file says more.
    images: a folder; its scan is kept for each snapshot.
    layer: whose channels to project. layers: whose features to follow; by default up to seven with weights.
    rule, device: as of :func:`deconv`.
    on_event: called with every :class:`EvolveEvent`.
    settings: fields of :class:`EvolveSettings`: ``channels``, ``size``, ``batch``, ``crop``, ``compared``.

    Raises :class:`PixelgradError`; see ``pixelgrad.errors``.
    """
    chosen = settings_of(EvolveSettings, "evolve", settings, on_event=on_event)
    chosen.check()
    check_paths(images=images)
    snapshots = open_snapshots(checkpoints, chosen, layer=layer, layers=layers, rule=rule, device=device)
    result: EvolveResult | None = None
    for event in run_evolve(snapshots, images, chosen):
        if on_event is not None:
            on_event(event)
        result = event.result
    assert result is not None  # there is a last event
    return result
