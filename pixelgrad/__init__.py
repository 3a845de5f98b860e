"""Optimise pixels through any neural network with ONNX Runtime alone.

>>> import pixelgrad
>>> pixelgrad.stylize("photo.jpg", "painting.jpg").save("out.png")

What is named here is loaded when it is first used, so that ``import pixelgrad.runtime`` needs NumPy, Pillow and
ONNX Runtime only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixelgrad.lazy import lazy

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
        UncomputableError,
        UnknownLayerError,
        UnsupportedOperatorError,
    )
    from pixelgrad.exporters import (
        dream_objective,
        inversion_objective,
        style_objective,
        texture_objective,
        value_and_gradient,
        visualize_objective,
        vjp,
        write_artifact,
    )
    from pixelgrad.networks import NetworkSpec, load_network
    from pixelgrad.runtime import (
        Artifact,
        CompareSettings,
        DeconvResult,
        DeconvSettings,
        DreamSettings,
        EvolveResult,
        EvolveSettings,
        FrameEvent,
        GridSettings,
        InversionSettings,
        MistakesResult,
        MistakesSettings,
        Picture,
        StepEvent,
        StyleSettings,
        TextureSettings,
        VisualizeSettings,
        ZoomSettings,
        read_image,
    )
    from pixelgrad.tasks import (
        Comparison,
        Visualization,
        activation_grid,
        dream_artifact,
        inversion_artifact,
        invert,
        invert_depth,
        projection_artifact,
        style_artifact,
        stylize,
        texture_artifact,
        texture_row,
        visualize_artifact,
    )
    from pixelgrad.tasks.compare import compare
    from pixelgrad.tasks.deconv import deconv
    from pixelgrad.tasks.dream import dream
    from pixelgrad.tasks.evolve import evolve
    from pixelgrad.tasks.mistakes import mistakes
    from pixelgrad.tasks.texture import texture
    from pixelgrad.tasks.visualize import visualize
    from pixelgrad.tasks.zoom import zoom
    from pixelgrad.version import __version__

__getattr__, __dir__ = lazy(
    __name__,
    {
        "pixelgrad.errors": (
            "ArtifactError DeviceError DivergedError DownloadError ImageError NetworkError OutputError "
            "PixelgradError SettingsError UncomputableError UnknownLayerError UnsupportedOperatorError"
        ),
        "pixelgrad.exporters": (
            "dream_objective inversion_objective style_objective texture_objective value_and_gradient "
            "visualize_objective vjp write_artifact"
        ),
        "pixelgrad.networks": ("NetworkSpec load_network"),
        "pixelgrad.runtime": (
            "Artifact CompareSettings DeconvResult DeconvSettings DreamSettings EvolveResult EvolveSettings "
            "FrameEvent GridSettings InversionSettings MistakesResult MistakesSettings Picture StepEvent StyleSettings "
            "TextureSettings VisualizeSettings ZoomSettings read_image"
        ),
        "pixelgrad.tasks": (
            "Comparison Visualization activation_grid compare deconv dream dream_artifact evolve inversion_artifact "
            "invert invert_depth mistakes projection_artifact style_artifact stylize texture texture_artifact "
            "texture_row visualize visualize_artifact zoom"
        ),
        "pixelgrad.version": ("__version__"),
    },
)

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
    "DreamSettings",
    "EvolveResult",
    "EvolveSettings",
    "FrameEvent",
    "GridSettings",
    "ImageError",
    "InversionSettings",
    "MistakesResult",
    "MistakesSettings",
    "NetworkError",
    "NetworkSpec",
    "OutputError",
    "Picture",
    "PixelgradError",
    "SettingsError",
    "StepEvent",
    "StyleSettings",
    "TextureSettings",
    "UncomputableError",
    "UnknownLayerError",
    "UnsupportedOperatorError",
    "Visualization",
    "VisualizeSettings",
    "ZoomSettings",
    "__version__",
    "activation_grid",
    "compare",
    "deconv",
    "dream",
    "dream_artifact",
    "dream_objective",
    "evolve",
    "inversion_artifact",
    "inversion_objective",
    "invert",
    "invert_depth",
    "load_network",
    "mistakes",
    "projection_artifact",
    "read_image",
    "style_artifact",
    "style_objective",
    "stylize",
    "texture",
    "texture_artifact",
    "texture_objective",
    "texture_row",
    "value_and_gradient",
    "visualize",
    "visualize_artifact",
    "visualize_objective",
    "vjp",
    "write_artifact",
    "zoom",
]
