"""Style transfer from start to finish."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixelgrad.networks import Model, NetworkSpec
from pixelgrad.runtime import Artifact, Choice, Picture, StyleSettings, choose_device, style
from pixelgrad.runtime.images import ImageSource
from pixelgrad.runtime.tasks.style import INITS
from pixelgrad.tasks.common import (
    Layers,
    OnStep,
    exporters,
    last_picture,
    plain_layers,
    read_source,
    settings_of,
    task_artifact,
)
from pixelgrad.tasks.memory import memory_limit

if TYPE_CHECKING:
    from pixelgrad.exporters import Network, Objective

__all__ = ["style_artifact", "stylize"]


def style_artifact(
    model: Model = None,
    *,
    loss: str = "moments",
    masks: int = 0,
    content_layers: Layers | None = None,
    style_layers: Layers | None = None,
    tiles: bool = False,
    device: Choice | None = None,
) -> Path:
    """The folder of an artifact for style transfer, exported if it is not in the cache yet.

    Arguments as of :func:`pixelgrad.exporters.style_objective`; that, :func:`pixelgrad.load_network` and
    :func:`pixelgrad.exporters.write_artifact` say what is raised.
    tiles: whether large images can be looked at in tiles, if the layers allow.
    device: which it is for; any by default.
    """

    def build(network: Network) -> Objective:
        objective: Objective = exporters().style_objective(
            network, loss=loss, masks=masks, content_layers=content_layers, style_layers=style_layers
        )
        return objective

    key = {
        "loss": loss,
        "masks": masks,
        "content_layers": plain_layers(content_layers),
        "style_layers": plain_layers(style_layers),
    }
    return task_artifact("style", NetworkSpec.of(model, pool="avg"), build, key, device, tiles=tiles)


def stylize(
    content: ImageSource,
    style_images: ImageSource | Sequence[ImageSource],
    /,
    *,
    model: Model = None,
    device: str = "auto",
    loss: str = "moments",
    masks: ImageSource | Sequence[ImageSource] | None = None,
    content_layers: Layers | None = None,
    style_layers: Layers | None = None,
    on_step: OnStep | None = None,
    **settings: Any,
) -> Picture:
    """Give a picture the style of one or more others (Gatys, Ecker & Bethge 2016).

    >>> pixelgrad.stylize("photo.jpg", "painting.jpg", size=512).save("out.png")

    content, style_images: paths, file objects, bytes, Pillow images, NumPy arrays or pictures; a list for several
        styles.
    model: a network file, or a name (``pixelgrad models list``); the bundled network by default; or a
        ``torch.nn.Module``, or a loaded network. A :class:`NetworkSpec` says more: max or average pooling, half
        precision, how the network wants its input.
    device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``directml``, ``webgpu``, ``openvino`` or ``coreml``.
    loss: ``moments``, the Wasserstein distance of Gaussians over features, or ``gram``, as in the paper.
    masks: one picture for each style, white where it is wanted.
    content_layers, style_layers: layer names, or names with relative weights.
    on_step: called with a :class:`StepEvent` after every step.
    settings: fields of :class:`StyleSettings`: ``size``, ``steps``, ``seed``, ``init`` (a picture from anywhere, too),
        ``style_weights``,
        ``style_scale``, ``content_weight``, ``style_weight``, ``tv_weight``, ``optimizer``, ``learning_rate``,
        ``max_memory`` (in bytes; what is free, for a large picture on a CPU), ...

    Returns a picture that shows itself in a notebook; ``save``, ``to_pil()`` and ``numpy.asarray`` take it
    elsewhere. Raises :class:`PixelgradError`; see ``pixelgrad.errors``.
    """
    init = settings.get("init", "content")
    if not (isinstance(init, str) and init in INITS):
        settings["init"] = read_source(init, "init")
    chosen = settings_of(StyleSettings, "stylize", settings, on_step=on_step)
    sources = _each(style_images)
    chosen.check(len(sources))
    picture = read_source(content, "content")
    pictures = _read_each(sources, "style image")
    places = None if masks is None else _read_each(_each(masks), "mask")
    choice = choose_device(device)
    limit = memory_limit(chosen, choice)
    folder = style_artifact(
        model,
        loss=loss,
        masks=len(places or ()),
        content_layers=content_layers,
        style_layers=style_layers,
        tiles=limit is not None,
        device=choice,
    )
    artifact = Artifact(folder, device=choice)
    events = style(artifact, picture, pictures, replace(chosen, max_memory=limit), masks=places)
    return last_picture(events, on_step)


def _read_each(sources: Sequence[ImageSource], name: str) -> list[Picture]:
    return [read_source(source, f"{name} {number}") for number, source in enumerate(sources, 1)]


def _each(sources: ImageSource | Sequence[ImageSource]) -> Sequence[Any]:
    """One picture, or several, as several."""
    return sources if isinstance(sources, list | tuple) else [sources]
