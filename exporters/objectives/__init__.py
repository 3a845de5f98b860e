"""What to optimise an image for."""

from pixelgrad.exporters.objectives.activations import Activation
from pixelgrad.exporters.objectives.features import features_objective
from pixelgrad.exporters.objectives.objective import LossGraphs, Objective, build_loss_graphs
from pixelgrad.exporters.objectives.style import style_objective
from pixelgrad.exporters.objectives.terms import Content, Gram, Term, TotalVariation
from pixelgrad.exporters.objectives.visualize import UNITS, visualize_objective

__all__ = [
    "UNITS",
    "Activation",
    "Content",
    "Gram",
    "LossGraphs",
    "Objective",
    "Term",
    "TotalVariation",
    "build_loss_graphs",
    "features_objective",
    "style_objective",
    "visualize_objective",
]
