"""`mmanet`: a teacher on both sensors, whose similarities between pixels a network with any of them learns.

Wei et al. (2023), "MMANet: margin-aware distillation and modality-aware regularization for incomplete
multimodal learning", CVPR (arXiv 2304.08028), and the authors' public code (shicaiwei123/MMANet-CVPR2023) for
weights and stages. A teacher learns the labels from both sensors. Then the network that maps sees each pair
with the target alone, the auxiliary sensor alone or both, one as often as another, and minimises

    cross-entropy + 30 margin-aware distillation + 0.5 regularisation of the weak combination

The first epochs are cross-entropy alone; then the combination whose predictions differ most from those of
both sensors is the weak one, and a second head on the same features learns the labels of pixels that are seen
with it.

Chosen here: of two sensors the weak combination is one sensor alone. "Differ" is the Kullback-Leibler
divergence from the predictions of both, the mean over labelled pairs. Pixels without the auxiliary sensor
have the target alone. Adam with a cosine schedule is in place of SGD in steps. With `unlabelled_pairs` the
distillation, which needs no labels, is of all pairs; the paper has labels alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, cast

import torch
from pydantic import Field
from torch import Tensor

from geo_xmodal import processes
from geo_xmodal.methods.absent_sensor import (
    AbsentSensorLearner,
    AbsentSensorMethod,
    AbsentSensorOptions,
    Seen,
    joined,
)
from geo_xmodal.methods.auxiliary_side import embedding_head
from geo_xmodal.methods.base import Batch, Stage, Work, same_names
from geo_xmodal.networks import Branch
from geo_xmodal.objectives import MarginAwareDistillation, Terms
from geo_xmodal.types import TrainingData

COMBINATIONS = ("target", "auxiliary", "both")
"""What a pair is seen with; the first two may be weak."""

UNDECIDED = -1


class MmaNetOptions(AbsentSensorOptions):
    """Options of `mmanet`."""

    means: ClassVar[Mapping[str, str]] = same_names("unlabelled_pairs")
    search: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "margin_weight": ("3", "10", "30"),
        "weak_weight": ("0.1", "0.5", "1"),
    }

    weight_decay: float = Field(5e-4, ge=0, description="weight decay (decoupled in adamw)")
    teacher_share: float = Field(0.5, gt=0, lt=0.9, description="share of the epochs for the teacher")
    warm_share: float = Field(
        0.025,
        gt=0,
        lt=0.1,
        description="share of the epochs before the weak combination is found",
    )
    margin_weight: float = Field(30.0, ge=0, description="weight of the margin-aware distillation")
    weak_weight: float = Field(0.5, ge=0, description="weight of the regularisation of the weak combination")
    unlabelled_pairs: bool = Field(
        False, description="whether terms that need no labels learn from unlabelled pairs, too"
    )


class MmaNetLearner(AbsentSensorLearner):
    """Stages `teacher`, `warm-up`, `student`."""

    options: MmaNetOptions

    def __init__(self, data: TrainingData, options: MmaNetOptions) -> None:
        super().__init__(data, options)
        student = 1 - options.teacher_share - options.warm_share
        self.stages = (
            Stage("teacher", options.teacher_share, unlabelled=False),
            Stage("warm-up", options.warm_share, unlabelled=False),
            Stage("student", student, unlabelled=options.unlabelled_pairs),
        )
        self.teacher = self.fresh_model()
        self.teacher_auxiliary = self.new_auxiliary_encoder(options.auxiliary_width)
        self.weak_head = embedding_head(options.embedding, len(data.classes), options.dropout)
        self.terms = Terms(
            {
                "teacher": self.supervised(),
                "label": self.supervised(),
                "margin": MarginAwareDistillation(options.margin_weight),
                "weak": self.supervised(options.weak_weight),
            }
        )
        self.weak: Tensor
        self.divergence: Tensor
        self.register_buffer("weak", torch.tensor(UNDECIDED))
        self.register_buffer("divergence", torch.zeros(2))

    def begin(self, stage: int) -> None:
        """Find the weak combination before the student learns by it."""
        if self.stages[stage].name == "student":
            self.divergence.copy_(self._divergence())
            self.weak.copy_(self.divergence.argmax())

    @torch.no_grad()
    def _divergence(self) -> Tensor:
        """(2,): how far predictions of either sensor alone are from those of both, over labelled pairs."""
        total = torch.zeros(2, dtype=torch.double)
        for part in torch.split(torch.arange(self.labelled_pairs), self.labelled.chunk):
            batch = self.draw(self.labelled, part)
            f, g = (
                self.embedded(batch.target),
                self.auxiliary_encoder(self.auxiliary_seen(cast(Tensor, batch.auxiliary))),
            )
            both, *alone = (self.classified(one).log_softmax(1) for one in (f + g, f, g))
            total += torch.stack([(both.exp() * (both - one)).sum().double().cpu() for one in alone])
        return total / self.labelled_pairs

    def loss(self, stage: int, labelled: Batch, unlabelled: Batch | None) -> dict[str, Tensor]:
        """The terms of a stage."""
        if self.stages[stage].name == "teacher":
            seen = self.seen(labelled)
            _, logits = self._taught(seen)
            return self.terms.of(teacher=(logits[: seen.labelled_pairs], seen.pair_label))
        seen = self.seen(labelled, unlabelled)
        f, g = self.embedded(seen.target), self.auxiliary_embedded(seen.auxiliary)
        combination = torch.randint(len(COMBINATIONS), (len(g), 1), device=g.device)
        fused = joined(f, g * (combination > 0), seen.paired)
        fused[seen.paired] = fused[seen.paired] - f[seen.paired] * (combination == 1)
        known = len(seen.label)
        terms = self.terms.of(label=(self.classified(fused[:known]), seen.label))
        if self.stages[stage].name == "warm-up":
            return terms
        with torch.no_grad():
            theirs, logits = self._taught(seen)
        terms |= self.terms.of(margin=(fused[seen.paired], theirs, logits))
        return terms | self._regularised(seen, fused[:known], combination[: seen.labelled_pairs, 0])

    def _taught(self, seen: Seen) -> tuple[Tensor, Tensor]:
        """(pairs, embedding) and (pairs, classes) logits of the teacher; it is fixed once it is learnt."""
        learning = torch.is_grad_enabled()
        self.teacher.train(learning)
        self.teacher_auxiliary.train(learning)
        branch = cast(Branch, self.teacher.network)
        f = branch.encode(seen.target[seen.paired]).flatten(1)
        fused = f + self.teacher_auxiliary(self.auxiliary_seen(seen.auxiliary))
        return fused, branch.head(fused[:, :, None, None]).flatten(1)

    def _regularised(self, seen: Seen, fused: Tensor, combination: Tensor) -> dict[str, Tensor]:
        """Labels of the pixels that are seen with the weak combination, by the head that is theirs."""
        which = torch.zeros(len(fused), dtype=torch.long, device=fused.device)
        which[seen.paired[: len(fused)]] = combination
        some = which == self.weak
        if processes.whole_number(int(some.sum())) < 1:
            return {}
        # all pixels pass the head's batch norm, as one pixel has no variance
        return self.terms.of(weak=(self.weak_head(fused)[some], seen.label[some]))

    def findings(self) -> dict[str, Any]:
        """Which combination was weak, and how far each was from both sensors."""
        if int(self.weak) == UNDECIDED:
            return {}
        far = dict(zip(COMBINATIONS, map(float, self.divergence), strict=False))
        return {"weak_combination": {"name": COMBINATIONS[int(self.weak)], "divergence": far}}


class MmaNet(AbsentSensorMethod):
    """Margin-aware distillation and modality-aware regularisation."""

    name = "mmanet"
    summary = "similarities of a teacher on both sensors, and care for the weak combination (MMANet)"
    Options = MmaNetOptions

    def learner(
        self, data: TrainingData, options: MmaNetOptions, seed: int, work: Work | None = None
    ) -> MmaNetLearner:
        """A learner with weights drawn from `seed`."""
        self.check(data, options)
        torch.manual_seed(seed)
        return MmaNetLearner(data, options)
