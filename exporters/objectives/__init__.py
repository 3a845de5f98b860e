"""What to optimise an image for."""

from pixelgrad.exporters.objectives.activations import Activation
from pixelgrad.exporters.objectives.dream import Energy, Guide, dream_objective
from pixelgrad.exporters.objectives.features import features_objective
from pixelgrad.exporters.objectives.grain import Grain
from pixelgrad.exporters.objectives.inversion import AlphaNorm, inversion_objective
from pixelgrad.exporters.objectives.moments import Moments
from pixelgrad.exporters.objectives.objective import LossGraphs, Objective, build_loss_graphs
from pixelgrad.exporters.objectives.style import style_objective
from pixelgrad.exporters.objectives.terms import Content, Gram, Term, TotalVariation
from pixelgrad.exporters.objectives.texture import texture_layers, texture_objective
from pixelgrad.exporters.objectives.tiles import TileGraphs, build_tile_graphs, can_tile
from pixelgrad.exporters.objectives.visualize import UNITS, visualize_objective

__all__ = [
    "UNITS",
    "Activation",
    "AlphaNorm",
    "Content",
    "Energy",
    "Grain",
    "Gram",
    "Guide",
    "LossGraphs",
    "Moments",
    "Objective",
    "Term",
    "TileGraphs",
    "TotalVariation",
    "build_loss_graphs",
    "build_tile_graphs",
    "can_tile",
    "dream_objective",
    "features_objective",
    "inversion_objective",
    "style_objective",
    "texture_layers",
    "texture_objective",
    "visualize_objective",
]
