"""The same mathematics in the form that a kind of device runs fastest.

``portable`` leaves the graph as it is. ``fast`` is for the CPU, whose ONNX Runtime has direct convolutions only: it
rewrites wide 3x3 convolutions by Winograd's algorithm.
"""

from __future__ import annotations

from typing import Literal

import onnx_ir as ir

from pixelgrad.errors import SettingsError
from pixelgrad.exporters.profiles.winograd import use_winograd

__all__ = ["PRECISIONS", "PROFILES", "Profile", "apply_profile", "check_precision"]

Profile = Literal["portable", "fast"]
PROFILES: tuple[Profile, ...] = ("portable", "fast")
PRECISIONS = ("fp32", "fp16")


def check_precision(precision: str, profile: str) -> None:
    """Raise :class:`SettingsError` for a precision that does not exist, or that the profile does not go with."""
    if precision not in PRECISIONS:
        raise SettingsError(f"the precision is {precision!r}; it must be one of {', '.join(PRECISIONS)}")
    if precision == "fp16" and profile == "fast":
        raise SettingsError("fp16 is for GPUs and the profile 'fast' for CPUs; choose one of the two")


def apply_profile(model: ir.Model, profile: str) -> None:
    """Rewrite ``model`` (opset 18, inferred shapes) for a profile, in place."""
    if profile not in PROFILES:
        raise SettingsError(f"the profile is {profile!r}; it must be one of {', '.join(PROFILES)}")
    if profile == "fast":
        use_winograd(model)
