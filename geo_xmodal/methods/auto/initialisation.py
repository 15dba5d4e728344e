"""Candidates of `auto` that start from a pretraining: from a run of `pretrain`, or from the pairs at hand.

They are judged beside the others in the same folds. What learns from the pairs at hand does so anew in every
fold, from the pairs that train in it: those away from the labels that are held out. A run that is given may
have seen the values of these, as of any unlabelled pixel, without labels; test pixels' it has seen only where
it is transductive, which what starts from it is then, too.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import save_file
from torch import Tensor

from geo_xmodal.errors import TrainingDataError
from geo_xmodal.methods.auto.candidates import Candidate, candidate_like, quick_epochs
from geo_xmodal.methods.base import Options, Work
from geo_xmodal.methods.pretrained_start import Start
from geo_xmodal.methods.pretraining.learner import PretrainLearner
from geo_xmodal.methods.pretraining.options import PretrainingOptions
from geo_xmodal.methods.target_branch import PixelBranchOptions
from geo_xmodal.networks import BranchEncoder
from geo_xmodal.types import TrainingData

PRETRAINED = {"pretrained_hgr": "hgr_pixel_cnn", "pretrained_pixel_cnn": "pixel_cnn"}
"""Candidates that start from a pretraining, and which they are without it."""

_NETWORK = ("encoder", "contrasts", "kernels", "widths", "embedding")
_PIXELWISE = {"auxiliary_contrasts": (), "auxiliary_kernels": (1, 1), "auxiliary_widths": (128, 64)}
"""The auxiliary sensor is encoded pixel by pixel: nobody else asks for patches of it."""


@dataclass(frozen=True)
class FromRun:
    """A start from the encoder of a pretraining run."""

    start: Start

    @property
    def says(self) -> str:
        """The method, the run, and the encoder's checksum."""
        return f"{self.start.card.method} of {self.start.run} ({self.start.entry.encoder_sha256[:12]})"

    def check(self, data: TrainingData) -> None:
        """A run needs no pairs."""

    def prepared(
        self, candidate: Candidate, options: Options, data: TrainingData, seed: int, work: Work, folder: Path
    ) -> tuple[Options, TrainingData]:
        """The options know the file already; data are standardised as the encoder saw them."""
        return options, self.start.applied(data)


@dataclass(frozen=True)
class FromPairs:
    """A start from a pretraining on the pairs that the candidate learns from, without their labels.

    Attributes:
        method: a name of `PRETRAINING_METHODS`.
        epochs: over the pairs; fewer while candidates are judged.
    """

    method: str
    epochs: int

    @property
    def says(self) -> str:
        """The method, and how long."""
        return f"{self.method} on the pairs that train ({self.epochs} epochs)"

    def check(self, data: TrainingData) -> None:
        """Pairs are learned from.

        Raises:
            TrainingDataError: There are none.
        """
        if data.auxiliary is None or data.pairs < 2:
            raise TrainingDataError("pretraining needs pixels that two sensors have, and there are none")

    def prepared(
        self, candidate: Candidate, options: Options, data: TrainingData, seed: int, work: Work, folder: Path
    ) -> tuple[Options, TrainingData]:
        """Pretrain the candidate's network, or take what was pretrained on these pairs, and write it."""
        self.check(data)
        network = {name: getattr(options, name) for name in _NETWORK}
        epochs = self.epochs if options == candidate.options else quick_epochs(self.epochs)
        asked = PretrainingOptions.model_validate({**network, **_PIXELWISE, "epochs": epochs})
        kept = work.shared.setdefault(f"pretraining {_word(data, self.method, asked, seed)}", {})
        if not kept:
            kept |= self._learned(asked, data, seed, work)
        path = folder / "encoder.safetensors"
        save_file(kept, path)
        own = options.model_dump(exclude={"weights", "weights_sha256"})
        return type(options).model_validate({**own, "weights": str(path)}), data

    def _learned(
        self, asked: PretrainingOptions, data: TrainingData, seed: int, work: Work
    ) -> dict[str, Tensor]:
        """Weights of the target sensor's encoder."""
        assert work.fit is not None
        torch.manual_seed(seed)
        learner = PretrainLearner(data.cropped(asked.margin, asked.auxiliary_margin), self.method, asked)
        work.fit(learner, asked, seed)
        encoder = cast(BranchEncoder, learner.encoders[0])
        return {name: one.detach().cpu().contiguous() for name, one in encoder.network.state_dict().items()}


def pretrained_candidates(
    initialisation: FromRun | FromPairs, kind: str, epochs: int | None, single_pixels: bool
) -> tuple[Candidate, ...]:
    """Candidates that start from a pretraining.

    Args:
        initialisation: which it is.
        kind: of the target sensor.
        epochs: as in `candidates_of`.
        single_pixels: nothing looks further than a pixel.

    Raises:
        UsageError: The encoder of a run looks further.
    """
    made = []
    for name, like in PRETRAINED.items():
        more: dict[str, Any] = {}
        if isinstance(initialisation, FromRun):
            more = initialisation.start.settings(candidate_like(like, kind, None, False, {}).method)
        one = candidate_like(like, kind, epochs, single_pixels, more)
        if isinstance(initialisation, FromRun):
            initialisation.start.check(one.options)
        assert isinstance(one.options, PixelBranchOptions)
        made.append(dataclasses.replace(one, name=name, initialisation=initialisation))
    return tuple(made)


def in_turn(candidates: Sequence[Candidate], pretrained: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Each candidate that starts from a pretraining after what it is without; the others at the end."""
    ordered = list(candidates)
    for one in pretrained:
        names = [other.name for other in ordered]
        like = PRETRAINED[one.name]
        ordered.insert(names.index(like) + 1 if like in names else len(names), one)
    return tuple(ordered)


def _word(data: TrainingData, method: str, options: PretrainingOptions, seed: int) -> str:
    """One word for a pretraining: its pairs, and all that it is told."""
    digest = hashlib.sha256(repr((method, options, seed, data.target, data.auxiliary)).encode())
    for group in (data.labelled_pairs, data.unlabelled_pairs):
        digest.update(group.position.tobytes())
    return digest.hexdigest()
