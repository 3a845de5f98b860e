"""From a layer's activations back to the pixels: graphs for the deconvnet and its relatives."""

from pixelgrad.exporters.projections.graphs import Projection, ProjectionGraphs, build_projection_graphs
from pixelgrad.exporters.projections.rules import PROJECTION_RULES

__all__ = ["PROJECTION_RULES", "Projection", "ProjectionGraphs", "build_projection_graphs"]
