"""What `train` is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from geo_xmodal.requests.common import (
    MAX_SEEDS,
    SHARES,
    AllowAddresses,
    Device,
    HoldOut,
    Layout,
    Precision,
    Resume,
    Scenes,
    Target,
)
from geo_xmodal.requests.option import Option, Request

DEFAULT_METHOD = "auto"
"""What learns where nobody says."""


class TrainOptions(Request):
    """How a model is trained, whatever on.

    Attributes:
        method: its name.
        target: the sensor to map from; None is the scene's.
        epochs: passes over the training pixels, as in the method's options.
        seed: the first one.
        seeds: how many.
        control: also train the method's controls.
        resume: go on with what an earlier run left.
        device: what trains.
        precision: of activations in training.
        hold_out: names of scenes that only test.
        init: a run of `pretrain` whose encoder the target branch starts from, in the controls as well.
        shares: what figures and maps should be right about: `labels` (labels are a fair sample of the land),
            `equal` (every class counts alike), `estimated` (from each image), known areas by class id or
            name, or a CSV file of them. None follows from how the labels were drawn. Training is the same.
    """

    method: Annotated[str, Option("Method", "How to learn: see geo-xmodal methods.", takes="method")] = (
        DEFAULT_METHOD
    )
    target: Target = None
    epochs: Annotated[int | None, Option("Epochs", "Passes over the training pixels."), Field(ge=1)] = None
    seed: Annotated[
        int,
        Option(
            "First seed",
            "The first seed. It gives the same model on as many threads (OMP_NUM_THREADS).",
            expert=True,
        ),
        Field(ge=0),
    ] = 0
    seeds: Annotated[
        int,
        Option(
            "Repetitions",
            "Runs that differ in their random draws, with seeds from {seed} on: their mean and spread say "
            "more than one.",
            expert=True,
            pages="basic",
        ),
        Field(ge=1, le=MAX_SEEDS),
    ] = 1
    control: Annotated[
        bool,
        Option(
            "Controls",
            "Also train without the auxiliary sensor: what it is worth is the gain over these controls.",
            expert=True,
            pages="basic",
        ),
    ] = False
    device: Device = "auto"
    precision: Precision = "float32"
    hold_out: HoldOut = ()
    init: Annotated[
        Path | None,
        Option(
            "Pretrained encoder",
            "A run of pretrain, whose encoder the target branch starts from.",
            expert=True,
            takes="folder",
            metavar="RUN",
        ),
    ] = None
    shares: Annotated[str | Path | dict[str, float] | None, SHARES] = None
    resume: Resume = False


class TrainedOn(Request):
    """What a model is trained on, and where it goes."""

    scenes: Scenes = ()
    chips: Annotated[
        Path | None,
        Option(
            "Chips",
            "A set of chips in place of scenes: a folder with a chips.toml, or a copy of a known set.",
            expert=True,
            takes="folder",
            metavar="FOLDER",
        ),
    ] = None
    layout: Layout = None
    out: Annotated[
        Path | None,
        Option(
            "Run folder",
            "The run folder (default: runs/SCENE-METHOD).",
            takes="new folder",
        ),
    ] = None


class TrainCommand(TrainOptions, TrainedOn):
    """Train on two sensors; what comes out maps with one."""

    command: ClassVar[str] = "train"
    title: ClassVar[str] = "Train a model"

    budget: Annotated[
        str | None,
        Option(
            "Time for the choice",
            "How long auto may compare candidates: 90s, 5m or 1h (default: 5m); training what was "
            "chosen comes after.",
            metavar="TIME",
            applies={"method": ("auto",)},
        ),
    ] = None
    settings: Annotated[
        tuple[str, ...],
        Option(
            "Settings of the method",
            "A setting: see geo-xmodal methods NAME.",
            name="set",
            takes="settings",
            expert=True,
            metavar="KEY=VALUE",
        ),
    ] = ()
    allow_addresses: AllowAddresses = False
