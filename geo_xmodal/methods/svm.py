"""Linear SVM on the target sensor's pixels: the baseline of X-ModalNet (section 4.3, "Baseline").

C is chosen by cross-validation on the training labels, as there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, cast

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field, field_validator
from torch import Tensor

from geo_xmodal.class_shares import Floats, learned_of_counts
from geo_xmodal.memory import check_memory
from geo_xmodal.methods.base import Batch, Learner, Method, Options, Pool, Work, joined_pool, labels_of
from geo_xmodal.methods.cross_validation import Choice, Predict, chosen_value
from geo_xmodal.methods.rows import CHUNK
from geo_xmodal.networks import PixelModel, Standardize, linear_model
from geo_xmodal.patches import Patches, joined_patches
from geo_xmodal.selection import labelled_places
from geo_xmodal.types import BandStatistics, FloatArray, IntArray, TrainingData

_SOLVER_COPIES = 3
"""Values as they are read, as numbers of twice the length, and what a solver makes of them."""

STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
"""Values of C that cross-validation tries; X-ModalNet names none."""

DEFAULT_STRENGTH = 1.0
"""Where labels are too few for cross-validation."""

Hyperplanes = npt.NDArray[np.float64]


class SvmOptions(Options):
    """Options of `svm`; classes are weighed alike by `balanced`, or `true`."""

    means: ClassVar[Mapping[str, str]] = {"balance": "class_weight"}

    C: Literal["auto"] | Annotated[float, Field(gt=0)] = Field(
        "auto", description="inverse strength of the regularisation; auto chooses it by cross-validation"
    )
    class_weight: Literal["balanced", "none"] = Field("balanced", description="balanced or none")

    @field_validator("class_weight", mode="before")
    @classmethod
    def _balance(cls, value: Any) -> Any:
        return {"true": "balanced", "false": "none"}.get(value, value)


class LinearLearner(Learner):
    """A linear classifier of single target pixels, solved when it is made: there are no stages."""

    model: PixelModel
    choice: Choice | None = None
    """How C was chosen, where it was."""

    def __init__(self, data: TrainingData, options: SvmOptions) -> None:
        super().__init__()
        counts = np.bincount(labels_of(data), minlength=len(data.classes))
        self._learned = learned_of_counts(counts, balanced=options.class_weight == "balanced")
        self.labelled = joined_pool(data.labelled_pairs, data.labelled_target, labelled=True)
        self.unlabelled = self.labelled.empty()

    def loss(self, stage: int, labelled: Batch, unlabelled: Batch | None) -> dict[str, Tensor]:
        """Nothing is left to learn."""
        return {}

    def learned_shares(self) -> Floats:
        """(classes,) number of labels, or 1 for each class that has any where classes are weighed alike."""
        return self._learned

    def pixel_model(self) -> PixelModel:
        """The fitted hyperplanes, one a class (one against the rest)."""
        return self.model

    def findings(self) -> dict[str, Any]:
        """How C was chosen."""
        return {} if self.choice is None else {"C": self.choice.as_json()}

    def strength(
        self,
        data: TrainingData,
        features: npt.NDArray[np.floating],
        options: SvmOptions,
        seed: int,
    ) -> float:
        """C as given, or as cross-validation of the labelled pixels' features (n, d) finds it best."""
        if options.C != "auto":
            return options.C
        label, classes = label_of(self.labelled), len(data.classes)

        def of(part: IntArray) -> Predict:
            x, y = features[part], label[part]

            def predict(value: float, train: IntArray, test: IntArray) -> IntArray:
                weight, bias = hyperplanes(x[train], y[train], classes, options, value, seed)
                return cast(IntArray, (x[test] @ weight.T + bias).argmax(1))

            return predict

        self.choice = chosen_value(
            STRENGTHS, DEFAULT_STRENGTH, labelled_places(data), classes, of, reach=0, seed=seed
        )
        return self.choice.value


class SvmLearner(LinearLearner):
    """LIBLINEAR on standardised bands.

    Raises:
        MemoryShortageError: The labelled pixels, which it sees all at once, do not fit into memory.
    """

    def __init__(self, data: TrainingData, options: SvmOptions, seed: int) -> None:
        super().__init__(data, options)
        solver_memory("svm", len(self.labelled), "labelled pixels", data.target.bands)
        statistics = data.target.statistics
        features = centre_pixels(labelled_patches(data), statistics)
        strength = self.strength(data, features, options, seed)
        label = label_of(self.labelled)
        weight, bias = hyperplanes(features, label, len(data.classes), options, strength, seed)
        self.model = linear_model(statistics, weight, bias)


def centre_pixels(patches: Patches, statistics: BandStatistics) -> FloatArray:
    """Patches of raw values to the standardised bands of their middle pixels, (n, band)."""
    standardize = Standardize(statistics)
    parts = patches.cropped(0).parts(CHUNK)
    return np.concatenate([standardize(torch.from_numpy(part)).flatten(1).numpy() for part in parts])


def solver_memory(name: str, pixels: int, which: str, bands: int) -> None:
    """See that a solver has room for all of its pixels at once.

    Raises:
        MemoryShortageError: It has not.
    """
    check_memory(
        f"{name} on {bands} bands of {pixels:,} {which}",
        _SOLVER_COPIES * 8 * pixels * bands,
        "lower labels_per_class or unlabelled, or choose a method that learns batch by batch (hgr, cnn)",
    )


def labelled_patches(data: TrainingData) -> Patches:
    """Target patches of all labelled pixels, pairs first."""
    return joined_patches([data.labelled_pairs.target, data.labelled_target.target])


def label_of(pool: Pool) -> IntArray:
    """Class indices of a labelled pool."""
    return cast(IntArray, cast(Tensor, pool.label).numpy())


def hyperplanes(
    features: npt.NDArray[np.floating],
    label: IntArray,
    classes: int,
    options: SvmOptions,
    strength: float,
    seed: int,
) -> tuple[Hyperplanes, Hyperplanes]:
    """Linear SVM, one class against the rest.

    Args:
        features: (n, d).
        label: (n,) class indices.
        classes: how many there are; one without labels is never predicted.
        options: class weights.
        strength: C, the inverse strength of the regularisation.
        seed: of the solver.

    Returns:
        Weight (classes, d) and bias (classes,).
    """
    from sklearn.svm import LinearSVC  # slow to import

    solver = LinearSVC(
        C=strength, class_weight=None if options.class_weight == "none" else "balanced",
        dual=False, max_iter=10_000, random_state=seed % 2**32,
    )  # fmt: skip
    solver.fit(features, label)
    weight = np.zeros((classes, features.shape[1]))
    bias = np.full(classes, -1e3)
    if len(solver.classes_) == 2:
        weight[solver.classes_] = np.stack([-solver.coef_[0], solver.coef_[0]])
        bias[solver.classes_] = [-solver.intercept_[0], solver.intercept_[0]]
    else:
        weight[solver.classes_], bias[solver.classes_] = solver.coef_, solver.intercept_
    return weight, bias


class Svm(Method):
    """Linear SVM."""

    name = "svm"
    summary = "linear SVM on single target pixels (X-ModalNet's baseline)"
    uses_auxiliary = False
    Options = SvmOptions

    def learner(
        self, data: TrainingData, options: SvmOptions, seed: int, work: Work | None = None
    ) -> SvmLearner:
        """A fitted SVM."""
        return SvmLearner(data, options, seed)
