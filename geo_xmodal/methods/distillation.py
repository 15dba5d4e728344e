"""`distillation`: a student of the target sensor learns what a teacher that sees both sensors says of pairs.

Generalised distillation (Lopez-Paz et al. 2016, arXiv 1511.03643) over unlabelled pairs: the teacher is
chosen by cross-validation (`geo_xmodal.methods.teaching`), and one that is no better than the target sensor
alone does not teach. Unlike `hgr`, nothing is correlated, and the student may be trees.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import Field

from geo_xmodal.methods.base import Control, Learner, Method, Work, same_names
from geo_xmodal.methods.cnn import branch_controls
from geo_xmodal.methods.context_trees import CONTEXT_RECIPES
from geo_xmodal.methods.hgr import HgrLearner, HgrOptions
from geo_xmodal.methods.pairs import check_pairs
from geo_xmodal.methods.students import (
    STUDENTS,
    Lesson,
    SelfTrainingOptions,
    SolvedLearner,
    StudentOptions,
    drawn,
)
from geo_xmodal.methods.target_branch import BRANCH_RECIPES, PixelBranchOptions, TaughtOptions
from geo_xmodal.methods.teaching import Teacher, TeacherOptions, teacher_of
from geo_xmodal.types import TrainingData


class DistillationOptions(TeacherOptions, StudentOptions, TaughtOptions, PixelBranchOptions):
    """Options of `distillation`; those of a network are for `student=cnn`."""

    means: ClassVar[Mapping[str, str]] = same_names("student", "components", "auxiliary_radius")
    search: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "distill_weight": ("0.5", "1", "2"),
        "own_share": ("0", "0.3", "0.6"),
    }

    student: Literal["forest", "boosting", "linear", "cnn"] = Field(  # type: ignore[assignment]
        "forest", description="what maps: forest, boosting, linear, or cnn (a network: encoder)"
    )
    own_share: float = Field(
        0.0, ge=0, le=1, description="share of the teacher's answer out of fold in what a labelled pair is"
    )

    @property
    def by_steps(self) -> bool:
        """Whether the student is trained by gradient steps."""
        return self.student == "cnn"

    @property
    def margin(self) -> int:
        """Radius of the target patches."""
        return self.network.margin if self.student == "cnn" else StudentOptions.margin.fget(self)  # type: ignore[attr-defined]

    @property
    def auxiliary_margin(self) -> int:
        """Radius of the auxiliary patches."""
        own = max(self.auxiliary_radius, self.published_margin)
        return self.of_network.auxiliary_margin if self.student == "cnn" else own

    @property
    def of_network(self) -> HgrOptions:
        """The same for a network that learns soft labels, and correlates nothing."""
        shared = {name: getattr(self, name) for name in HgrOptions.model_fields if hasattr(self, name)}
        return HgrOptions.model_validate({**shared, "correlation_weight": 0.0})

    def of_control(self, times: int) -> SelfTrainingOptions:
        """The same student without the auxiliary sensor."""
        shared = {name: getattr(self, name) for name in StudentOptions.model_fields}
        return SelfTrainingOptions.model_validate({**shared, "times": times})


class Distillation(Method):
    """A teacher of both sensors, chosen by cross-validation, and a student of the target sensor."""

    name = "distillation"
    summary = (
        "a student (trees, network, linear) of a teacher of both sensors that is chosen on held-out labels"
    )
    uses_auxiliary = True
    holds_out = False
    Options = DistillationOptions
    recipes: Mapping[str, Mapping[str, str]] = {  # type: ignore[misc]
        kind: {**BRANCH_RECIPES.get(kind, {}), **CONTEXT_RECIPES.get(kind, {})}
        for kind in BRANCH_RECIPES.keys() | CONTEXT_RECIPES.keys()
    }

    def controls(self, options: DistillationOptions) -> Mapping[str, Control]:
        """The student by itself."""
        if options.student == "cnn":
            return branch_controls(options.of_network)
        summaries = {
            "target_only": "the same student on the target sensor's labels alone",
            "self_training": "the same student, which also learns its own answers for the unlabelled pixels",
        }
        return {
            name: Control("self_training", options.of_control(times), summaries[name])
            for times, name in enumerate(summaries)
        }

    def check(self, data: TrainingData, options: DistillationOptions) -> None:
        """A teacher learns from labelled pairs."""
        check_pairs(data, self.name, "forest")

    def learner(
        self, data: TrainingData, options: DistillationOptions, seed: int, work: Work | None = None
    ) -> Learner:
        """The student, solved; or a network that learns from the teacher."""
        self.check(data, options)
        teacher = teacher_of(
            data, teacher=options.teacher, components=options.components,
            auxiliary_radius=options.auxiliary_radius, balance=options.balance, seed=seed, work=work,
        )  # fmt: skip
        if options.student == "cnn":
            torch.manual_seed(seed)
            return HgrLearner(data, options.of_network, teacher)
        student = STUDENTS[options.student](data, options, seed)
        lesson = student.labels()
        if teacher.may_teach and options.distill_weight:
            chosen = drawn(len(data.unlabelled_pairs), options.pairs_used, seed)
            seen = student.features(data.unlabelled_pairs.target.chosen(chosen))
            lesson = _mixed(lesson, teacher, options.own_share)
            lesson = lesson.with_more(seen, teacher.unlabelled[chosen], options.distill_weight)
        return SolvedLearner(
            data, student.model(lesson), options.balance, {"teacher": dict(teacher.findings)}
        )


def _mixed(lesson: Lesson, teacher: Teacher, share: float) -> Lesson:
    """The lesson of the labels, of whose pairs a share is what the teacher says out of fold."""
    soft = np.array(lesson.soft, dtype=float)
    pairs = len(teacher.labelled)
    soft[:pairs] = (1 - share) * soft[:pairs] + share * teacher.labelled
    return Lesson(lesson.features, soft, lesson.weight)
