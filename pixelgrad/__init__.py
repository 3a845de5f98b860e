"""Optimise pixels through any neural network with ONNX Runtime alone.

>>> import pixelgrad
>>> pixelgrad.stylize("photo.jpg", "painting.jpg").save("out.png")

What is named here is loaded when it is first used, so that ``import pixelgrad.runtime`` needs NumPy, Pillow and
ONNX Runtime only.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pixelgrad.errors import (
        ArtifactError,
        DeviceError,
        DivergedError,
        DownloadError,
        ImageError,
        NetworkError,
        OutputError,
        PixelgradError,
        SettingsError,
        UnknownLayerError,
        UnsupportedOperatorError,
    )
    from pixelgrad.exporters import (
        style_objective,
        value_and_gradient,
        visualize_objective,
        vjp,
        write_artifact,
    )
    from pixelgrad.networks import load_network
    from pixelgrad.runtime import (
        Artifact,
        CompareSettings,
        DeconvResult,
        DeconvSettings,
        EvolveResult,
        EvolveSettings,
        MistakesResult,
        MistakesSettings,
        Picture,
        StepEvent,
        StyleSettings,
        VisualizeSettings,
        read_image,
    )
    from pixelgrad.tasks import (
        Comparison,
        Visualization,
        projection_artifact,
        style_artifact,
        stylize,
        visualize_artifact,
    )
    from pixelgrad.tasks.compare import compare
    from pixelgrad.tasks.deconv import deconv
    from pixelgrad.tasks.evolve import evolve
    from pixelgrad.tasks.mistakes import mistakes
    from pixelgrad.tasks.visualize import visualize
    from pixelgrad.version import __version__

_HOMES = {
    "pixelgrad.errors": (
        "ArtifactError DeviceError DivergedError DownloadError ImageError NetworkError OutputError PixelgradError "
        "SettingsError UnknownLayerError UnsupportedOperatorError"
    ),
    "pixelgrad.exporters": "style_objective value_and_gradient visualize_objective vjp write_artifact",
    "pixelgrad.networks": "load_network",
    "pixelgrad.runtime": (
        "Artifact CompareSettings DeconvResult DeconvSettings EvolveResult EvolveSettings MistakesResult "
        "MistakesSettings Picture StepEvent StyleSettings VisualizeSettings read_image"
    ),
    "pixelgrad.tasks": (
        "Comparison Visualization compare deconv evolve mistakes projection_artifact style_artifact stylize "
        "visualize visualize_artifact"
    ),
    "pixelgrad.version": "__version__",
}
_WHERE = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = [
    "Artifact",
    "ArtifactError",
    "CompareSettings",
    "Comparison",
    "DeconvResult",
    "DeconvSettings",
    "DeviceError",
    "DivergedError",
    "DownloadError",
    "EvolveResult",
    "EvolveSettings",
    "ImageError",
    "MistakesResult",
    "MistakesSettings",
    "NetworkError",
    "OutputError",
    "Picture",
    "PixelgradError",
    "SettingsError",
    "StepEvent",
    "StyleSettings",
    "UnknownLayerError",
    "UnsupportedOperatorError",
    "Visualization",
    "VisualizeSettings",
    "__version__",
    "compare",
    "deconv",
    "evolve",
    "load_network",
    "mistakes",
    "projection_artifact",
    "read_image",
    "style_artifact",
    "style_objective",
    "stylize",
    "value_and_gradient",
    "visualize",
    "visualize_artifact",
    "visualize_objective",
    "vjp",
    "write_artifact",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'pixelgrad' has no attribute {name!r}")
    value = getattr(import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
