"""Architectures that a file of weights alone is recognised as, by the names and shapes of its tensors."""

from pixelgrad.exporters.networks.architectures.matching import build_architecture
from pixelgrad.exporters.networks.architectures.table import ARCHITECTURES, Architecture

__all__ = ["ARCHITECTURES", "Architecture", "build_architecture"]
