"""Linear SVM on the target sensor's pixels: the baseline of X-ModalNet (section 4.3, "Baseline")."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field
from sklearn.svm import LinearSVC
from torch import Tensor

from geo_xmodal.methods.base import Batch, Learner, Method, Options, joined_pool
from geo_xmodal.networks import PixelModel, Standardize, linear_model
from geo_xmodal.types import TrainingData


class SvmOptions(Options):
    """Options of `svm`."""

    C: float = Field(1.0, gt=0, description="inverse strength of the regularisation")
    class_weight: Literal["balanced", "none"] = Field("balanced", description="balanced or none")


class SvmLearner(Learner):
    """Solves in closed form, when it is made: there are no stages."""

    def __init__(self, data: TrainingData, options: SvmOptions, seed: int) -> None:
        super().__init__()
        self.labelled = joined_pool(data.labelled_pairs, data.labelled_target, labelled=True)
        self.unlabelled = self.labelled.empty()
        centre = data.labelled_target.target.shape[-1] // 2
        statistics = data.target.statistics
        pixels = self.labelled.target[:, :, centre : centre + 1, centre : centre + 1]
        features = Standardize(statistics)(pixels).flatten(1).numpy()
        label = self.labelled.label
        assert label is not None
        solver = LinearSVC(
            C=options.C, class_weight=None if options.class_weight == "none" else "balanced",
            dual=False, max_iter=10_000, random_state=seed % 2**32,
        )  # fmt: skip
        solver.fit(features, label.numpy())
        weight = np.zeros((len(data.classes), features.shape[1]))
        bias = np.full(len(data.classes), -1e3)
        if len(solver.classes_) == 2:
            weight[solver.classes_] = np.stack([-solver.coef_[0], solver.coef_[0]])
            bias[solver.classes_] = [-solver.intercept_[0], solver.intercept_[0]]
        else:
            weight[solver.classes_], bias[solver.classes_] = solver.coef_, solver.intercept_
        self.model = linear_model(statistics, weight, bias)

    def loss(self, stage: int, labelled: Batch, unlabelled: Batch | None) -> dict[str, Tensor]:
        """Nothing is left to learn."""
        return {}

    def pixel_model(self) -> PixelModel:
        """The fitted hyperplanes, one a class (one against the rest)."""
        return self.model


class Svm(Method):
    """Linear SVM."""

    name = "svm"
    summary = "linear SVM on single target pixels (X-ModalNet's baseline)"
    uses_rich = False
    Options = SvmOptions

    def learner(self, data: TrainingData, options: SvmOptions, seed: int) -> SvmLearner:
        """A fitted SVM."""
        return SvmLearner(data, options, seed)
