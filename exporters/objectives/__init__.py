"""What to optimise an image for."""

from pixelgrad.exporters.objectives.activations import Activation
from pixelgrad.exporters.objectives.dream import Energy, Guide, dream_objective
from pixelgrad.exporters.objectives.objective import LossGraphs, Objective, build_loss_graphs
from pixelgrad.exporters.objectives.style import style_objective
from pixelgrad.exporters.objectives.terms import Content, Gram, Term, TotalVariation

__all__ = [
    "Activation",
    "Content",
    "Energy",
    "Gram",
    "Guide",
    "LossGraphs",
    "Objective",
    "Term",
    "TotalVariation",
    "build_loss_graphs",
    "dream_objective",
    "style_objective",
]
