"""What is measured of a network, to hold it beside others."""

from pixelgrad.runtime.comparing.drawing import comparison_sheet
from pixelgrad.runtime.comparing.features import Features, open_features
from pixelgrad.runtime.comparing.invariance import CHANGES, Change, Invariance, invariance
from pixelgrad.runtime.comparing.spectra import (
    Spectrum,
    aliased_share,
    filter_spectrum,
    filters_picture,
    response_spectrum,
)
from pixelgrad.runtime.comparing.units import Responses

__all__ = [
    "CHANGES",
    "Change",
    "Features",
    "Invariance",
    "Responses",
    "Spectrum",
    "aliased_share",
    "comparison_sheet",
    "filter_spectrum",
    "filters_picture",
    "invariance",
    "open_features",
    "response_spectrum",
]
