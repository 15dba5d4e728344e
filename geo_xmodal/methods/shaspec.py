"""`shaspec`: features that both sensors share, and features of their own, told apart by two more tasks.

Wang et al. (2023), "Multi-modal learning with missing modality via shared-specific feature modelling", CVPR
(arXiv 2307.14126), and the authors' public code (billhhh/ShaSpec) for weights. Each sensor v has specific
features p_v, and shared ones s_v that one encoder makes for all; s_v + W [s_v, p_v] of all sensors side by
side are decoded. An absent sensor's place is taken by the shared features of one that is there.

    cross-entropy + 0.1 |s_1 - s_2| (distribution alignment) + 0.02 CE(domain of p_v) (domain classification)

Chosen here: the sensors have other bands, so that each has layers of its own (the branch's, and an encoder of
spectra) before the shared layer. The auxiliary sensor of each pair is dropped at random, as in the code's
mode `random`; the target never is. Pixels without it are as those that it was dropped of. With
`unlabelled_pairs` the two tasks, which need no labels, are of all pairs; the papers have labels alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from geo_xmodal.methods.absent_sensor import AbsentSensorLearner, AbsentSensorMethod, DroppedOptions, Seen
from geo_xmodal.methods.base import Batch, Stage, Work, same_names
from geo_xmodal.networks import NetworkSpec
from geo_xmodal.networks.shared_specific import SharedSpecific
from geo_xmodal.networks.tanh_cnn import TanhLayer
from geo_xmodal.objectives import Alignment, Supervised, Terms
from geo_xmodal.types import TrainingData

SENSORS = 2


class ShaSpecOptions(DroppedOptions):
    """Options of `shaspec`."""

    means: ClassVar[Mapping[str, str]] = same_names("unlabelled_pairs")
    search: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "alignment_weight": ("0.02", "0.1", "0.5"),
        "domain_weight": ("0.005", "0.02", "0.1"),
    }

    encoder: Literal["tanh_cnn"] = Field(
        "tanh_cnn", description="layers of the target before its shared and specific features"
    )
    alignment_weight: float = Field(0.1, ge=0, description="weight of the distribution alignment (alpha)")
    domain_weight: float = Field(0.02, ge=0, description="weight of the domain classification (beta)")
    unlabelled_pairs: bool = Field(
        False, description="whether terms that need no labels learn from unlabelled pairs, too"
    )

    @property
    def network(self) -> NetworkSpec:
        """`shared_specific`: what is left without the auxiliary sensor."""
        names = ("contrasts", "kernels", "widths", "embedding", "dropout")
        return NetworkSpec.chosen("shared_specific", {name: getattr(self, name) for name in names})


class ShaSpecLearner(AbsentSensorLearner):
    """The auxiliary sensor's specific layer, and a linear classifier of domains."""

    options: ShaSpecOptions

    def __init__(self, data: TrainingData, options: ShaSpecOptions) -> None:
        super().__init__(data, options)
        width = options.embedding
        self.stages = (Stage("joint", unlabelled=options.unlabelled_pairs),)
        self.auxiliary_specific = TanhLayer(width, width, 1, options.dropout, batch_norm=True)
        self.domain = nn.Linear(width, SENSORS)
        self.terms = Terms(
            {
                "label": self.supervised(),
                "alignment": Alignment(options.alignment_weight),
                "domain": Supervised(torch.ones(SENSORS), options.domain_weight),
            }
        )

    @property
    def net(self) -> SharedSpecific:
        """The branch that maps."""
        return cast(SharedSpecific, self.branch)

    def loss(self, stage: int, labelled: Batch, unlabelled: Batch | None) -> dict[str, Tensor]:
        """Classes, with the auxiliary sensor or without, and the two tasks."""
        seen = self.seen(labelled, unlabelled)
        shared, specific = self.net.parts(seen.target)
        h = self.auxiliary_embedded(seen.auxiliary).tanh()[:, :, None, None]
        auxiliary_shared, auxiliary_specific = self.net.shared(h), self.auxiliary_specific(h)
        kept = self.kept(seen, self.options.drop)[:, :, None, None]
        place = shared.clone()  # of the auxiliary sensor, where it is absent
        fused = self.net.fusion(auxiliary_shared, auxiliary_specific)
        place[seen.paired] = kept * fused + (1 - kept) * shared[seen.paired]
        logits = self.net.head(torch.cat([self.net.fusion(shared, specific), place], 1)).flatten(1)
        return self.terms.of(
            label=(logits[: len(seen.label)], seen.label),
            alignment=(shared[seen.paired].flatten(1), auxiliary_shared.flatten(1)),
            domain=self._domains(seen, specific, auxiliary_specific),
        )

    def _domains(self, seen: Seen, specific: Tensor, auxiliary_specific: Tensor) -> tuple[Tensor, Tensor]:
        """What the classifier says of specific features of pairs, and which sensor they are of."""
        both = torch.cat([specific[seen.paired], auxiliary_specific]).flatten(1)
        sensor = torch.arange(SENSORS, device=both.device).repeat_interleave(len(auxiliary_specific))
        return self.domain(both), sensor


class ShaSpec(AbsentSensorMethod):
    """Shared-specific feature modelling."""

    name = "shaspec"
    summary = "features that both sensors share, aligned, and features of their own, told apart (ShaSpec)"
    Options = ShaSpecOptions

    def learner(
        self, data: TrainingData, options: ShaSpecOptions, seed: int, work: Work | None = None
    ) -> ShaSpecLearner:
        """A learner with weights drawn from `seed`."""
        self.check(data, options)
        torch.manual_seed(seed)
        return ShaSpecLearner(data, options)
