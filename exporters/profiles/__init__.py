"""The same mathematics in the form that a kind of device runs fastest.

``portable`` runs everywhere; operators that are slow or missing on many devices are written out (:mod:`.written_out`).
``fast`` is for the CPU, whose ONNX Runtime has direct convolutions only: it rewrites wide 3x3 convolutions by
Winograd's algorithm, keeps gradients in the layout of the convolutions, and scatters to the maxima of overlapping
poolings.
"""

from __future__ import annotations

from typing import Literal

import onnx_ir as ir

from pixelgrad.errors import SettingsError
from pixelgrad.exporters.autodiff.registry import RuleFunction
from pixelgrad.exporters.autodiff.rules.pooling import max_pool_by_scattering
from pixelgrad.exporters.profiles.blocked import keep_blocked
from pixelgrad.exporters.profiles.winograd import use_winograd
from pixelgrad.exporters.profiles.written_out import write_out

__all__ = ["PRECISIONS", "PROFILES", "RULES", "Profile", "apply_profile", "check_precision", "check_profile"]

Profile = Literal["portable", "fast"]
PROFILES: tuple[Profile, ...] = ("portable", "fast")
PRECISIONS = ("fp32", "fp16")


#: Gradient rules to lay over the table, by profile.
RULES: dict[str, dict[str, RuleFunction]] = {"portable": {}, "fast": {"MaxPool": max_pool_by_scattering}}


def check_profile(profile: str) -> None:
    """Raise :class:`SettingsError` for a profile that does not exist."""
    if profile not in PROFILES:
        raise SettingsError(f"the profile is {profile!r}; it must be one of {', '.join(PROFILES)}")


def check_precision(precision: str, profile: str) -> None:
    """Raise :class:`SettingsError` for a precision that does not exist, or that the profile does not go with."""
    if precision not in PRECISIONS:
        raise SettingsError(f"the precision is {precision!r}; it must be one of {', '.join(PRECISIONS)}")
    if precision == "fp16" and profile == "fast":
        raise SettingsError("fp16 is for GPUs and the profile 'fast' for CPUs; choose one of the two")


def apply_profile(model: ir.Model, profile: str) -> None:
    """Rewrite ``model`` (opset 18, inferred shapes, its gradient in it) for a profile, in place."""
    write_out(model)
    if profile == "fast":
        use_winograd(model)
        keep_blocked(model)
