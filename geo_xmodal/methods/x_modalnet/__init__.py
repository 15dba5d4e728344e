"""`x_modalnet`: three streams, adversarial and interactive features, and labels propagated over a graph.

Hong et al., "X-ModalNet: a semi-supervised deep cross-modal network for classification of remote sensing
data", ISPRS Journal of Photogrammetry and Remote Sensing 167, 2020 (arXiv 2006.13806). The paper leaves much
open and contradicts itself in places: docs/methods.md lists every choice and the switch that changes it.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from geo_xmodal.errors import TrainingDataError
from geo_xmodal.memory import RAISE, check_memory
from geo_xmodal.methods.base import Control, Method, Work, why_no_unlabelled
from geo_xmodal.methods.cnn import branch_controls
from geo_xmodal.methods.pairs import check_pairs
from geo_xmodal.methods.x_modalnet.learner import XModalNetLearner
from geo_xmodal.methods.x_modalnet.options import ABLATION, NOISE_ROWS, XModalNetOptions
from geo_xmodal.types import TrainingData

_LIBRARIES, _LIBRARIES_EACH_THREAD = 760 << 20, 130 << 20
"""Address space of the libraries that make the SVM and the graph, on one thread, and for each more.
Measured with `train`; where they do not fit, they end the process by a signal."""


class XModalNet(Method):
    """X-ModalNet."""

    name = "x_modalnet"
    summary = "X-ModalNet: adversarial and interactive streams, reconstruction, labels propagated on a graph"
    uses_auxiliary = True
    uses_unlabelled_target = True
    ablation = ABLATION
    noise_rows = NOISE_ROWS
    Options = XModalNetOptions

    def controls(self, options: XModalNetOptions) -> Mapping[str, Control]:
        """The stream that maps by itself: no autoencoder, no adversary, no graph."""
        return branch_controls(options)

    def check(self, data: TrainingData, options: XModalNetOptions) -> None:
        """The joint stream learns from labelled pairs, and the graph spreads labels to unlabelled pixels."""
        check_pairs(data, self.name)
        if options.propagation != "off" and not data.unlabelled:
            raise TrainingDataError(
                "x_modalnet gives labels to unlabelled pixels and there are none: "
                f"{why_no_unlabelled(data)}; propagation=off trains without"
            )
        if options.propagation != "off":
            libraries = _LIBRARIES + _LIBRARIES_EACH_THREAD * (torch.get_num_threads() - 1)
            check_memory("the graph of x_modalnet, with its SVM,", 0, RAISE, mapped=libraries)

    def learner(
        self, data: TrainingData, options: XModalNetOptions, seed: int, work: Work | None = None
    ) -> XModalNetLearner:
        """A learner with weights drawn from `seed`."""
        self.check(data, options)
        torch.manual_seed(seed)
        return XModalNetLearner(data, options, seed, *(() if work is None else (work.kept,)))


__all__ = ["ABLATION", "XModalNet", "XModalNetLearner", "XModalNetOptions"]
