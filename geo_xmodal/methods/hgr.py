"""`hgr`: maximal correlation between the sensors, and the auxiliary side as teacher of the target's.

First a teacher that sees both sensors learns the few labels; then the branch that maps learns, from the
target sensor alone, the labels, what the teacher says of every pair, and features that correlate maximally
with the auxiliary sensor's. Pairs cost no labels, so there can be many of them. Of the objectives for maximal
correlation, Soft CCA (Chang et al. 2018) did best on validation blocks (docs/results.md); `objective` takes
Soft-HGR (Wang et al. 2019) or any other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, cast

import numpy as np
import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from geo_xmodal import processes
from geo_xmodal.correlation import OBJECTIVES
from geo_xmodal.methods.auxiliary_side import SpectralHead, embedding_head
from geo_xmodal.methods.base import Batch, Control, Method, Stage, Work
from geo_xmodal.methods.cnn import branch_controls
from geo_xmodal.methods.pairs import MIN_PAIRS, PairLearner, PairOptions, check_pairs
from geo_xmodal.methods.target_branch import BRANCH_RECIPES, TaughtOptions
from geo_xmodal.methods.teaching import Teacher, TeacherName, teacher_of
from geo_xmodal.objectives import Correlation, Distillation, Sum, Terms
from geo_xmodal.types import TrainingData

UNKNOWN = -1
"""Label of a pair that has none, for objectives that ask."""


class HgrOptions(TaughtOptions, PairOptions):
    """Options of `hgr`; a weight of 0 switches its term off."""

    search: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "correlation_weight": ("0.1", "0.3", "1"),
        "distill_weight": ("0.5", "1", "2"),
        "teacher_width": ("64", "128", "256"),
    }

    label_weight: float = Field(1.0, ge=0, description="target head on labels")
    correlation_weight: float = Field(
        0.3, ge=0, description="correlation of the two embeddings, every pair; less where pairs are few"
    )
    auxiliary_weight: float = Field(
        1.0, ge=0, description="head on the auxiliary sensor alone, beside the correlation"
    )
    joint_weight: float = Field(1.0, ge=0, description="head on both embeddings, beside the correlation")
    objective: str = Field("soft_cca", description="what is maximised between the embeddings")
    teacher: TeacherName = Field(
        "network",
        description="network (a stage of the training), or one that teaches only if it is better on held-out "
        "labels than the target sensor alone: auto (chosen), svm, trees, linear or average",
    )
    teachers: int = Field(5, ge=1, le=50, description="teachers whose opinions are averaged")
    teacher_width: int = Field(128, ge=1, le=4096, description="hidden features of a teacher")

    @field_validator("objective")
    @classmethod
    def _objective_exists(cls, name: str) -> str:
        if name not in OBJECTIVES:
            raise ValueError(f"unknown objective; choose one of {', '.join(OBJECTIVES)}")
        return name


class HgrLearner(PairLearner):
    """Stage `teacher` (unless its word has no weight), then stage `student`.

    A chosen teacher takes the place of the first stage. If it may not teach, the auxiliary sensor has no part
    in what follows: the branch learns labels, exactly as the control `target_only` does.
    """

    options: HgrOptions

    def __init__(self, data: TrainingData, options: HgrOptions, teacher: Teacher | None = None) -> None:
        # nothing here learns from an unlabelled pixel that the auxiliary sensor does not see
        unseen = data.unlabelled_target.take(np.empty(0, np.int64))
        super().__init__(dataclasses.replace(data, unlabelled_target=unseen), options)
        features, classes = self.auxiliary_input.features, len(data.classes)
        width, drop = options.teacher_width, options.dropout
        self.teachers = nn.ModuleList(
            SpectralHead(features + data.target.bands, width, options.embedding, classes, drop)
            for _ in range(options.teachers if options.distill_weight and teacher is None else 0)
        )
        self.teacher = teacher
        heard = teacher is None or teacher.may_teach
        self.has_soft = options.distill_weight > 0 and heard
        self.correlates = options.correlation_weight > 0 and heard
        if self.correlates:
            self.auxiliary_encoder = self.new_auxiliary_encoder(width)
            self.auxiliary_head = embedding_head(options.embedding, classes, drop)
            self.joint_head = embedding_head(2 * options.embedding, classes, drop)
        self.terms = self._composed()
        student = Stage("student", 1 - options.teacher_share, unlabelled=heard)
        before = Stage("teacher", options.teacher_share, unlabelled=False)
        self.stages = (before, student) if self.teachers else (student,)
        self.soft: Tensor
        self.shares: Tensor
        self.kept = self.unlabelled.held or teacher is not None
        if self.kept:
            pixels = len(self.labelled) + len(self.unlabelled)
            self.register_buffer("soft", torch.zeros(pixels, classes))
        else:
            self.register_buffer("shares", torch.ones(classes))

    def _composed(self) -> Terms:
        options = self.options
        # heads beside the correlation learn labels, and what the teachers say where there are any
        taught = [self.supervised(), *([Distillation()] if self.has_soft else [])]
        beside = self.correlates
        return Terms(
            {
                "teacher": Sum([self.supervised()]),
                "label": self.supervised(options.label_weight),
                "distill": Distillation(options.distill_weight if self.has_soft else 0.0),
                "correlation": Correlation(
                    options.objective, options.correlation_weight if beside else 0.0, options.batch_size
                ),
                "auxiliary": Sum(taught, options.auxiliary_weight if beside else 0.0),
                "joint": Sum(taught, options.joint_weight if beside else 0.0),
            }
        )

    def begin(self, stage: int) -> None:
        """Ask the teachers about every pair before the student starts, or about the shares of classes."""
        if self.stages[stage].name != "student" or not self.has_soft:
            return
        if self.teacher is not None:
            said = torch.from_numpy(self.teacher.unlabelled)
            self.soft[: self.labelled_pairs] = torch.from_numpy(self.teacher.labelled)
            self.soft[len(self.labelled) :] = self.taught(said, self.own_shares(lambda: [said]))
        elif self.unlabelled.held:
            labelled, unlabelled = (
                torch.cat([self._opinion(part).cpu() for part in self.walk(pool)])
                for pool in (self.labelled, self.unlabelled)
            )
            shares = self.own_shares(lambda: [unlabelled])
            self.soft.copy_(torch.cat([labelled, self.taught(unlabelled, shares)]))
        else:
            self.shares.copy_(
                self.own_shares(lambda: (self._opinion(part) for part in self.walk(self.unlabelled)))
            )

    @torch.no_grad()
    def _opinion(self, pixels: Batch) -> Tensor:
        """(n, classes) mean probabilities of the teachers, in evaluation mode."""
        self.teachers.eval()
        seen = self._teacher_input(cast(Tensor, pixels.auxiliary), pixels.target)
        return torch.stack([teacher(seen).softmax(1) for teacher in self.teachers]).mean(0)

    def _soft(self, labelled: Batch, unlabelled: Batch | None) -> Tensor:
        """(n, classes): what the teachers said of the pixels of a step, or say now where they are on disk."""
        batches = [labelled] if unlabelled is None else [labelled, unlabelled]
        if self.kept:
            firsts = (0, len(self.labelled))
            index = [batch.index + first for batch, first in zip(batches, firsts, strict=False)]
            return self.soft[torch.cat(index)]
        if not self.teachers:
            pixels = sum(len(batch.index) for batch in batches)
            return labelled.target.new_zeros(pixels, self.data_classes)
        said = [self._opinion(batch) for batch in batches]
        return torch.cat([said[0], *(self.taught(one, self.shares) for one in said[1:])])

    def _teacher_input(self, auxiliary: Tensor, target: Tensor) -> Tensor:
        """What a teacher sees of a pixel: auxiliary components, and the mean of its 3 x 3 target pixels."""
        m = target.shape[-1] // 2
        bands = target[:, : self.model.bands]
        near = bands[:, :, max(m - 1, 0) : m + 2, max(m - 1, 0) : m + 2].mean((2, 3))
        return torch.cat([auxiliary[:, : self.auxiliary_input.features].nan_to_num(), near], 1)

    def loss(self, stage: int, labelled: Batch, unlabelled: Batch | None) -> dict[str, Tensor]:
        """The terms of a stage."""
        if self.stages[stage].name == "teacher":
            return self._teacher_loss(labelled)
        return self._student_loss(labelled, unlabelled)

    def _teacher_loss(self, labelled: Batch) -> dict[str, Tensor]:
        pairs = int((labelled.index < self.labelled_pairs).sum())
        if processes.whole_number(pairs) < MIN_PAIRS:
            first = torch.arange(min(self.labelled_pairs, self.options.label_batch))
            labelled = self.draw(self.labelled, processes.share(first))
        auxiliary, label = cast(Tensor, labelled.auxiliary), cast(Tensor, labelled.label)
        paired = auxiliary.isfinite().all(1)
        seen = self._teacher_input(auxiliary, labelled.target)[paired]
        said = [teacher(seen + self.options.noise * torch.randn_like(seen)) for teacher in self.teachers]
        return self.terms.of(teacher=tuple((logits, label[paired]) for logits in said))

    def _student_loss(self, labelled: Batch, unlabelled: Batch | None) -> dict[str, Tensor]:
        label = cast(Tensor, labelled.label)
        batches = [labelled] if unlabelled is None else [labelled, unlabelled]
        auxiliary = torch.cat([cast(Tensor, batch.auxiliary) for batch in batches])
        paired = auxiliary.isfinite().all(1)
        soft = self._soft(labelled, unlabelled)[paired]
        count = len(label)
        embedding = self.embedded(self.augmented(torch.cat([batch.target for batch in batches])))
        logits = self.classified(embedding)
        terms = self.terms.of(label=(logits[:count], label), distill=(logits[paired], soft))
        if not self.correlates:
            return terms
        f, x = embedding[paired], auxiliary[paired]
        known = label[paired[:count]]
        labels = torch.cat([known, known.new_full((len(x) - len(known),), UNKNOWN)])
        g = self.auxiliary_embedded(x)
        terms |= self.terms.of(correlation=(f, g, labels))
        alone, both = self.auxiliary_head(g), self.joint_head(torch.cat([f, g], 1))
        return terms | self.terms.of(
            auxiliary=self._taught(alone, known, soft), joint=self._taught(both, known, soft)
        )

    def _taught(self, logits: Tensor, known: Tensor, soft: Tensor) -> tuple[tuple[Tensor, Tensor], ...]:
        """What a head beside the correlation says of pairs, and what it should say: labels, and teachers'."""
        labels = (logits[: len(known)], known)
        return (labels, (logits, soft)) if self.has_soft else (labels,)

    @torch.no_grad()
    def probabilities_of_pairs(self, batch: Batch) -> Tensor:
        """(n, classes) of pixels that have both sensors, by the head on both embeddings."""
        f = self.embedded(batch.target)
        g = self.auxiliary_encoder(self.auxiliary_seen(cast(Tensor, batch.auxiliary)))
        return cast(Tensor, self.joint_head(torch.cat([f, g], 1))).softmax(1)

    def findings(self) -> dict[str, Any]:
        """How the teacher was chosen, if it was."""
        teacher = {} if self.teacher is None else {"teacher": dict(self.teacher.findings)}
        return super().findings() | teacher


class Hgr(Method):
    """Maximal correlation with distillation over pairs."""

    name = "hgr"
    summary = "maximal correlation and distillation over pairs of both sensors (the flagship)"
    uses_auxiliary = True
    Options = HgrOptions
    recipes = BRANCH_RECIPES
    ablation: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "without distillation": {"distill_weight": "0"},
        "without correlation": {"correlation_weight": "0"},
        "one teacher": {"teachers": "1"},
        "without contrasts": {"contrasts": ""},
        "without augmentation": {"augment": "false"},
        "without noise": {"noise": "0"},
    }

    joint: ClassVar[Mapping[str, str]] = {"teacher": "network"}

    def classifies_both(self, options: HgrOptions) -> bool:
        """Where the head on both embeddings learns."""
        return options.correlation_weight > 0 and options.joint_weight > 0

    def controls(self, options: HgrOptions) -> Mapping[str, Control]:
        """The branch by itself."""
        return branch_controls(options)

    def check(self, data: TrainingData, options: HgrOptions) -> None:
        """A teacher learns from labelled pairs."""
        check_pairs(data, self.name)

    def learner(
        self, data: TrainingData, options: HgrOptions, seed: int, work: Work | None = None
    ) -> HgrLearner:
        """A learner with weights drawn from `seed`."""
        self.check(data, options)
        teacher = None
        if options.teacher != "network" and options.distill_weight:
            teacher = teacher_of(
                data, teacher=options.teacher, components=options.components,
                auxiliary_radius=options.auxiliary_radius, balance=options.balance, seed=seed, work=work,
            )  # fmt: skip
        torch.manual_seed(seed)
        return HgrLearner(data, options, teacher)
