"""The same mathematics in the form that a kind of device runs fastest.

``portable`` leaves the graph as it is. ``fast`` is for the CPU, whose ONNX Runtime has direct convolutions only: it
rewrites wide 3x3 convolutions by Winograd's algorithm.
"""

from __future__ import annotations

from typing import Literal

import onnx_ir as ir

from pixelgrad.errors import SettingsError
from pixelgrad.exporters.profiles.winograd import use_winograd

__all__ = ["PROFILES", "Profile", "apply_profile"]

Profile = Literal["portable", "fast"]
PROFILES: tuple[Profile, ...] = ("portable", "fast")


def apply_profile(model: ir.Model, profile: str) -> None:
    """Rewrite ``model`` (opset 18, inferred shapes) for a profile, in place."""
    if profile not in PROFILES:
        raise SettingsError(f"the profile is {profile!r}; it must be one of {', '.join(PROFILES)}")
    if profile == "fast":
        use_winograd(model)
