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
from pixelgrad.runtime.tasks import DreamSettings, StyleSettings, ZoomSettings, dream, style, zoom, zoom_recipe
from pixelgrad.runtime.verify import Check, verify

__all__ = [
    "DEVICES",
    "LBFGS",
    "Adam",
    "Artifact",
    "Check",
    "Choice",
    "Device",
    "DreamSettings",
    "Evaluation",
    "FrameEvent",
    "FrameFolder",
    "Optimizer",
    "Picture",
    "StepEvent",
    "StyleSettings",
    "Term",
    "ZoomSettings",
    "choose_device",
    "dream",
    "read_image",
    "read_recipe",
    "style",
    "verify",
    "write_image",
    "zoom",
    "zoom_recipe",
]
