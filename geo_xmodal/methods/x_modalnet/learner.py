"""X-ModalNet at work: autoencoders first, then rounds of training between which labels are propagated."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from geo_xmodal import processes
from geo_xmodal.methods.base import Batch, Stage
from geo_xmodal.methods.cross_validation import Choice, Predict, chosen_value
from geo_xmodal.methods.pairs import MIN_PAIRS
from geo_xmodal.methods.reconstruction import AuxiliaryView, UnitScale, corrupted
from geo_xmodal.methods.rows import CHUNK
from geo_xmodal.methods.svm import SvmLearner, SvmOptions
from geo_xmodal.methods.target_branch import BranchLearner
from geo_xmodal.methods.x_modalnet.options import XModalNetOptions
from geo_xmodal.methods.x_modalnet.streams import STREAMS, Features, TrainingParts
from geo_xmodal.networks.x_modalnet import JointHead, XModalNet
from geo_xmodal.objectives import Adversarial, Distillation, Reconstruction, Term, Terms
from geo_xmodal.patches import joined_patches
from geo_xmodal.propagation import neighbour_graph, propagate
from geo_xmodal.selection import labelled_places
from geo_xmodal.types import FloatArray, IntArray, TrainingData

UNKNOWN = -1

SIGMAS = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)
"""Widths that cross-validation tries (X-ModalNet, section 3.1.4)."""

DEFAULT_SIGMA = 1.0
"""Where labels are too few for cross-validation."""


Kept = Callable[[str, Callable[[], dict[str, Any]]], dict[str, Any]]
"""As `Work.kept`."""


def found_anew(name: str, find: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Find out what nobody keeps."""
    return find()


class XModalNetLearner(BranchLearner):
    """Stage `dae`, then `round-1`, `round-2`, ..."""

    options: XModalNetOptions

    def __init__(
        self, data: TrainingData, options: XModalNetOptions, seed: int, kept: Kept = found_anew
    ) -> None:
        super().__init__(data, options)
        self.auxiliary_view = AuxiliaryView(data, options)
        self.labelled_pairs = len(data.labelled_pairs)
        self.pseudo_labelled = options.propagation != "off"
        self.labelled = self.auxiliary_view.of(self.labelled)
        self.unlabelled = (
            dataclasses.replace(self.unlabelled, auxiliary=None)
            if self.pseudo_labelled
            else self.unlabelled.empty()
        )
        self.parts = TrainingParts(
            data.target.bands, self.auxiliary_view.features, self.data_classes, options
        )
        self.unit = UnitScale(self.statistics)
        self.terms = Terms(
            {
                "joint": self.supervised(),
                "label": self.supervised(),
                "pseudo": Distillation(options.pseudo_weight),
            }
        )
        kind, weight = options.reconstruction, options.reconstruction_weight
        self.pretraining = _each_stream(Reconstruction(kind))
        self.reconstruction = _each_stream(Reconstruction(kind, weight))
        self.adversary = _each_stream(
            Adversarial(options.adversarial, options.adversarial_weight if options.sa else 0.0)
        )
        self.rounds = options.rounds if options.propagation == "graph" else 1
        shares = {"dae": options.pretrain_share} if options.pretrain_share else {}
        shares |= {f"round-{k + 1}": (1 - options.pretrain_share) / self.rounds for k in range(self.rounds)}
        self.stages = tuple(Stage(name, share) for name, share in shares.items())
        self.pseudo: Tensor
        self.changed: Tensor
        self._places, self._seed, self._kept = labelled_places(data), seed, kept
        self._sigma: dict[str, Any] = {}
        self.register_buffer("pseudo", self._svm_labels(data, seed))
        self.register_buffer("changed", torch.ones(()))

    @property
    def net(self) -> XModalNet:
        """The branch that maps."""
        return cast(XModalNet, self.branch)

    @property
    def heads(self) -> tuple[JointHead, nn.Module]:
        """The joint layers, and the unlabelled stream's own head; one of them is the branch's."""
        head, second = self.net.head, self.parts.second_head
        return (head, second) if isinstance(head, JointHead) else (cast(JointHead, second), head)

    @torch.no_grad()
    def _svm_labels(self, data: TrainingData, seed: int) -> Tensor:
        """(n, classes): what a linear SVM on single labelled pixels says of the unlabelled ones."""
        if not self.pseudo_labelled:
            return torch.zeros(0, self.data_classes)
        svm = SvmLearner(data, SvmOptions.model_validate({}), seed).pixel_model()
        pixels = joined_patches([data.unlabelled_pairs.target, data.unlabelled_target.target]).cropped(0)
        return _one_hot(torch.cat([svm(torch.from_numpy(part)).flatten(1) for part in pixels.parts(CHUNK)]))

    def begin(self, stage: int) -> None:
        """From the second round on: propagate labels over the features as they are now."""
        if self.stages[stage].name.startswith("round-") and self.stages[stage].name != "round-1":
            before = self.pseudo.argmax(1)
            self.pseudo.copy_(self._propagated())
            self.changed.copy_((self.pseudo.argmax(1) != before).float().mean())

    def settled(self) -> bool:
        """Whether hardly any pseudo-label changed before this round."""
        return float(self.changed) <= self.options.settle

    @torch.no_grad()
    def _propagated(self) -> Tensor:
        """(n, classes): labels spread over the graph; where none arrives, the pseudo-label stays."""
        features = torch.cat(
            [
                self.embedded(part.target)
                for pool in (self.labelled, self.unlabelled)
                for part in self.walk(pool)
            ]
        ).cpu()
        unknown = torch.full((len(self.unlabelled),), UNKNOWN)
        label = torch.cat([cast(Tensor, self.labelled.label), unknown])
        sigma = self._width(features[: len(self.labelled)].numpy())
        graph = neighbour_graph(features.numpy(), self.options.neighbours, sigma=sigma)
        spread = propagate(graph, label.numpy(), self.data_classes)
        soft = torch.from_numpy(spread.soft[len(self.labelled) :]).float()
        reached = torch.from_numpy(spread.reached[len(self.labelled) :])
        new = _one_hot(soft) if self.options.pseudo_labels == "hard" else soft
        return torch.where(reached[:, None], new, self.pseudo.cpu())

    def _width(self, features: FloatArray) -> float | None:
        """Sigma of Eq. 1 for features (n, d) of the labelled pixels; chosen once, before the second round."""
        if self.options.sigma == "neighbours":
            return None
        if self.options.sigma != "auto":
            return self.options.sigma
        if not self._sigma:
            self._sigma = self._kept("sigma", lambda: self._chosen_width(features).as_json())
        return float(self._sigma["value"])

    def _chosen_width(self, features: FloatArray) -> Choice:
        """By cross-validation of the labelled pixels: those of a fold are predicted from the others'."""
        label = self._places.label

        def of(part: IntArray) -> Predict:
            x, y = features[part], label[part]
            graphs = {value: neighbour_graph(x, self.options.neighbours, sigma=value) for value in SIGMAS}

            def predict(value: float, train: IntArray, test: IntArray) -> IntArray:
                known = np.full(len(y), UNKNOWN)
                known[train] = y[train]
                spread = propagate(graphs[value], known, self.data_classes)
                best = np.where(spread.reached, spread.soft.argmax(1), self.data_classes)
                return cast(IntArray, best[test])

            return predict

        places, reach = self._places, self.options.margin
        return chosen_value(SIGMAS, DEFAULT_SIGMA, places, self.data_classes, of, reach, self._seed)

    def findings(self) -> dict[str, Any]:
        """How sigma was chosen, where it was."""
        found = self._sigma or self._kept("sigma", dict)  # a run that was resumed kept it
        return {"sigma": found} if found else {}

    def loss(self, stage: int, labelled: Batch, unlabelled: Batch | None) -> dict[str, Tensor]:
        """The terms of Eq. 5, or the autoencoders' of the first stage."""
        labelled = self._with_pairs(labelled)
        auxiliary = cast(Tensor, labelled.auxiliary)
        paired = auxiliary[:, 0].isfinite().nonzero()[:, 0]
        auxiliary = auxiliary[paired]
        target = labelled.target if unlabelled is None else torch.cat([labelled.target, unlabelled.target])
        target = self.augmented(target)
        count = len(labelled.target)
        dae = self.stages[stage].name == "dae"
        hidden = self.options.corruption if dae else 0.0
        seen = self.parts.features(
            self.net, corrupted(target, hidden), corrupted(auxiliary, hidden), paired, crossing=not dae
        )
        if dae:
            return self._reconstructed(self.pretraining, seen, target, auxiliary, count)
        return {
            **self._classification(seen, labelled, paired, unlabelled),
            **self._reconstructed(self.reconstruction, seen, target, auxiliary, count),
            **self._adversarial(seen, count),
        }

    def _with_pairs(self, labelled: Batch) -> Batch:
        """The batch, with pairs added if it holds hardly any."""
        pairs = int((labelled.index < self.labelled_pairs).sum())
        if processes.whole_number(pairs) >= MIN_PAIRS:
            return labelled
        more = processes.share(processes.agreed(torch.randint(self.labelled_pairs, (MIN_PAIRS,))))
        return self.draw(self.labelled, torch.cat([labelled.index.cpu(), more]))

    def _classification(
        self, seen: Features, labelled: Batch, paired: Tensor, unlabelled: Batch | None
    ) -> dict[str, Tensor]:
        """L_l, of pairs and of the target sensor alone, and L_pl."""
        label, alone = cast(Tensor, labelled.label), seen.embedding[: len(labelled.target)]
        joint, single = self.heads
        embeddings, auxiliary = seen.paired_embedding, self.parts.auxiliary_joint(seen.auxiliary_embedding)
        zeros_learn = self.options.label_unimodal_head and joint is self.net.head
        if zeros_learn:
            embeddings = torch.cat([embeddings, alone])
            auxiliary = torch.cat([auxiliary, auxiliary.new_zeros(len(alone), *auxiliary.shape[1:])])
        logits = joint(embeddings, auxiliary).flatten(1)
        outputs = {"joint": (logits[: len(paired)], label[paired])}
        if zeros_learn:
            outputs["label"] = logits[len(paired) :], label
        elif self.options.label_unimodal_head:
            outputs["label"] = single(alone).flatten(1), label
        if unlabelled is not None:
            said = single(seen.embedding[len(alone) :]).flatten(1)
            outputs["pseudo"] = said, self.pseudo[unlabelled.index]
        return self.terms.of(**outputs)

    def _reconstructed(
        self, terms: Terms, seen: Features, target: Tensor, auxiliary: Tensor, count: int
    ) -> dict[str, Tensor]:
        """L_rec (Eq. 6) of each stream, from what the first prediction layers hold."""
        if not terms:
            return {}
        patches, wanted = self.parts.patch_decoder(seen.embedding.flatten(1)), self.unit(target)
        spectra = self.parts.spectrum_decoder(seen.auxiliary_embedding.flatten(1))
        pairs = [
            (spectra, self.auxiliary_view.unit(auxiliary)),
            (patches[:count], wanted[:count]),
            (patches[count:], wanted[count:]),
        ]
        there = {
            name: pair
            for name, pair in zip(STREAMS, pairs, strict=True)
            if processes.whole_number(len(pair[0]))
        }
        return {f"reconstruct_{name}": value for name, value in terms.of(**there).items()}

    def _adversarial(self, seen: Features, count: int) -> dict[str, Tensor]:
        """L_adv (Eq. 7) of each stream; nothing without the self-adversarial module."""
        if not self.adversary:
            return {}
        real, fake = (half.flatten(1) for half in seen.target)
        auxiliary_real, auxiliary_fake = (half.flatten(1) for half in seen.auxiliary)
        pairs = [(auxiliary_real, auxiliary_fake), (real[:count], fake[:count]), (real[count:], fake[count:])]
        there = {
            name: (self.parts.discriminators[name], *pair)
            for name, pair in zip(STREAMS, pairs, strict=True)
            if processes.whole_number(len(pair[0]))
        }
        return {f"adversarial_{name}": value for name, value in self.adversary.of(**there).items()}


def _each_stream(term: Term) -> Terms:
    return Terms(dict.fromkeys(STREAMS, term))


def _one_hot(scores: Tensor) -> Tensor:
    """(n, classes): 1 at the highest score of each row."""
    return F.one_hot(scores.argmax(1), scores.shape[1]).float()
