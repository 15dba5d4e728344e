"""Students that are solved at once: they learn labels, and soft labels of other pixels beside them.

What teaches is not their business: `distillation` has a teacher of both sensors, `self_training` (its
control) the student's own answers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor

from geo_xmodal.class_shares import Floats, learned_of_counts
from geo_xmodal.methods.base import (
    Batch,
    Learner,
    Method,
    Work,
    check_unlabelled,
    class_weights,
    joined_pool,
    labels_of,
)
from geo_xmodal.methods.boosting import fit_boosting
from geo_xmodal.methods.boosting_steps import BoostingGrowth
from geo_xmodal.methods.context_trees import CONTEXT_RECIPES, context_features, trees_model
from geo_xmodal.methods.forest import ForestOptions, fit_forest
from geo_xmodal.methods.svm import centre_pixels, solver_memory
from geo_xmodal.networks import PixelModel, TreeTensors, linear_model
from geo_xmodal.patches import Patches, joined_patches
from geo_xmodal.types import FloatArray, TrainingData

Probabilities = npt.NDArray[np.floating]

LINEAR_MARGIN = 7
"""Radius of the patches that a linear student's teacher sees; the student sees their middle."""

_RIDGE = 1.0
"""C of the linear student's logistic regression."""


class StudentOptions(ForestOptions):
    """Which student, and how it learns soft labels."""

    student: Literal["forest", "boosting", "linear"] = Field(
        "forest", description="what maps: forest, boosting or linear"
    )
    min_leaf: int = Field(2, ge=1, description="pixels in a leaf of a forest at least")
    rounds: int = Field(100, ge=1, le=5000, description="trees a class of boosting")
    distill_weight: float = Field(
        1.0, ge=0, description="weight of all soft labels together, against that of all labels"
    )
    pairs_used: int = Field(8_000, ge=1, description="most unlabelled pixels that the student learns from")

    @property
    def margin(self) -> int:
        """Radius of the target patches."""
        return LINEAR_MARGIN if self.student == "linear" else super().margin


@dataclass(frozen=True, eq=False)
class Lesson:
    """Pixels with what is to be learned of them.

    Attributes:
        features: (n, d) as the student sees them.
        soft: (n, classes), rows of sum 1.
        weight: (n,) what each counts.
    """

    features: FloatArray
    soft: Probabilities
    weight: Probabilities

    def with_more(self, features: FloatArray, soft: Probabilities, share: float) -> Lesson:
        """The same with other pixels, which together weigh `share` times as much as these."""
        weight = np.full(len(features), share * self.weight.sum() / max(1, len(features)))
        return Lesson(
            np.concatenate([self.features, features]),
            np.concatenate([self.soft, soft]),
            np.concatenate([self.weight, weight]),
        )


class Student(ABC):
    """A kind of model that learns a lesson at once."""

    def __init__(self, data: TrainingData, options: StudentOptions, seed: int) -> None:
        self.data, self.options, self.seed = data, options, seed
        self.classes = len(data.classes)

    @abstractmethod
    def features(self, patches: Patches) -> FloatArray:
        """(n, d) of patches of raw values."""

    @abstractmethod
    def model(self, lesson: Lesson) -> PixelModel:
        """The model that learned a lesson."""

    @abstractmethod
    def answers(self, model: PixelModel, features: FloatArray) -> Probabilities:
        """(n, classes) probabilities of pixels."""

    def labels(self) -> Lesson:
        """The labelled pixels, pairs first; classes weigh alike if the options say so."""
        label = labels_of(self.data)
        patches = joined_patches([self.data.labelled_pairs.target, self.data.labelled_target.target])
        weight = np.ones(len(label))
        if self.options.balance:
            weight = class_weights(torch.from_numpy(label), self.classes).numpy().astype(float)[label]
        return Lesson(self.features(patches), np.eye(self.classes)[label], weight)


class TreesStudent(Student):
    """Trees on context features."""

    def features(self, patches: Patches) -> FloatArray:
        """Context features."""
        statistics = self.data.target.statistics
        return context_features(patches, statistics, self.options.context_of(statistics))

    @abstractmethod
    def grown(self, lesson: Lesson) -> TreeTensors:
        """Trees that learned a lesson."""

    def model(self, lesson: Lesson) -> PixelModel:
        """The trees."""
        trees = self.grown(lesson)
        statistics = self.data.target.statistics
        return trees_model(statistics, self.classes, self.options.context_of(statistics), trees)

    def answers(self, model: PixelModel, features: FloatArray) -> Probabilities:
        """What the leaves say."""
        logits: Tensor = model.network.predict(torch.from_numpy(features))  # type: ignore[operator]
        return cast(Probabilities, logits.double().softmax(1).numpy())


class ForestStudent(TreesStudent):
    """Extra trees or a random forest."""

    def grown(self, lesson: Lesson) -> TreeTensors:
        """Trees of probabilities."""
        return fit_forest(lesson.features, lesson.soft, lesson.weight, self.options, self.seed)


class BoostingStudent(TreesStudent):
    """XGBoost."""

    def grown(self, lesson: Lesson) -> TreeTensors:
        """Trees that add to logits; a lesson weighs as much as it has pixels, by which leaves are limited."""
        growth = BoostingGrowth.model_validate({"rounds": self.options.rounds})
        weight = lesson.weight / lesson.weight.mean()
        return fit_boosting(lesson.features, lesson.soft, weight, growth, self.seed)


class LinearStudent(Student):
    """Multinomial logistic regression on single pixels."""

    def features(self, patches: Patches) -> FloatArray:
        """Standardised bands."""
        return centre_pixels(patches, self.data.target.statistics)

    def model(self, lesson: Lesson) -> PixelModel:
        """The hyperplanes, of classes that weigh anything."""
        from sklearn.linear_model import LogisticRegression  # slow to import

        solver_memory("distillation", lesson.soft.size, "soft labels", lesson.features.shape[1])
        # a soft label is as many sure ones as it has classes, each of the weight that it says
        row, label = np.nonzero(lesson.soft * lesson.weight[:, None])
        weight = lesson.soft[row, label] * lesson.weight[row]
        solver = LogisticRegression(C=_RIDGE, max_iter=1000)
        solver.fit(lesson.features[row], label, sample_weight=weight / weight.mean())
        hyperplanes, bias = np.zeros((self.classes, lesson.features.shape[1])), np.full(self.classes, -1e3)
        coefficients, intercept = solver.coef_, solver.intercept_
        if len(solver.classes_) == 2:
            coefficients = np.concatenate([-coefficients, coefficients]) / 2
            intercept = np.concatenate([-intercept, intercept]) / 2
        hyperplanes[solver.classes_], bias[solver.classes_] = coefficients, intercept
        return linear_model(self.data.target.statistics, hyperplanes, bias)

    def answers(self, model: PixelModel, features: FloatArray) -> Probabilities:
        """The softmax of the distances."""
        with torch.inference_mode():
            logits: Tensor = model.network(torch.from_numpy(features)[:, :, None, None])
        return cast(Probabilities, logits.flatten(1).double().softmax(1).numpy())


STUDENTS: Mapping[str, type[Student]] = {
    "forest": ForestStudent,
    "boosting": BoostingStudent,
    "linear": LinearStudent,
}


class SolvedLearner(Learner):
    """A learner that is solved when it is made: there are no stages.

    Args:
        data: What it was solved on.
        model: The student.
        balance: Whether labels, of which teachers learned, too, weighed classes alike.
        found: What was found out on the way.
    """

    def __init__(
        self,
        data: TrainingData,
        model: PixelModel,
        balance: bool,
        found: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        counts = np.bincount(labels_of(data), minlength=len(data.classes))
        self._learned = learned_of_counts(counts, balanced=balance)
        self.labelled = joined_pool(data.labelled_pairs, data.labelled_target, labelled=True)
        self.unlabelled = self.labelled.empty()
        self.model = model
        self.found = dict(found or {})

    def loss(self, stage: int, labelled: Batch, unlabelled: Batch | None) -> dict[str, Tensor]:
        """Nothing is left to learn."""
        return {}

    def learned_shares(self) -> Floats:
        """(classes,) number of labels, or 1 for each class that has any where classes are weighed alike.

        Soft labels are probabilities of land with these shares, whatever the pixels that have them.
        """
        return self._learned

    def pixel_model(self) -> PixelModel:
        """The student."""
        return self.model

    def findings(self) -> dict[str, Any]:
        """What was found out on the way."""
        return self.found


def drawn(pixels: int, most: int, seed: int) -> npt.NDArray[np.int64]:
    """Indices of at most `most` of some unlabelled pixels, in order."""
    if pixels <= most:
        return np.arange(pixels)
    return np.sort(np.random.default_rng(seed).choice(pixels, most, replace=False))


class SelfTrainingOptions(StudentOptions):
    """Options of `self_training`."""

    times: int = Field(1, ge=0, le=10, description="times that answers are learned; 0 learns labels alone")


class SelfTraining(Method):
    """A student that learns labels, then what it says of unlabelled pixels itself."""

    name = "self_training"
    summary = "a student of the target sensor that learns its own answers: the control of `distillation`"
    uses_auxiliary = False
    uses_unlabelled_target = True
    holds_out = False
    Options = SelfTrainingOptions
    recipes = CONTEXT_RECIPES

    def check(self, data: TrainingData, options: SelfTrainingOptions) -> None:
        """There are pixels to answer for."""
        if options.times:
            check_unlabelled(data)

    def learner(
        self, data: TrainingData, options: SelfTrainingOptions, seed: int, work: Work | None = None
    ) -> SolvedLearner:
        """The student of the last round."""
        self.check(data, options)
        student = STUDENTS[options.student](data, options, seed)
        labels = student.labels()
        model = student.model(labels)
        if options.times:
            unlabelled = joined_patches([data.unlabelled_pairs.target, data.unlabelled_target.target])
            seen = student.features(unlabelled.chosen(drawn(len(unlabelled), options.pairs_used, seed)))
            for _ in range(options.times):
                own = student.answers(model, seen)
                model = student.model(labels.with_more(seen, own, options.distill_weight))
        return SolvedLearner(data, model, options.balance)
