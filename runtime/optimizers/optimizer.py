"""What every optimiser does: ask for a gradient at one image at a time, and show its best guess."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from pixelgrad.errors import SettingsError
from pixelgrad.runtime.images.resizing import Resize, resize
from pixelgrad.runtime.settings import check_choice

Array = np.ndarray[Any, Any]
OPTIMIZERS = ("adam", "lbfgs")


class Stepper(Protocol):
    """One gradient evaluation per step:

    >>> evaluation = artifact.evaluate(optimizer.image, targets)
    >>> optimizer.update(evaluation.loss, evaluation.gradient)
    """

    @property
    def image(self) -> Array:
        """Where the next gradient is wanted: float32 [1, 3, H, W] in [0, 1]."""

    @property
    def result(self) -> Array:
        """The picture to look at: float32 [1, 3, H, W] in [0, 1]."""

    def update(self, loss: float, gradient: Array) -> None:
        """Take the loss and gradient at :attr:`image`, and move on."""


class Optimizer(Stepper, Protocol):
    """One that can go on at another size."""

    def resized(self, width: int, height: int, resize: Resize = resize) -> Optimizer:
        """An optimiser that goes on from :attr:`result` at another size, with what state carries over.

        resize: how.
        """


class Sessions(Protocol):
    """What an :class:`Artifact` has for optimisers."""

    @property
    def optimizer(self) -> Any:
        """The session of Adam."""

    @property
    def lbfgs(self) -> tuple[Any, Any] | None:
        """Those of L-BFGS, where the device has memory of its own."""


def check_optimizer(settings: Any) -> None:
    """``optimizer`` must be one that there is, and ``learning_rate`` left as it is where that is not Adam's."""
    check_choice("optimizer", settings.optimizer, OPTIMIZERS)
    if settings.optimizer != "adam" and settings.learning_rate != type(settings).learning_rate:
        raise SettingsError(
            f"learning_rate is {settings.learning_rate}, and {settings.optimizer} finds its own steps; leave it out, "
            "or take the optimizer adam"
        )


def make_optimizer(
    name: str, image: Array, sessions: Sessions, learning_rate: float, pairs: int | None = None
) -> Optimizer:
    """The optimiser of that name, starting from ``image``.

    sessions: the artifact. pairs: how many steps L-BFGS remembers, in the memory of the host, where there is less than
    it would take by itself.
    """
    from pixelgrad.runtime.optimizers.adam import Adam
    from pixelgrad.runtime.optimizers.lbfgs import LBFGS

    if name == "adam":
        return Adam(image, sessions.optimizer, learning_rate)
    if name == "lbfgs":
        return LBFGS(image, sessions.lbfgs) if pairs is None else LBFGS(image, pairs=pairs)
    raise SettingsError(f"the optimizer is {name!r}; it must be one of {', '.join(OPTIMIZERS)}")
