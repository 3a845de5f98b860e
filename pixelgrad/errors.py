"""Every error that pixelgrad raises on purpose, as one tree.

    PixelgradError
    ├── SettingsError        a value that a setting does not allow (also a ValueError)
    ├── ImageError           a picture that cannot be read or used
    ├── OutputError          a place that cannot be written
    ├── NetworkError         a network file that cannot be read or used
    │   ├── UnknownLayerError        a layer name that the network does not have
    │   ├── UnsupportedOperatorError operators that have no gradient rule
    │   └── UncomputableError        a network that fails when it is run once, as it is exported
    ├── DownloadError        a network file that cannot be fetched, or is not what it should be
    ├── ArtifactError        an artifact folder that is missing, damaged or too new
    ├── DeviceError          a device that is not there or does not work
    └── DivergedError        the loss stopped being a number; carries the last good image

A message names the value, says what is allowed and what to try next. This module imports nothing, so that
every room of the house can raise from the same tree.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = [
    "ArtifactError",
    "DeviceError",
    "DivergedError",
    "DownloadError",
    "ImageError",
    "NetworkError",
    "OutputError",
    "PixelgradError",
    "SettingsError",
    "UncomputableError",
    "UnknownLayerError",
    "UnsupportedOperatorError",
]


class PixelgradError(Exception):
    """Base of every error that pixelgrad raises on purpose."""


class SettingsError(PixelgradError, ValueError):
    """A value that a setting does not allow."""


class ImageError(PixelgradError):
    """A picture that cannot be read, or cannot be used with the network at hand."""


class OutputError(PixelgradError):
    """A file or folder that cannot be written."""


class NetworkError(PixelgradError):
    """A network file that cannot be read, or that cannot be used for optimising an image."""


class UncomputableError(NetworkError):
    """A network that cannot be computed at the size at which it is checked."""


class UnknownLayerError(NetworkError):
    """A layer name that the network does not have.

    ``matches`` holds the closest names that it does have, best first.
    """

    def __init__(self, message: str, matches: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.matches = tuple(matches)


class UnsupportedOperatorError(NetworkError):
    """Operators on the way from the image to the loss that have no gradient rule.

    ``operators`` holds each operator type once, sorted.
    """

    def __init__(self, message: str, operators: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.operators = tuple(operators)


class DownloadError(PixelgradError):
    """A network file that cannot be fetched, or that is not the one that its publisher describes."""


class ArtifactError(PixelgradError):
    """An artifact folder that is missing, incomplete, damaged, or of a newer format."""


class DeviceError(PixelgradError):
    """A device that is not available here, or that failed."""


class DivergedError(PixelgradError):
    """The loss or the gradient stopped being a finite number.

    ``image`` is the last good image, float32 [1, 3, H, W] in [0, 1], or ``None`` where there is none.
    """

    def __init__(self, message: str, image: Any = None) -> None:
        super().__init__(message)
        self.image = image
