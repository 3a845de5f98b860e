"""Ways to move an image downhill."""

from pixelgrad.runtime.optimizers.adam import Adam
from pixelgrad.runtime.optimizers.lbfgs import LBFGS
from pixelgrad.runtime.optimizers.lbfgs_vectors import PAIRS
from pixelgrad.runtime.optimizers.normalized import Conditioning, NormalizedGradient
from pixelgrad.runtime.optimizers.optimizer import OPTIMIZERS, Optimizer, Stepper, check_optimizer, make_optimizer

__all__ = [
    "LBFGS",
    "OPTIMIZERS",
    "PAIRS",
    "Adam",
    "Conditioning",
    "NormalizedGradient",
    "Optimizer",
    "Stepper",
    "check_optimizer",
    "make_optimizer",
]
