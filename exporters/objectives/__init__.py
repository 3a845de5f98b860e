"""What to optimise an image for."""

from pixelgrad.exporters.objectives.activations import Activation
from pixelgrad.exporters.objectives.dream import Energy, Guide, dream_objective
from pixelgrad.exporters.objectives.inversion import AlphaNorm, inversion_objective
from pixelgrad.exporters.objectives.moments import Moments
from pixelgrad.exporters.objectives.objective import LossGraphs, Objective, build_loss_graphs
from pixelgrad.exporters.objectives.style import style_objective
from pixelgrad.exporters.objectives.terms import Content, Gram, Term, TotalVariation
from pixelgrad.exporters.objectives.texture import texture_layers, texture_objective

__all__ = [
    "Activation",
    "AlphaNorm",
    "Content",
    "Energy",
    "Gram",
    "Guide",
    "LossGraphs",
    "Moments",
    "Objective",
    "Term",
    "TotalVariation",
    "build_loss_graphs",
    "dream_objective",
    "inversion_objective",
    "style_objective",
    "texture_layers",
    "texture_objective",
]
