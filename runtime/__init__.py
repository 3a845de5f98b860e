"""Finished artifacts in, pictures out, with NumPy, Pillow and ONNX Runtime alone.

>>> from pixelgrad.runtime import Artifact, read_image, style
>>> artifact = Artifact("style.pixelgrad")
>>> for event in style(artifact, read_image("photo.jpg"), [read_image("painting.jpg")]):
...     print(event.step, event.loss)
>>> event.picture().save("out.png")
"""

from pixelgrad.runtime.artifact import Artifact, Evaluation, Term
from pixelgrad.runtime.choosing import choose_device
from pixelgrad.runtime.devices import DEVICES, Choice, Device
from pixelgrad.runtime.events import FrameEvent, StepEvent
from pixelgrad.runtime.frames import FrameFolder
from pixelgrad.runtime.images import Picture, read_image, read_recipe, write_image
from pixelgrad.runtime.optimizers import LBFGS, Adam, Optimizer
from pixelgrad.runtime.projector import Box, Projector
from pixelgrad.runtime.scanning import ScanEvent
from pixelgrad.runtime.tasks import (
    Compared,
    CompareEvent,
    CompareSettings,
    DeconvResult,
    DeconvSettings,
    DreamSettings,
    EvolveEvent,
    EvolveResult,
    EvolveSettings,
    GridSettings,
    InversionSettings,
    MistakesEvent,
    MistakesResult,
    MistakesSettings,
    ProjectEvent,
    Seen,
    Snapshot,
    StyleSettings,
    Subject,
    TextureSettings,
    Unit,
    VisualizeEvent,
    VisualizeSettings,
    ZoomSettings,
    activation_grid,
    compare,
    deconv,
    dream,
    evolve,
    invert,
    invert_depth,
    mistakes,
    style,
    texture,
    texture_row,
    visualize,
    zoom,
    zoom_recipe,
)
from pixelgrad.runtime.verify import Check, verify

__all__ = [
    "DEVICES",
    "LBFGS",
    "Adam",
    "Artifact",
    "Box",
    "Check",
    "Choice",
    "CompareEvent",
    "CompareSettings",
    "Compared",
    "DeconvResult",
    "DeconvSettings",
    "Device",
    "DreamSettings",
    "Evaluation",
    "EvolveEvent",
    "EvolveResult",
    "EvolveSettings",
    "FrameEvent",
    "FrameFolder",
    "GridSettings",
    "InversionSettings",
    "MistakesEvent",
    "MistakesResult",
    "MistakesSettings",
    "Optimizer",
    "Picture",
    "ProjectEvent",
    "Projector",
    "ScanEvent",
    "Seen",
    "Snapshot",
    "StepEvent",
    "StyleSettings",
    "Subject",
    "Term",
    "TextureSettings",
    "Unit",
    "VisualizeEvent",
    "VisualizeSettings",
    "ZoomSettings",
    "activation_grid",
    "choose_device",
    "compare",
    "deconv",
    "dream",
    "evolve",
    "invert",
    "invert_depth",
    "mistakes",
    "read_image",
    "read_recipe",
    "style",
    "texture",
    "texture_row",
    "verify",
    "visualize",
    "write_image",
    "zoom",
    "zoom_recipe",
]
