"""What `pretrain` is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from geo_xmodal.requests.common import AllowAddresses, Device, HoldOut, Precision, Resume, Target
from geo_xmodal.requests.option import Option, Request
from geo_xmodal.requests.training import TrainedOn


class PretrainOptions(Request):
    """How encoders are pretrained, whatever on.

    Attributes:
        method: A name of `PRETRAINING_METHODS`.
        target: The sensor that maps will be made from; None is the scene's.
        epochs: Passes over the pairs, as in the settings.
        seed: Of everything drawn.
        device: What trains.
        precision: Of activations.
        hold_out: Names of scenes that nothing is learned from.
        resume: Go on with what an earlier run left.
    """

    method: Annotated[
        str,
        Option(
            "Method",
            "decur, barlow_twins, simclr, clip, vicreg, or random (no training, to compare with).",
            takes="pretraining method",
        ),
    ] = "decur"
    target: Target = None
    epochs: Annotated[int | None, Option("Epochs", "Passes over the pairs."), Field(ge=1)] = None
    seed: Annotated[int, Option("Seed", "Of everything drawn.", expert=True), Field(ge=0)] = 0
    device: Device = "auto"
    precision: Precision = "float32"
    hold_out: HoldOut = ()
    resume: Resume = False


class PretrainCommand(PretrainOptions, TrainedOn):
    """Pretrain encoders of two sensors on pairs without labels; training may start from them."""

    command: ClassVar[str] = "pretrain"
    title: ClassVar[str] = "Pretrain encoders"

    out: Annotated[
        Path | None,
        Option(
            "Run folder",
            "The run folder (default: runs/SCENE-pretrain-METHOD).",
            takes="new folder",
        ),
    ] = None
    settings: Annotated[
        tuple[str, ...],
        Option(
            "Settings",
            "A setting, such as dimensions=1024 (see docs/guide.md).",
            name="set",
            takes="settings",
            expert=True,
            metavar="KEY=VALUE",
        ),
    ] = ()
    allow_addresses: AllowAddresses = False
