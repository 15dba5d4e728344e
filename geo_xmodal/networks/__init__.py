"""Torch modules, all dense: image in, image out. They know tensors only, no rasters and no files."""

from geo_xmodal.networks.average import Average
from geo_xmodal.networks.branch import Branch
from geo_xmodal.networks.context import Context, ContextFeature, ContextOptions, context_features
from geo_xmodal.networks.encoders import PixelEncoder, SpectralEncoder
from geo_xmodal.networks.folding import folded
from geo_xmodal.networks.pixel_model import PixelModel, average_model, linear_model
from geo_xmodal.networks.pretrained import BranchEncoder, Projector
from geo_xmodal.networks.ranges import input_ranges
from geo_xmodal.networks.registry import (
    NETWORKS,
    NetworkSpec,
    branch_choices,
    branch_class,
    branch_help,
    build_network,
    check_spec,
    checked_branch,
)
from geo_xmodal.networks.standardize import Standardize
from geo_xmodal.networks.tiling import Tiling
from geo_xmodal.networks.tree_contributions import tree_contributions
from geo_xmodal.networks.trees import Trees, TreeTensors

__all__ = [
    "NETWORKS",
    "Average",
    "Branch",
    "BranchEncoder",
    "Context",
    "ContextFeature",
    "ContextOptions",
    "NetworkSpec",
    "PixelEncoder",
    "PixelModel",
    "Projector",
    "SpectralEncoder",
    "Standardize",
    "Tiling",
    "TreeTensors",
    "Trees",
    "average_model",
    "branch_choices",
    "branch_class",
    "branch_help",
    "build_network",
    "check_spec",
    "checked_branch",
    "context_features",
    "folded",
    "input_ranges",
    "linear_model",
    "tree_contributions",
]
