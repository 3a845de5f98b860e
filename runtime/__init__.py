"""Finished artifacts in, pictures out, with NumPy, Pillow and ONNX Runtime alone.

>>> from pixelgrad.runtime import Artifact, read_image, style
>>> artifact = Artifact("style.pixelgrad")
>>> for event in style(artifact, read_image("photo.jpg"), [read_image("painting.jpg")]):
...     print(event.step, event.loss)
>>> event.picture().save("out.png")
"""

from pixelgrad.runtime.artifact import Artifact, Evaluation, Term
from pixelgrad.runtime.devices import DEVICES, Choice, Device, choose_device
from pixelgrad.runtime.events import FrameEvent, StepEvent
from pixelgrad.runtime.frames import FrameFolder
from pixelgrad.runtime.images import Picture, read_image, read_recipe, write_image
from pixelgrad.runtime.optimizers import LBFGS, Adam, Optimizer
from pixelgrad.runtime.tasks import (
    Compared,
    CompareEvent,
    CompareSettings,
    DreamSettings,
    InversionSettings,
    Seen,
    StyleSettings,
    Subject,
    TextureSettings,
    Unit,
    VisualizeEvent,
    VisualizeSettings,
    ZoomSettings,
    compare,
    dream,
    invert,
    invert_depth,
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
    "Check",
    "Choice",
    "CompareEvent",
    "CompareSettings",
    "Compared",
    "Device",
    "DreamSettings",
    "Evaluation",
    "FrameEvent",
    "FrameFolder",
    "InversionSettings",
    "Optimizer",
    "Picture",
    "Seen",
    "StepEvent",
    "StyleSettings",
    "Subject",
    "Term",
    "TextureSettings",
    "Unit",
    "VisualizeEvent",
    "VisualizeSettings",
    "ZoomSettings",
    "choose_device",
    "compare",
    "dream",
    "invert",
    "invert_depth",
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
