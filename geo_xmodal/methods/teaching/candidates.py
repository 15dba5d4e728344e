"""Classifiers that may teach: each learns rows of features, and gives logits of others."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from geo_xmodal.methods.auxiliary_side import SpectralHead
from geo_xmodal.methods.base import Batch, Learner, LoopOptions, Pool, Stage, Work, class_weights
from geo_xmodal.methods.rows import HeldRows
from geo_xmodal.methods.teaching.views import View
from geo_xmodal.networks import PixelModel
from geo_xmodal.objectives import Sum, Supervised, Terms
from geo_xmodal.types import FloatArray, IntArray

Logits = npt.NDArray[np.float64]

Asked = Callable[[FloatArray], Logits]
"""Rows (n, d) to logits (n, classes)."""

NEVER = -1e3
"""Logit of a class that had no label."""

_FLOOR = 0.01
"""What probabilities counted from trees are mixed with: a class that no leaf has seen is not impossible."""


@dataclass(frozen=True)
class Rows:
    """Rows to learn from.

    Attributes:
        features: (n, d).
        label: (n,) class indices.
        classes: how many there are; some may have no row.
        balance: whether classes are weighed alike.
        seed: of everything drawn.
    """

    features: FloatArray
    label: IntArray
    classes: int
    balance: bool
    seed: int

    @property
    def weighing(self) -> str | None:
        """As scikit-learn calls it."""
        return "balanced" if self.balance else None


def svm(rows: Rows, work: Work | None) -> Asked:
    """SVM with an RBF kernel on standardised features, one class against one.

    Logits are the sums over the other classes of ln sigmoid(2 d), d the distance from the hyperplane between
    the two in margins: the product of pairwise probabilities (Hastie and Tibshirani 1998, "Classification by
    Pairwise Coupling", section 2), whose scale the temperature corrects.
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    solver = SVC(C=10.0, gamma="scale", decision_function_shape="ovo", class_weight=rows.weighing)
    model = make_pipeline(StandardScaler(), solver).fit(rows.features, rows.label)
    present = solver.classes_

    def asked(features: FloatArray) -> Logits:
        distance = model.decision_function(features)
        if len(present) == 2:
            distance = -distance[:, None]  # of two classes, scikit-learn's is positive for the second
        found = np.zeros((len(features), len(present)))
        for pair, (one, other) in enumerate(itertools.combinations(range(len(present)), 2)):
            found[:, one] -= np.logaddexp(0, -2 * distance[:, pair])
            found[:, other] -= np.logaddexp(0, 2 * distance[:, pair])
        return _of_all(2 * found / (len(present) - 1), present, rows.classes)

    return asked


def trees(rows: Rows, work: Work | None) -> Asked:
    """Extremely randomised trees (Geurts et al. 2006), whose leaves hold two rows at least."""
    from sklearn.ensemble import ExtraTreesClassifier

    model = ExtraTreesClassifier(
        100, min_samples_leaf=2, max_features=0.5, class_weight=rows.weighing,
        n_jobs=torch.get_num_threads(), random_state=rows.seed % 2**32,
    ).fit(rows.features, rows.label)  # fmt: skip

    def asked(features: FloatArray) -> Logits:
        found = model.predict_proba(features)
        return _of_all(np.log((1 - _FLOOR) * found + _FLOOR / found.shape[1]), model.classes_, rows.classes)

    return asked


def linear(rows: Rows, work: Work | None) -> Asked:
    """Multinomial logistic regression on standardised features."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    solver = LogisticRegression(C=0.1, max_iter=1000, class_weight=rows.weighing)
    model = make_pipeline(StandardScaler(), solver).fit(rows.features, rows.label)

    def asked(features: FloatArray) -> Logits:
        return _of_all(model.predict_log_proba(features), solver.classes_, rows.classes)

    return asked


class HeadsOptions(LoopOptions):
    """How heads on rows of features are trained: 200 steps where there are few rows."""

    epochs: int = 10


class HeadsLearner(Learner):
    """Small networks on rows of features, whose probabilities are averaged."""

    HEADS, WIDTH, EMBEDDING, DROPOUT, NOISE = 3, 128, 64, 0.3, 0.1

    def __init__(self, rows: Rows) -> None:
        super().__init__()
        torch.manual_seed(rows.seed)
        features, label = torch.from_numpy(rows.features), torch.from_numpy(rows.label)
        mean, scale = features.mean(0), features.std(0).clamp(min=1e-6)
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)
        self.labelled = Pool(HeldRows((features - mean) / scale), None, label)
        self.unlabelled = self.labelled.empty()
        self.stages = (Stage("teacher", unlabelled=False),)
        size = features.shape[1]
        self.heads = nn.ModuleList(
            SpectralHead(size, self.WIDTH, self.EMBEDDING, rows.classes, self.DROPOUT)
            for _ in range(self.HEADS)
        )
        weight = class_weights(label, rows.classes) if rows.balance else torch.ones(rows.classes)
        self.terms = Terms({"teacher": Sum([Supervised(weight)])})

    def loss(self, stage: int, labelled: Batch, unlabelled: Batch | None) -> dict[str, Tensor]:
        """Cross-entropy of each head."""
        seen, label = labelled.target, cast(Tensor, labelled.label)
        said = [head(seen + self.NOISE * torch.randn_like(seen)) for head in self.heads]
        return self.terms.of(teacher=tuple((logits, label) for logits in said))

    @torch.inference_mode()
    def asked(self, features: FloatArray) -> Logits:
        """(n, classes) logarithms of the mean probabilities."""
        self.eval()
        seen = (torch.from_numpy(features) - self.mean) / self.scale
        found = torch.stack([head(seen).double().softmax(1) for head in self.heads]).mean(0)
        return cast(Logits, found.clamp(min=1e-12).log().numpy())

    def pixel_model(self) -> PixelModel:
        """None: it sees rows of features.

        Raises:
            TypeError: Always.
        """
        raise TypeError("a teacher sees both sensors, and maps nothing")


def network(rows: Rows, work: Work | None) -> Asked:
    """Small networks, trained by whoever runs the method."""
    assert work is not None and work.fit is not None
    learner = HeadsLearner(rows)
    work.fit(learner, HeadsOptions.model_validate({}), rows.seed)
    present = np.unique(rows.label)

    def asked(features: FloatArray) -> Logits:
        return _of_all(learner.asked(features)[:, present], present, rows.classes)

    return asked


@dataclass(frozen=True)
class Candidate:
    """A classifier by what people call it.

    Attributes:
        title: for reports.
        fit: learns rows.
        views: of which it learns one.
    """

    title: str
    fit: Callable[[Rows, Work | None], Asked]
    views: tuple[View, ...] = ("near", "context")


CANDIDATES: Mapping[str, Candidate] = {
    "svm": Candidate("SVM, RBF kernel", svm),
    "trees": Candidate("extra trees", trees),
    "linear": Candidate("logistic regression", linear),
    "network": Candidate("networks on spectra", network, views=("near",)),
}


def _of_all(logits: npt.NDArray[Any], present: IntArray, classes: int) -> Logits:
    """Logits of the classes that had rows, among those of all."""
    found = np.full((len(logits), classes), NEVER)
    found[:, present] = logits
    return found
