"""Where a target branch starts: from an encoder that was pretrained without labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geo_xmodal.errors import ModelMismatchError, UsageError
from geo_xmodal.methods.base import Method, Options
from geo_xmodal.methods.segmentation import SegmentationOptions
from geo_xmodal.methods.target_branch import PixelBranchOptions
from geo_xmodal.networks import NETWORKS, NetworkSpec
from geo_xmodal.pretrained import PretrainedCard, SensorEntry, encoder_file, read_pretrained_card
from geo_xmodal.types import TrainingData

_OF_TRAINING = ("dropout", "linear_head")
"""Options of networks that an encoder does not have."""


@dataclass(frozen=True)
class Start:
    """The encoder of a pretraining run that a target branch starts from.

    Attributes:
        run: The run.
        card: Of its encoders.
        entry: The sensor of the run that is the target here.
    """

    run: Path
    card: PretrainedCard
    entry: SensorEntry

    @classmethod
    def of(cls, run: Path, target: str, kind: str) -> Start:
        """The encoder for a target sensor: the one of its name, else the only one of its kind.

        Raises:
            BundleError: The run cannot be read.
            ModelMismatchError: No encoder of it is for this sensor.
        """
        card = read_pretrained_card(run)
        found = [one for one in card.sensors if one.modality == target and one.kind == kind]
        found = found or [one for one in card.sensors if one.kind == kind]
        if len(found) != 1:
            sensors = ", ".join(f"{one.modality} ({one.kind})" for one in card.sensors)
            raise ModelMismatchError(
                f"{run} has encoders of {sensors}; the target is {target} ({kind}): start from a run that "
                "was pretrained on such a sensor"
            )
        return cls(run, card, found[0])

    def settings(self, method: Method) -> dict[str, Any]:
        """Settings that give a method's branch the encoder's network and weights, beneath a user's.

        A method that chooses whether to start from it is told which run it is.

        Raises:
            UsageError: The method has no such branch.
        """
        from geo_xmodal.methods import METHODS  # some of them start candidates so

        if method.chooses_start:
            return {"init": str(self.run)}
        weights = str(encoder_file(self.run, self.entry.modality))
        if issubclass(method.Options, SegmentationOptions):
            return {"backbone": self.entry.network.name, "weights": weights}
        if not _has_encoder(method):
            serves = [one for one, it in METHODS.items() if _can_start(it)]
            raise UsageError(
                f"{method.name} has no target branch that starts from pretrained weights; choose one of "
                f"{', '.join(serves)}"
            )
        options = dict(self.entry.network.options)
        own = {name: value for name, value in options.items() if name in method.Options.model_fields}
        if "dense" in options:  # the last layer of such a network is the embedding
            own["embedding"] = options["dense"][-1]
        own = {name: value for name, value in own.items() if name not in _OF_TRAINING}
        return {"encoder": self.entry.network.name, **own, "weights": weights}

    def check(self, options: Options) -> None:
        """See that the branch that was resolved is the encoder's network.

        Raises:
            UsageError: A setting makes it another one, or no network learns.
        """
        if isinstance(options, SegmentationOptions):
            if options.backbone != self.entry.network.name:
                raise UsageError(
                    f"{self.run} was pretrained with {self.entry.network.name}; the backbone would be "
                    f"{options.backbone}: leave that out, or pretrain with it"
                )
            return
        if not isinstance(options, PixelBranchOptions):  # what chooses checks what it starts
            return
        if not options.by_steps:
            raise UsageError(
                f"what learns here is no network, and cannot start from {self.run}: choose one, such as "
                "student=cnn for distillation"
            )
        wanted, resolved = (_plain(one) for one in (self.entry.spec, options.network))
        if wanted != resolved:
            raise UsageError(
                f"{self.run} was pretrained with {_words(wanted)}; the branch would be {_words(resolved)}: "
                "leave out settings of the network, or pretrain with them"
            )

    def seen_by(self, method: Method, data: TrainingData) -> TrainingData:
        """What a method learns from that starts from the encoder, or that chooses whether to.

        Raises:
            ModelMismatchError: As `applied`.
        """
        applied = self.applied(data)
        return dataclasses.replace(data, notes=applied.notes) if method.chooses_start else applied

    def applied(self, data: TrainingData) -> TrainingData:
        """The same pixels, standardised as the encoder has learned to see them.

        Raises:
            ModelMismatchError: The target has other bands.
        """
        bands, own = self.entry.statistics.bands, data.target.statistics.bands
        if bands != own:
            raise ModelMismatchError(
                f"{self.run} was pretrained on {len(bands)} bands of {self.entry.modality} "
                f"({_some(bands)}); {data.target.name} has {len(own)} ({_some(own)}): start from a run of "
                "the same bands in the same order"
            )
        target = dataclasses.replace(data.target, statistics=self.entry.band_statistics)
        pretrained = {
            "method": self.card.method,
            "scene": self.card.scene,
            "transductive": self.card.transductive,
            "encoder_sha256": self.entry.encoder_sha256,
        }
        return dataclasses.replace(data, target=target, notes={**data.notes, "pretrained": pretrained})


def _can_start(method: Method) -> bool:
    """Whether a method starts from a pretraining of some network."""
    return method.chooses_start or issubclass(method.Options, SegmentationOptions) or _has_encoder(method)


def _has_encoder(method: Method) -> bool:
    """Whether a method's branch is a network that users choose by name, and not one of its own."""
    options = method.Options.model_validate({})
    return isinstance(options, PixelBranchOptions) and options.network.name == options.encoder


def _plain(spec: NetworkSpec) -> tuple[str, dict[str, Any]]:
    """A network with all of the options that its encoder has."""
    options = NETWORKS[spec.name][1].model_validate(dict(spec.options)).model_dump(mode="json")
    return spec.name, {name: value for name, value in options.items() if name not in _OF_TRAINING}


def _words(network: tuple[str, Mapping[str, Any]]) -> str:
    name, options = network
    parts = [
        f"{key} {','.join(map(str, value)) or 'none' if isinstance(value, list) else value}"
        for key, value in options.items()
    ]
    return f"{name} ({', '.join(parts)})"


def _some(bands: tuple[str, ...]) -> str:
    return ", ".join(bands[:4]) + (", ..." if len(bands) > 4 else "")
