"""Networks and objectives in, gradient graphs and artifacts out; nothing is run here."""

from pixelgrad.exporters.autodiff import value_and_gradient, vjp

__all__ = ["value_and_gradient", "vjp"]
