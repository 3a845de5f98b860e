"""Reconstruction from features, from start to finish."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixelgrad.networks import Model, NetworkSpec
from pixelgrad.runtime import Artifact, Choice, InversionSettings, Picture, choose_device
from pixelgrad.runtime import invert as run_invert
from pixelgrad.runtime import invert_depth as run_invert_depth
from pixelgrad.runtime.images import ImageSource
from pixelgrad.tasks.common import OnStep, exporters, last_picture, read_source, settings_of, several, task_artifact
from pixelgrad.tasks.memory import memory_limit

if TYPE_CHECKING:
    from pixelgrad.exporters import Network, Objective

__all__ = ["inversion_artifact", "inversion_artifacts", "invert", "invert_depth"]


def inversion_artifact(
    layer: str,
    model: Model = None,
    *,
    alpha: float = 6.0,
    beta: float = 2.0,
    device: Choice | None = None,
) -> Path:
    """The folder of an artifact for reconstruction from ``layer``, exported if it is not in the cache yet.

    Arguments as of :func:`pixelgrad.exporters.inversion_objective`; that and :func:`pixelgrad.load_network` say what
    is raised. device: which it is for; any by default.
    """

    def build(network: Network) -> Objective:
        objective: Objective = exporters().inversion_objective(network, layer, alpha=alpha, beta=beta)
        return objective

    key = {"layer": layer, "alpha": alpha, "beta": beta}
    return task_artifact("inversion", NetworkSpec.of(model), build, key, device)


def inversion_artifacts(
    layers: Sequence[str] | None = None,
    model: Model = None,
    *,
    alpha: float = 6.0,
    beta: float = 2.0,
    device: Choice | None = None,
) -> dict[str, Path]:
    """By layer, the folders of artifacts for reconstruction; by default for layers over the depth of the network."""
    spec = NetworkSpec.of(model)
    if layers is None:
        layers = exporters().depth_layers(spec.load())
    return {layer: inversion_artifact(layer, spec, alpha=alpha, beta=beta, device=device) for layer in several(layers)}


def invert(
    picture: ImageSource,
    /,
    layer: str,
    *,
    model: Model = None,
    device: str = "auto",
    alpha: float = 6.0,
    beta: float = 2.0,
    on_step: OnStep | None = None,
    **settings: Any,
) -> Picture:
    """Reconstruct a picture from what a layer of a network knows of it (Mahendran & Vedaldi 2014).

    >>> picture = pixelgrad.invert("photo.jpg", "relu4_1")
    >>> picture.recipe["error"]

    picture: a path, file object, bytes, Pillow image, NumPy array or picture. layer: its name.
    model, device, on_step: as of :func:`pixelgrad.stylize`.
    alpha, beta: exponents of the alpha-norm and of total variation; 1 for ``beta`` gives sharper edges.
    settings: fields of :class:`InversionSettings`: ``size``, ``steps``, ``seed``, ``jitter``, ``alpha_weight``,
        ``tv_weight``, ``learning_rate``.

    The result's recipe has ``error``, ||phi(x) - phi0||^2 / ||phi0||^2. Raises :class:`PixelgradError`.
    """
    chosen = settings_of(InversionSettings, "invert", settings, on_step=on_step)
    chosen.check()
    original = read_source(picture, "picture")
    choice = choose_device(device)
    folder = inversion_artifact(layer, model, alpha=alpha, beta=beta, device=choice)
    limit = memory_limit(chosen, choice)
    return last_picture(run_invert(Artifact(folder, device=choice), original, chosen, max_memory=limit), on_step)


def invert_depth(
    picture: ImageSource,
    /,
    layers: Sequence[str] | None = None,
    *,
    model: Model = None,
    device: str = "auto",
    alpha: float = 6.0,
    beta: float = 2.0,
    on_step: OnStep | None = None,
    **settings: Any,
) -> Picture:
    """A labelled strip of reconstructions over the depth of a network, beside the original.

    layers: names, from shallow to deep; those that all of the network passes through by default. Else as of
    :func:`invert`.
    """
    chosen = settings_of(InversionSettings, "invert_depth", settings, on_step=on_step)
    chosen.check()
    original = read_source(picture, "picture")
    choice = choose_device(device)
    folders = inversion_artifacts(layers, model, alpha=alpha, beta=beta, device=choice)
    artifacts = {layer: Artifact(folder, device=choice) for layer, folder in folders.items()}
    limit = memory_limit(chosen, choice)
    return last_picture(run_invert_depth(artifacts, original, chosen, max_memory=limit), on_step)
