"""Activation grids from start to finish."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixelgrad.networks import Model, NetworkSpec
from pixelgrad.runtime import Artifact, Choice, GridSettings, Picture, choose_device
from pixelgrad.runtime import activation_grid as run_grid
from pixelgrad.runtime.images import ImageSource
from pixelgrad.tasks.common import OnStep, exporters, last_picture, read_source, settings_of, task_artifact
from pixelgrad.tasks.visualize import batch_for, visualize_artifact

if TYPE_CHECKING:
    from pixelgrad.exporters import Network, Objective

__all__ = ["activation_grid", "grid_artifacts"]


def grid_artifacts(
    layer: str | None = None, model: Model = None, *, cells: int = 6, device: Choice
) -> tuple[Path, Path]:
    """The folders of the two artifacts of a grid, one that follows directions at ``layer`` and one that says what it
    says of a picture, exported if they are not in the cache yet.

    layer: its name; by default the one that is dreamt of. cells: along the longer edge. device: which they are for.
    Raises :class:`UnknownLayerError` and :class:`NetworkError`.
    """
    spec = NetworkSpec.of(model)
    if layer is None:
        layer = exporters().default_dream_layers(spec.load())[-1]
    name = layer

    def build(network: Network) -> Objective:
        objective: Objective = exporters().features_objective(network, [name])
        return objective

    directions = visualize_artifact(spec, layer=name, unit="direction", batch=batch_for(device, cells), device=device)
    return directions, task_artifact("features", spec, build, {"layers": [name]}, device)


def activation_grid(
    picture: ImageSource,
    /,
    layer: str | None = None,
    *,
    model: Model = None,
    device: str = "auto",
    on_step: OnStep | None = None,
    **settings: Any,
) -> Picture:
    """What a network sees at each place of a picture, as pictures (Olah et al. 2018, "The Building Blocks of
    Interpretability").

    >>> pixelgrad.activation_grid("cat.jpg", "inception_4d/output", model="googlenet.onnx").save("seen.png")

    picture: a path, file object, bytes, Pillow image, NumPy array or picture. layer: its name; by default the one that
        :func:`pixelgrad.dream` takes.
    model, device, on_step: as of :func:`pixelgrad.stylize`.
    settings: fields of :class:`GridSettings`: ``cells``, ``size``, ``steps``, ``seed``, ``shown``, ``alone``.

    Returns the picture beside its grid. Raises :class:`PixelgradError`; see ``pixelgrad.errors``.
    """
    chosen = settings_of(GridSettings, "activation_grid", settings, on_step=on_step)
    chosen.check()
    original = read_source(picture, "picture")
    choice = choose_device(device)
    folders = grid_artifacts(layer, model, cells=chosen.cells, device=choice)
    artifact, features = (Artifact(folder, device=choice) for folder in folders)
    return last_picture(run_grid(artifact, features, original, chosen), on_step)
