"""DeepDream from start to finish."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixelgrad.errors import SettingsError
from pixelgrad.models import find_class
from pixelgrad.networks import Model, NetworkSpec
from pixelgrad.runtime import Artifact, Choice, DreamSettings, Picture, choose_device
from pixelgrad.runtime import dream as run_dream
from pixelgrad.runtime.images import ImageSource
from pixelgrad.runtime.settings import whole_numbers
from pixelgrad.tasks.common import (
    Layers,
    OnStep,
    exporters,
    last_picture,
    plain_layers,
    read_source,
    settings_of,
    several,
    task_artifact,
)
from pixelgrad.tasks.memory import memory_limit

if TYPE_CHECKING:
    from pixelgrad.exporters import Network, Objective

__all__ = ["dream", "dream_artifact", "dream_subject"]


def dream_artifact(
    model: Model = None,
    *,
    enhance: str = "layers",
    layers: Layers | None = None,
    device: Choice | None = None,
) -> Path:
    """The folder of an artifact for dreams, exported if it is not in the cache yet.

    Arguments as of :func:`pixelgrad.exporters.dream_objective`; that and :func:`pixelgrad.load_network` say what is
    raised. device: which it is for; any by default.
    """

    def build(network: Network) -> Objective:
        objective: Objective = exporters().dream_objective(network, enhance=enhance, layers=layers)
        return objective

    key = {"enhance": enhance, "layers": plain_layers(layers)}
    return task_artifact("dream", NetworkSpec.of(model), build, key, device)


def dream_subject(
    model: Model = None,
    *,
    layers: Layers | None = None,
    channels: Sequence[int] | None = None,
    classes: str | int | Sequence[str | int] | None = None,
    guided: bool = False,
    device: Choice | None = None,
) -> tuple[Path, list[int] | None]:
    """The folder of the artifact for a dream of layers, channels, classes or a guide, and the channels to choose in it.

    classes: labels, synset ids or indices. Raises :class:`SettingsError` for more than one of channels, classes and
    guide, and for a class that the network does not have; :class:`NetworkError` where it has none.
    """
    if layers is not None and not several(layers):
        raise SettingsError("layers is empty; name one or more, or leave it out")
    wanted = several(classes)
    chosen = None if channels is None else whole_numbers("channels", channels)
    given = [name for name, value in (("channels", chosen), ("class", wanted), ("guide", guided)) if value]
    if len(given) > 1:
        raise SettingsError(f"a dream is of one thing, not of {' and '.join(given)}; give one of them")
    enhance = given[0] if given else "layers"
    spec = NetworkSpec.of(model)
    folder = dream_artifact(spec, enhance=enhance, layers=layers, device=device)
    if wanted:
        network = spec.load()
        return folder, [find_class(network, text) for text in wanted]
    return folder, chosen


def dream(
    picture: ImageSource | None = None,
    /,
    *,
    model: Model = None,
    device: str = "auto",
    layers: Layers | None = None,
    channels: Sequence[int] | None = None,
    classes: str | int | Sequence[str | int] | None = None,
    guide: ImageSource | None = None,
    on_step: OnStep | None = None,
    **settings: Any,
) -> Picture:
    """DeepDream: make stronger what a network sees in a picture (Mordvintsev, Olah & Tyka 2015).

    >>> pixelgrad.dream("sky.jpg", model="googlenet.onnx").save("dream.png")
    >>> pixelgrad.dream(model="googlenet.onnx", classes="banana").save("banana.png")  # from noise

    picture: a path, file object, bytes, Pillow image, NumPy array or picture; ``None`` starts from noise.
    model, device: as of :func:`pixelgrad.stylize`.
    layers: layer names, or names with relative weights: what they see, whatever it is.
    channels: some channels of the layer. classes: classes of a classifier, by label, synset id or index.
    guide: a picture to look for. At most one of these three.
    on_step: called with a :class:`StepEvent` after every step.
    settings: fields of :class:`DreamSettings`: ``size``, ``steps``, ``octaves``, ``octave_scale``, ``strength``,
        ``jitter``, ``smoothing``, ``seed``, ...

    Returns a picture that shows itself in a notebook; ``save``, ``to_pil()`` and ``numpy.asarray`` take it
    elsewhere. Raises :class:`PixelgradError`; see ``pixelgrad.errors``.
    """
    chosen = settings_of(DreamSettings, "dream", settings, on_step=on_step)
    chosen.check()
    source = None if picture is None else read_source(picture, "picture")
    towards = None if guide is None else read_source(guide, "guide")
    choice = choose_device(device)
    folder, chosen_channels = dream_subject(
        model,
        layers=layers,
        channels=channels,
        classes=classes,
        guided=guide is not None,
        device=choice,
    )
    events = run_dream(
        Artifact(folder, device=choice),
        source,
        chosen,
        channels=chosen_channels,
        guide=towards,
        max_memory=memory_limit(chosen, choice),
    )
    return last_picture(events, on_step)
