"""A classifier's mistakes, from start to finish."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pixelgrad.cache import home
from pixelgrad.errors import SettingsError
from pixelgrad.models import class_name, find_class
from pixelgrad.networks import Model, NetworkSpec
from pixelgrad.runtime import (
    Artifact,
    Choice,
    MistakesEvent,
    MistakesResult,
    MistakesSettings,
    Picture,
    Projector,
    ScanEvent,
    Unit,
    VisualizeSettings,
    choose_device,
    read_image,
    write_image,
)
from pixelgrad.runtime import mistakes as run_mistakes
from pixelgrad.runtime import visualize as run_visualize
from pixelgrad.runtime.scanning import LabelledImages, class_folders, labelled_folders, labelled_list, read_list
from pixelgrad.tasks.common import check_paths, settings_of
from pixelgrad.tasks.deconv import projection_artifact, scan_index
from pixelgrad.tasks.visualize import visualize_artifact
from pixelgrad.version import __version__

__all__ = ["Believe", "class_pictures", "labelled_images", "mistakes"]

#: Makes pictures of classes, given their indices: pairs of index and picture.
Believe = Callable[[Sequence[int]], Iterable[tuple[int, Picture]]]


def labelled_images(network: Any, images: str | Path | None, labels: str | Path | None) -> LabelledImages:
    """The images with the classes of ``network``: by the folders in ``images``, or by the CSV file ``labels``.

    Folders and rows name a class by a word, a synset id or an index. Raises :class:`SettingsError` for what names no
    class, :class:`ImageError` for what is not there.
    """

    def found(name: str, where: str) -> int:
        try:
            return find_class(network, name)
        except SettingsError as error:
            raise SettingsError(f"{where}: {error}") from None

    if labels is not None:
        rows = read_list(Path(labels), None if images is None else Path(images))
        known = {name: found(name, f"the class {name!r} in {Path(labels).name}") for name in {name for _, name in rows}}
        return labelled_list(str(labels), [(path, known[name]) for path, name in rows])
    if images is None:
        raise SettingsError("name the images: a folder with one for each class (--images), or a CSV file (--labels)")
    folder = Path(images)
    return labelled_folders(folder, {name: found(name, f"the folder {name!r}") for name in class_folders(folder)})


def class_pictures(
    model: Model,
    *,
    device: str | Choice = "auto",
    **settings: Any,
) -> Believe:
    """What makes a picture of what a network believes a class to be, by :func:`pixelgrad.visualize`.

    The pictures are kept below ``PIXELGRAD_HOME``, for the next time that the same network gets the same class wrong.
    settings: as of :func:`pixelgrad.visualize`.
    """
    chosen = settings_of(VisualizeSettings, "class_pictures", settings)
    choice = device if isinstance(device, Choice) else choose_device(device)
    folder = visualize_artifact(model, unit="class", settings=chosen, device=choice)
    artifact = Artifact(folder, device=choice)
    facts = {"network": artifact.manifest["network"], "precision": artifact.precision}
    key = json.dumps({**facts, "settings": asdict(chosen), "version": __version__}, sort_keys=True)
    place = home() / "classes" / hashlib.sha256(key.encode()).hexdigest()[:32]

    def believe(classes: Sequence[int]) -> Iterator[tuple[int, Picture]]:
        for one in classes:
            kept = place / f"{one}.png"
            if not kept.is_file():
                *_, last = run_visualize(artifact, [Unit(one, f"class {one}")], chosen)
                kept.parent.mkdir(parents=True, exist_ok=True)
                write_image(last.seen()[0].picture, kept, force=True)
            yield one, read_image(kept)

    return believe


def mistakes(
    images: str | Path | None = None,
    *,
    labels: str | Path | None = None,
    layer: str | None = None,
    rule: str = "deconvnet",
    model: Model = None,
    index: str | Path | None = None,
    device: str = "auto",
    believe: Believe | bool = True,
    on_event: Callable[[ScanEvent | MistakesEvent], object] | None = None,
    **settings: Any,
) -> MistakesResult:
    """What a classifier gets wrong, most confident errors first, and what in the images it saw.

    >>> pixelgrad.mistakes("photos-by-class", model="googlenet.onnx").picture().save("mistakes.png")

    images: a folder with a folder for each class, named by a word, a synset id or an index.
    labels: a CSV file of ``path,class`` instead; paths are relative to ``images``, or to the file.
    layer: what scores the classes, before a softmax; found by itself.
    believe: whether to make a picture of what the network believes each class in question to be, as
        :func:`visualize` does, to show beside the errors; or what makes them.
    rule, model, index, device: as of :func:`deconv`. on_event: called with every event.
    settings: fields of :class:`MistakesSettings`: ``most``, ``size``, ``batch``.

    Raises :class:`PixelgradError`; see ``pixelgrad.errors``.
    """
    makes = None if isinstance(believe, bool) else believe
    chosen = settings_of(MistakesSettings, "mistakes", settings, on_event=on_event, believe=makes)
    chosen.check()
    check_paths("images", "labels", "index", images=images, labels=labels, index=index)
    model = NetworkSpec.of(model)
    network = model.load()
    given = labelled_images(network, images, labels)
    projector = Projector(projection_artifact(model, layer=layer, rule=rule), device=device)
    if believe is True:
        makes = class_pictures(model, device=device)
    result: MistakesResult | None = None
    place = index or scan_index(projector, chosen)
    for event in run_mistakes(
        projector, given, place, chosen, names=lambda one: class_name(network, one), believe=makes
    ):
        if on_event is not None:
            on_event(event)
        if isinstance(event, MistakesEvent):
            result = event.result
    assert result is not None  # there is a last event
    return result
