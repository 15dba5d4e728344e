"""`x_modalnet`: three streams, adversarial and interactive features, and labels propagated over a graph.

Hong et al., "X-ModalNet: a semi-supervised deep cross-modal network for classification of remote sensing
data", ISPRS Journal of Photogrammetry and Remote Sensing 167, 2020 (arXiv 2006.13806). The paper leaves much
open and contradicts itself in places: docs/methods.md lists every choice and the switch that changes it.
"""

from __future__ import annotations

import torch

from geo_xmodal.methods.base import Method
from geo_xmodal.methods.x_modalnet.learner import XModalNetLearner
from geo_xmodal.methods.x_modalnet.options import ABLATION, NOISE_ROWS, XModalNetOptions
from geo_xmodal.types import TrainingData


class XModalNet(Method):
    """X-ModalNet."""

    name = "x_modalnet"
    summary = "X-ModalNet: adversarial and interactive streams, reconstruction, labels propagated on a graph"
    uses_rich = True
    uses_unlabelled_target = True
    ablation = ABLATION
    noise_rows = NOISE_ROWS
    Options = XModalNetOptions

    def learner(self, data: TrainingData, options: XModalNetOptions, seed: int) -> XModalNetLearner:
        """A learner with weights drawn from `seed`."""
        torch.manual_seed(seed)
        return XModalNetLearner(data, options, seed)


__all__ = ["ABLATION", "XModalNet", "XModalNetLearner", "XModalNetOptions"]
