"""Finished artifacts in, pictures out, with NumPy, Pillow and ONNX Runtime alone.

>>> from pixelgrad.runtime import Artifact, read_image, style
>>> artifact = Artifact("style.pixelgrad")
>>> for event in style(artifact, read_image("photo.jpg"), [read_image("painting.jpg")]):
...     print(event.step, event.loss)
>>> event.picture().save("out.png")
"""

from pixelgrad.runtime.artifact import Artifact, Evaluation, Term
from pixelgrad.runtime.devices import DEVICES, Choice, Device, choose_device
from pixelgrad.runtime.events import StepEvent
from pixelgrad.runtime.images import Picture, read_image, read_recipe, write_image
from pixelgrad.runtime.optimizers import LBFGS, Adam, Optimizer
from pixelgrad.runtime.tasks import (
    Compared,
    CompareEvent,
    CompareSettings,
    Seen,
    StyleSettings,
    Subject,
    Unit,
    VisualizeEvent,
    VisualizeSettings,
    compare,
    style,
    visualize,
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
    "Evaluation",
    "Optimizer",
    "Picture",
    "Seen",
    "StepEvent",
    "StyleSettings",
    "Subject",
    "Term",
    "Unit",
    "VisualizeEvent",
    "VisualizeSettings",
    "choose_device",
    "compare",
    "read_image",
    "read_recipe",
    "style",
    "verify",
    "visualize",
    "write_image",
]
