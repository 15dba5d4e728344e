"""Labels spread over a graph of neighbours in feature space: arrays only, no rasters and no files."""

from __future__ import annotations

from geo_xmodal.propagation.graph import NeighbourGraph, neighbour_graph
from geo_xmodal.propagation.harmonic import Balance, Propagation, propagate
from geo_xmodal.propagation.search import Search

__all__ = [
    "Balance",
    "NeighbourGraph",
    "Propagation",
    "Search",
    "neighbour_graph",
    "propagate",
]
