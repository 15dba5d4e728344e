"""Losses of pretraining without labels, of embeddings of pairs of two sensors. Pure tensors.

They are written here and not taken from Lightly: that package brings PyTorch Lightning, Hydra and a client of
a web service along, has no DeCUR, and makes K x K matrices in Barlow Twins whatever the batch.
"""

from geo_xmodal.objectives.self_supervised.contrastive import CLIP, SimCLR
from geo_xmodal.objectives.self_supervised.decur import PUBLISHED_WEIGHT, BarlowTwins, DeCUR, Form
from geo_xmodal.objectives.self_supervised.maximised import Maximised
from geo_xmodal.objectives.self_supervised.pair_loss import PairLoss

__all__ = ["CLIP", "PUBLISHED_WEIGHT", "BarlowTwins", "DeCUR", "Form", "Maximised", "PairLoss", "SimCLR"]
