"""Networks side by side, from start to finish."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixelgrad.errors import ImageError, NetworkError, SettingsError
from pixelgrad.networks import Model, NetworkSpec, is_model
from pixelgrad.runtime import (
    Artifact,
    Choice,
    Compared,
    CompareEvent,
    CompareSettings,
    Picture,
    Subject,
    choose_device,
    read_image,
)
from pixelgrad.runtime import compare as run_compare
from pixelgrad.runtime.comparing import comparison_sheet, open_features
from pixelgrad.runtime.images import ImageSource
from pixelgrad.runtime.recipe import picture_hash
from pixelgrad.runtime.samples import SAMPLES
from pixelgrad.runtime.scanning import find_images
from pixelgrad.tasks.common import exporters, read_source, settings_of, several, task_artifact
from pixelgrad.tasks.visualize import visualize_artifact
from pixelgrad.version import __version__

if TYPE_CHECKING:
    from pixelgrad.exporters import Network, Objective

__all__ = ["Comparison", "compare", "comparison_pictures", "comparison_subject"]

_MOST_PICTURES = 64
_SAMPLE_SIZE = 320


class Comparison:
    """What was found of each network; shows itself as a sheet in a notebook."""

    def __init__(self, found: Sequence[Compared], recipe: dict[str, Any] | None = None) -> None:
        self.found = tuple(found)
        self.sheet = comparison_sheet(self.found, recipe)

    def facts(self) -> list[dict[str, Any]]:
        """The numbers, JSON-able, a dictionary for each network."""
        return [one.facts() for one in self.found]

    def save(self, path: str | Path, *, force: bool = False) -> Path | None:
        """Write the sheet to a file."""
        return self.sheet.save(path, force=force)

    def _repr_png_(self) -> bytes:
        return self.sheet._repr_png_()

    def __repr__(self) -> str:
        return f"<Comparison of {', '.join(one.name for one in self.found)}>"


def comparison_subject(
    model: Model,
    settings: CompareSettings,
    *,
    layer: str | None = None,
    device: str | Choice = "auto",
) -> Subject:
    """All that a comparison needs of a network, exported if it is not in the cache yet.

    layer: whose strongest channels are shown; by default the deepest of the layers that style is taken from.
    Raises :class:`UnknownLayerError`, and :class:`NetworkError` for a network that does not begin with a convolution.
    """
    export = exporters()
    spec = NetworkSpec.of(model)
    network = spec.load()
    first = export.first_layer(network)
    last = str(export.last_map(network).name)
    try:
        known, _ = export.default_layers(network)
    except NetworkError:
        known = []
    rectified = list(dict.fromkeys([*(str(network.layer(name).name) for name in known), last]))
    shown = str(network.layer(layer).name) if layer is not None else rectified[max(0, len(rectified) - 2)]
    scores = str(export.class_scores(network).name) if network.classes is not None else None
    wanted = list(dict.fromkeys([first.name, *rectified, shown, *([scores] if scores else [])]))

    def build(network: Network) -> Objective:
        objective: Objective = exporters().features_objective(network, wanted)
        return objective

    choice = device if isinstance(device, Choice) else choose_device(device)
    folder = task_artifact("features", spec, build, {"layers": wanted})
    visual = None
    if settings.channels:
        place = visualize_artifact(spec, layer=shown, device=choice)
        visual = Artifact(place, device=choice)
    return Subject(
        name=network.name,
        features=open_features(Artifact(folder, device=choice), settings.size),
        first=first.name,
        filters=first.filters,
        stride=first.stride,
        layers=rectified,
        layer=shown,
        scores=scores,
        visual=visual,
    )


def comparison_pictures(images: str | Path | None, unreadable: Callable[[str], object] | None = None) -> list[Picture]:
    """The pictures of a folder, by name, or the built-in samples for ``None``; at most 64, spread over the folder.

    unreadable: called with a message for each file that is no picture after all. Raises :class:`ImageError` for a
    folder that is not there, or without two pictures.
    """
    if images is None:
        return [
            Picture.from_array(draw(_SAMPLE_SIZE, _SAMPLE_SIZE, seed=seed))
            for seed in (0, 1)
            for draw in SAMPLES.values()
        ]
    folder = Path(images).expanduser()
    files = sorted(path for path, _, _ in find_images(folder))
    step = max(1, -(-len(files) // _MOST_PICTURES))
    pictures = []
    for file in files[::step]:
        try:
            pictures.append(read_image(file))
        except ImageError as error:
            if unreadable is not None:
                unreadable(str(error))
    if len(pictures) < 2:
        raise ImageError(
            f"the folder {str(folder)!r} holds {len(pictures)} readable pictures; a comparison takes two or more"
        )
    return pictures


def compare(
    networks: Sequence[Model] | Model,
    /,
    *,
    images: str | Path | Sequence[ImageSource] | None = None,
    layers: Sequence[str] | str | None = None,
    device: str = "auto",
    on_event: Callable[[CompareEvent], object] | None = None,
    **settings: Any,
) -> Comparison:
    """Look at networks side by side: first-layer filters and what their stride folds back, dead units, strongest
    channels, and invariance to shift, scale and rotation (Zeiler & Fergus 2014, figure 5).

    >>> pixelgrad.compare(["googlenet.onnx", "squeezenet1_1.onnx"]).save("comparison.png")

    networks: files or names, or :class:`NetworkSpec` objects, which say more, or what these take.
    images: a folder, or pictures; the built-in samples by default. layers: whose strongest channels are shown, one for
        all or one for each network. device: as of :func:`pixelgrad.stylize`.
    on_event: called with a :class:`CompareEvent` after every piece of work.
    settings: fields of :class:`CompareSettings`: ``size``, ``pictures``, ``channels``, ``steps``, ``edge``, ``seed``.

    Raises :class:`PixelgradError`; see ``pixelgrad.errors``.
    """
    chosen = settings_of(CompareSettings, "compare", settings, on_event=on_event)
    chosen.check()
    models: list[Model] = [networks] if is_model(networks) else several(networks)  # type: ignore[list-item]
    of_each = layers_of_each(len(models), several(layers))
    if images is None or isinstance(images, str | Path):
        pictures = comparison_pictures(images)
    else:
        pictures = [read_source(image, f"image {number}") for number, image in enumerate(several(images), 1)]
    subjects = [
        comparison_subject(model, chosen, layer=layer, device=device)
        for model, layer in zip(models, of_each, strict=True)
    ]
    event: CompareEvent | None = None
    for event in run_compare(subjects, pictures, chosen):
        if on_event is not None:
            on_event(event)
    assert event is not None
    return Comparison(event.found, comparison_recipe(subjects, pictures, chosen))


def comparison_recipe(
    subjects: Sequence[Subject], pictures: Sequence[Picture], settings: CompareSettings
) -> dict[str, Any]:
    """All that it takes to make the sheet again: settings and hashes, never paths."""
    networks = []
    for subject in subjects:
        artifact = subject.features.artifact
        facts = {key: artifact.manifest["network"][key] for key in ("name", "sha256", "pool", "preprocessing")}
        networks.append({**facts, "precision": artifact.precision, "layer": subject.layer})
    return {
        "task": "compare",
        "pixelgrad": __version__,
        "settings": asdict(settings),
        "networks": networks,
        "pictures": [picture_hash(picture) for picture in pictures],
        "device": subjects[0].features.artifact.choice.name,
    }


def layers_of_each(networks: int, layers: Sequence[str]) -> list[str | None]:
    """One layer for each network, from one for all, one for each, or none; :class:`SettingsError` otherwise."""
    if len(layers) in (0, 1):
        return [layers[0] if layers else None] * networks
    if len(layers) != networks:
        raise SettingsError(
            f"there are {networks} networks and {len(layers)} layers; give one for all, or one for each"
        )
    return list(layers)
