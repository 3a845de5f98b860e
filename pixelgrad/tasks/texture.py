"""Texture synthesis from start to finish."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixelgrad.errors import UnknownLayerError
from pixelgrad.networks import Model, NetworkSpec
from pixelgrad.runtime import Artifact, Choice, Picture, TextureSettings, choose_device
from pixelgrad.runtime import texture as run_texture
from pixelgrad.runtime import texture_row as run_texture_row
from pixelgrad.runtime.images import ImageSource
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

__all__ = ["texture", "texture_artifact", "texture_artifacts", "texture_row"]

_POOL = "avg"  # as in the paper


def texture_artifact(
    model: Model = None,
    *,
    loss: str = "moments",
    layers: Layers | None = None,
    grain_weight: float | None = None,
    tv_weight: float = 0.0,
    tileable: bool = False,
    tiles: bool = False,
    device: Choice | None = None,
) -> Path:
    """The folder of an artifact for texture synthesis, exported if it is not in the cache yet.

    Arguments as of :func:`pixelgrad.exporters.texture_objective`; that and :func:`pixelgrad.load_network` say what is
    raised. tiles: whether large images can be looked at in tiles, if the layers allow.
    device: which it is for; any by default.
    """

    given = {"loss": loss, "grain_weight": grain_weight, "tv_weight": tv_weight, "tileable": tileable}

    def build(network: Network) -> Objective:
        objective: Objective = exporters().texture_objective(network, layers=layers, **given)
        return objective

    key = {**given, "layers": plain_layers(layers)}
    return task_artifact("texture", NetworkSpec.of(model, _POOL), build, key, device, tiles=tiles)


def texture_artifacts(
    upto: str, model: Model = None, *, layers: Layers | None = None, **options: Any
) -> dict[str, Path]:
    """By caption, the folders of artifacts with one layer more in each: the first, the first two, ... up to ``upto``.

    layers, options: as of :func:`texture_artifact`.
    Raises :class:`UnknownLayerError` where ``upto`` is not among the layers.
    """
    spec = NetworkSpec.of(model, _POOL)
    network = spec.load()
    names = list(layers if layers is not None else exporters().texture_layers(network))
    tensors = [network.layer(name).name for name in names]
    wanted = network.layer(upto).name
    if wanted not in tensors:
        listed = ", ".join(names)
        raise UnknownLayerError(f"the texture is not made from the layer {upto!r}; its layers are {listed}", names)
    found = {}
    for last in range(tensors.index(wanted) + 1):
        chosen = names[: last + 1]
        some = {name: layers[name] for name in chosen} if isinstance(layers, dict) else chosen
        caption = names[0] if not last else f"+ {names[last]}"
        found[caption] = texture_artifact(spec, layers=some, **options)
    return found


def texture(
    source: ImageSource,
    /,
    *,
    model: Model = None,
    device: str = "auto",
    loss: str = "moments",
    layers: Layers | None = None,
    grain_weight: float | None = None,
    tv_weight: float = 0.0,
    on_step: OnStep | None = None,
    **settings: Any,
) -> Picture:
    """Make a texture like that of a picture, of any size (Gatys, Ecker & Bethge 2015).

    >>> pixelgrad.texture("gravel.png", size=(640, 480), tileable=True).save("out.png")

    source: a path, file object, bytes, Pillow image, NumPy array or picture.
    model, device, on_step: as of :func:`pixelgrad.stylize`.
    loss: ``moments``, the Wasserstein distance of Gaussians over features, or ``gram``, as in the paper.
    layers: layer names, shallow to deep, or names with relative weights; conv1_1 and pool1 to pool4 by default.
    grain_weight: weight of the finest texture, patches of 3x3 pixels; 0.2 by default, and none for ``gram``.
    tv_weight: weight of the smoothness.
    settings: fields of :class:`TextureSettings`: ``size`` (width, height), ``source_size``, ``steps``, ``seed``,
        ``tileable``, ``match_histogram``, ``optimizer``, ``max_memory``, ...

    Raises :class:`PixelgradError`; see ``pixelgrad.errors``.
    """
    objective = {"loss": loss, "layers": layers, "grain_weight": grain_weight, "tv_weight": tv_weight}
    picture, chosen, options = _checked("texture", source, device, objective, settings, on_step)
    artifact = Artifact(texture_artifact(model, **options), device=options["device"])
    return last_picture(run_texture(artifact, picture, chosen), on_step)


def texture_row(
    source: ImageSource,
    /,
    upto: str,
    *,
    model: Model = None,
    device: str = "auto",
    loss: str = "moments",
    layers: Layers | None = None,
    grain_weight: float | None = None,
    tv_weight: float = 0.0,
    on_step: OnStep | None = None,
    **settings: Any,
) -> Picture:
    """A labelled row of textures made from more and more layers, up to the layer ``upto``, beside their source.

    Arguments as of :func:`texture`.
    """
    objective = {"loss": loss, "layers": layers, "grain_weight": grain_weight, "tv_weight": tv_weight}
    picture, chosen, options = _checked("texture_row", source, device, objective, settings, on_step)
    folders = texture_artifacts(upto, model, **options)
    artifacts = {caption: Artifact(folder, device=options["device"]) for caption, folder in folders.items()}
    return last_picture(run_texture_row(artifacts, picture, chosen), on_step)


def _checked(
    task: str,
    source: ImageSource,
    device: str,
    objective: Mapping[str, Any],
    settings: Mapping[str, Any],
    on_step: OnStep | None,
) -> tuple[Picture, TextureSettings, dict[str, Any]]:
    """The picture, the settings of ``task``, and what its artifact is made by."""
    chosen = settings_of(TextureSettings, task, settings, on_step=on_step)
    chosen.check()
    picture = read_source(source, "source")
    choice = choose_device(device)
    limit = memory_limit(chosen, choice)
    options = {**objective, "tileable": chosen.tileable, "tiles": limit is not None, "device": choice}
    return picture, replace(chosen, max_memory=limit), options
